"""What a host in order measures: a wide range for every signal, from which each host and entity has its own values. Pure.

Ranges are what drill hosts and the public server sets of ``data/`` show, rounded, and wide on purpose: half of all hosts are
drawn from them, the other half as recorded traces have it (`fitted`). A test holds table and vocabulary of signals together.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from orderd.domain.faults import EntityKind


class Share(StrEnum):
    """What is missing together: a host without the thing that is measured has none of these signals."""

    ALWAYS = "always"
    PROBE = "probe"
    RECORD = "record"
    INODES = "inodes"
    SWAP = "swap"
    PRESSURE = "pressure"


MISSING: Final = {
    Share.ALWAYS: 0.0,
    Share.PROBE: 0.2,
    Share.RECORD: 0.1,
    Share.INODES: 0.1,
    Share.SWAP: 0.4,
    Share.PRESSURE: 0.1,
}
"""Share of hosts (of units, where it is the probe) that cannot measure it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthy:
    """The values of one signal in order.

    Attributes:
        low, high: between them.
        spread: drawn evenly on a logarithmic scale.
        noise: relative deviation from second to second on a host of noise 1; flags have none.
        share: what it is missing with.
    """

    low: float
    high: float
    spread: bool = False
    noise: float = 0.0
    share: Share = Share.ALWAYS


def _flag(share: Share = Share.ALWAYS) -> Healthy:
    return Healthy(low=0.0, high=0.0, share=share)


HOST: Final = {
    "cpu_user_ratio": Healthy(low=0.02, high=0.3, noise=0.3),
    "cpu_system_ratio": Healthy(low=0.01, high=0.08, noise=0.3),
    "cpu_iowait_ratio": Healthy(low=0.0, high=0.02, noise=0.5),
    "load_per_core": Healthy(low=0.03, high=0.5, noise=0.05),
    "memory_used_ratio": Healthy(low=0.12, high=0.6, noise=0.003),
    "swap_used_ratio": Healthy(low=0.0, high=0.1, share=Share.SWAP),
    "pressure_cpu_ratio": Healthy(low=0.0, high=0.05, noise=0.5, share=Share.PRESSURE),
    "pressure_memory_ratio": Healthy(low=0.0, high=0.002, noise=0.5, share=Share.PRESSURE),
    "pressure_io_ratio": Healthy(low=0.0, high=0.03, noise=0.5, share=Share.PRESSURE),
    "disk_read_bytes_per_s": Healthy(low=1e2, high=1e6, spread=True, noise=0.6),
    "disk_write_bytes_per_s": Healthy(low=1e4, high=3e6, spread=True, noise=0.6),
    "net_receive_bytes_per_s": Healthy(low=1e3, high=1e6, spread=True, noise=0.4),
    "net_send_bytes_per_s": Healthy(low=1e3, high=1e6, spread=True, noise=0.4),
    "net_drop_per_s": Healthy(low=0.0, high=0.02, noise=0.5),
    "process_count": Healthy(low=50.0, high=260.0, noise=0.005),
    "process_blocked_ratio": Healthy(low=0.0, high=0.004, noise=0.5),
}

ENTITY: Final = {
    "unit_active_ratio": Healthy(low=1.0, high=1.0),
    "unit_failed_ratio": _flag(),
    "unit_transition_ratio": _flag(),
    "unit_masked_ratio": _flag(),
    "unit_load_error_ratio": _flag(),
    "unit_restarts_per_s": _flag(),
    "unit_result_exit_ratio": _flag(),
    "unit_result_signal_ratio": _flag(),
    "unit_result_start_limit_ratio": _flag(),
    "unit_dropins_changed_ratio": _flag(Share.RECORD),
    "unit_main_stopped_ratio": _flag(),
    "unit_active_s": Healthy(low=60.0, high=3600.0),
    "probe_ok_ratio": Healthy(low=1.0, high=1.0, share=Share.PROBE),
    "probe_latency_s": Healthy(low=5e-4, high=2e-2, spread=True, noise=0.3, share=Share.PROBE),
    "mount_used_ratio": Healthy(low=0.05, high=0.72, noise=0.0005),
    "mount_inodes_used_ratio": Healthy(low=0.01, high=0.3, noise=0.0005, share=Share.INODES),
    "mount_fill_ratio_per_s": Healthy(low=-1e-4, high=1e-4, noise=1.0),
    "mount_read_only_ratio": _flag(),
    "mount_stuck_s": _flag(),
    "process_cpu_user_cores": Healthy(low=0.02, high=0.6, spread=True, noise=0.3),
    "process_cpu_system_cores": Healthy(low=0.01, high=0.2, spread=True, noise=0.3),
    "process_memory_ratio": Healthy(low=0.002, high=0.15, spread=True, noise=0.005),
    "process_memory_growth_ratio_per_s": Healthy(low=-2e-4, high=2e-4, noise=1.0),
    "process_age_s": Healthy(low=5.0, high=3600.0, spread=True),
    "process_blocked_ratio_recent": Healthy(low=0.0, high=0.0),
    "process_threads_count": Healthy(low=1.0, high=32.0, spread=True),
    "process_of_service_ratio": Healthy(low=0.0, high=1.0),
    "clock_step_s": Healthy(low=-0.01, high=0.01),
    "unit_limits_changed_ratio": _flag(Share.RECORD),
    "unit_priority_changed_ratio": _flag(Share.RECORD),
    "mount_access_changed_ratio": _flag(Share.RECORD),
    "resolver_overridden_ratio": _flag(Share.RECORD),
    "nic_down_ratio": _flag(),
    "nic_addresses_missing_ratio": _flag(Share.RECORD),
    "nic_routes_missing_ratio": _flag(Share.RECORD),
    "nic_mtu_changed_ratio": _flag(Share.RECORD),
    "nic_queueing_changed_ratio": _flag(Share.RECORD),
    "nic_neighbours_fixed_ratio": _flag(Share.RECORD),
    "host_settings_changed_ratio": _flag(Share.RECORD),
    "host_name_changed_ratio": _flag(Share.RECORD),
    "host_login_broken_ratio": _flag(),
    "nic_crowded_ratio": _flag(Share.RECORD),
}

WAVY: Final = frozenset(
    {"cpu_user_ratio", "cpu_system_ratio", "load_per_core", "net_receive_bytes_per_s", "net_send_bytes_per_s"}
)
"""Signals of a host that have slow ups and downs."""
WAVE: Final = 0.2
"""Relative deviation of these."""
WAVE_S: Final = 60.0
COUNTS: Final = frozenset({"unit_active_s", "process_age_s"})
"""Signals that count seconds by themselves while all is well; at most 3600."""
COUNT_MAX_S: Final = 3600.0
COUNT_PER_S: Final = 1.001
"""From one sample to the next it is a little more than a second."""
GROWTHS: Final = (
    ("mount_used_ratio", "mount_fill_ratio_per_s"),
    ("process_memory_ratio", "process_memory_growth_ratio_per_s"),
)
"""Signals and those that are their growth, in order and failing."""
EITHER: Final = frozenset({"process_of_service_ratio"})
"""Signals that are 0 or 1 and nothing between."""
PROBED_KINDS: Final = frozenset({EntityKind.UNIT})
"""Kinds whose probe may be missing; a resolver is declared by what is asked of it."""
