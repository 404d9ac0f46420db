"""Every measured quantity, declared once: name, unit, kind of entity, meaning. Pure.

A signal is a number measured on the host. Missing is NaN and stays missing: never zero. Base units only; ``_ratio`` is 0 to 1.
The order of the two tuples is the order of the columns everywhere: samples, telemetry, data sets, the model's input. Columns
are only ever appended, so that a model which knows the first of them goes on working (`orderd.domain.schema`).

References:
    cockpit src/cockpit/samples.py, for declaring samples in one place and testing emitted == declared.
"""

from dataclasses import dataclass
from typing import Final

from orderd.domain.faults import EntityKind

ALL_KINDS: Final = frozenset(EntityKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One declared quantity.

    Attributes:
        name: unique, ends in its unit.
        meaning: what is measured, and where it is read.
        kinds: entity kinds that can carry it; empty for host signals.
    """

    name: str
    meaning: str
    kinds: frozenset[EntityKind] = frozenset()


def _host(name: str, meaning: str) -> Signal:
    return Signal(name=name, meaning=meaning)


def _unit(name: str, meaning: str) -> Signal:
    return Signal(name=name, meaning=meaning, kinds=frozenset({EntityKind.UNIT}))


def _mount(name: str, meaning: str) -> Signal:
    return Signal(name=name, meaning=meaning, kinds=frozenset({EntityKind.MOUNT}))


def _process(name: str, meaning: str) -> Signal:
    return Signal(name=name, meaning=meaning, kinds=frozenset({EntityKind.PROCESS}))


def _nic(name: str, meaning: str) -> Signal:
    return Signal(name=name, meaning=meaning, kinds=frozenset({EntityKind.NIC}))


def _system(name: str, meaning: str) -> Signal:
    return Signal(name=name, meaning=meaning, kinds=frozenset({EntityKind.HOST}))


HOST_SIGNALS: Final = (
    _host("cpu_user_ratio", "share of all cores in user mode since the last sample (psutil.cpu_times)"),
    _host("cpu_system_ratio", "share of all cores in kernel mode since the last sample (psutil.cpu_times)"),
    _host("cpu_iowait_ratio", "share of all cores waiting for IO since the last sample (psutil.cpu_times)"),
    _host("load_per_core", "1-minute load average divided by cores (psutil.getloadavg)"),
    _host("memory_used_ratio", "1 - available/total (psutil.virtual_memory)"),
    _host("swap_used_ratio", "used/total swap, missing without swap (psutil.swap_memory)"),
    _host("pressure_cpu_ratio", "PSI cpu some, stall time since the last sample / elapsed"),
    _host("pressure_memory_ratio", "PSI memory some, stall time since the last sample / elapsed"),
    _host("pressure_io_ratio", "PSI io some, stall time since the last sample / elapsed"),
    _host("disk_read_bytes_per_s", "bytes read from block devices (psutil.disk_io_counters)"),
    _host("disk_write_bytes_per_s", "bytes written to block devices (psutil.disk_io_counters)"),
    _host("net_receive_bytes_per_s", "bytes received, loopback excluded (psutil.net_io_counters)"),
    _host("net_send_bytes_per_s", "bytes sent, loopback excluded (psutil.net_io_counters)"),
    _host("net_drop_per_s", "packets dropped or in error, loopback excluded (psutil.net_io_counters)"),
    _host("process_count", "processes in the process table"),
    _host("process_blocked_ratio", "share of processes in uninterruptible sleep"),
)
"""Host signals, in column order."""

ENTITY_SIGNALS: Final = (
    _unit("unit_active_ratio", "1 when ActiveState is active or reloading, else 0"),
    _unit("unit_failed_ratio", "1 when ActiveState is failed"),
    _unit("unit_transition_ratio", "1 when ActiveState is activating or deactivating, or a job is queued"),
    _unit("unit_masked_ratio", "1 when LoadState is masked, or the unit file became a link to /dev/null"),
    _unit("unit_load_error_ratio", "1 when LoadState is neither loaded nor masked"),
    _unit("unit_restarts_per_s", "automatic restarts (NRestarts) over the last 10 s"),
    _unit("unit_result_exit_ratio", "1 when Result is exit-code"),
    _unit("unit_result_signal_ratio", "1 when Result is signal, core-dump or oom-kill"),
    _unit("unit_result_start_limit_ratio", "1 when Result is start-limit-hit"),
    _unit("unit_dropins_changed_ratio", "1 when the drop-ins differ in name or content from the known good record"),
    _unit("unit_main_stopped_ratio", "share of the unit's processes in state T or t (stopped by a signal or a tracer)"),
    _unit("unit_active_s", "seconds since the unit became active, missing while it is not; at most 3600"),
    Signal(
        name="probe_ok_ratio",
        meaning="1 when the last finished probe of the service or resolver succeeded",
        kinds=frozenset({EntityKind.UNIT, EntityKind.RESOLVER}),
    ),
    Signal(
        name="probe_latency_s",
        meaning="duration of the last finished probe, or the age of the probe still running when that is longer",
        kinds=frozenset({EntityKind.UNIT, EntityKind.RESOLVER}),
    ),
    _mount("mount_used_ratio", "used / (used + available to users) (statvfs, measured in a process of its own)"),
    _mount("mount_inodes_used_ratio", "used inodes / inodes; missing where the file system counts none"),
    _mount("mount_fill_ratio_per_s", "growth of mount_used_ratio since the last sample, may be negative"),
    _mount("mount_read_only_ratio", "1 when mounted read-only"),
    _mount("mount_stuck_s", "seconds the statvfs of this mount has been without an answer, 0 when it answers"),
    _process("process_cpu_user_cores", "cores in user mode since the last sample (/proc/PID/stat utime)"),
    _process("process_cpu_system_cores", "cores in kernel mode since the last sample (/proc/PID/stat stime)"),
    _process("process_memory_ratio", "resident memory / host memory"),
    _process("process_memory_growth_ratio_per_s", "growth of process_memory_ratio per second since the last sample"),
    _process("process_age_s", "seconds since the process started, at most 3600"),
    _process("process_blocked_ratio_recent", "share of the last 10 samples in state D (uninterruptible)"),
    _process("process_threads_count", "threads"),
    _process("process_of_service_ratio", "1 when the process belongs to the cgroup of a declared service"),
    Signal(
        name="clock_step_s",
        meaning="change of (wall clock - CLOCK_BOOTTIME) since orderd started, seconds",
        kinds=frozenset({EntityKind.CLOCK}),
    ),
    # From here on: what differs from the known-good record, which is the desired state of what nobody declares line by line.
    _unit("unit_limits_changed_ratio", "1 when CPU quota or memory limits of its control group differ from the record"),
    _unit("unit_priority_changed_ratio", "share of its processes that are nicer than the record says (stat nice)"),
    _mount("mount_access_changed_ratio", "1 when owner or mode of the top directory differ from the record"),
    Signal(
        name="resolver_overridden_ratio",
        meaning="1 when /etc/hosts answers for the name that the resolver is asked for, and did not in the record",
        kinds=frozenset({EntityKind.RESOLVER}),
    ),
    _nic("nic_down_ratio", "1 when the link is administratively down, or has lost its carrier (/sys/class/net)"),
    _nic("nic_addresses_missing_ratio", "share of the recorded address families of which the link has no address left"),
    _nic("nic_routes_missing_ratio", "share of the recorded routes over the link whose destination has no route left"),
    _nic("nic_mtu_changed_ratio", "1 when the MTU differs from the record"),
    _nic("nic_queueing_changed_ratio", "1 when the queueing disciplines differ from the record (rtnetlink)"),
    _nic("nic_neighbours_fixed_ratio", "1 when a neighbour's hardware address is fixed that the record does not fix"),
    _system("host_settings_changed_ratio", "share of the watched kernel settings that differ from the record (/proc/sys)"),
    _system("host_name_changed_ratio", "1 when the host's name differs from the record"),
    _system("host_login_broken_ratio", "1 when sshd or sudo cannot read its configuration (orderd-login-check.service)"),
    _nic("nic_crowded_ratio", "share of what it sends that one user's many waiting connections to one address send (sock_diag)"),
)
"""Entity signals, in column order; an entity carries those of its kind, the rest are NaN. Only ever appended to."""

SLOT_AGES_S: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Ages of the window's slots: recent seconds fine, older ones coarse."""

HOST_INDEX: Final = {signal.name: i for i, signal in enumerate(HOST_SIGNALS)}
ENTITY_INDEX: Final = {signal.name: i for i, signal in enumerate(ENTITY_SIGNALS)}
