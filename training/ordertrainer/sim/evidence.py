"""What the steps of a contract say about signals: a witness that sees a link down sees what orderd measures as one. Pure.

Contracts tell how a landed fault is seen and how it is undone, in kinds of steps (`ordertrainer.chaos.steps`). A kind that moves
a signal has a function here, which reads the step and says how. Kinds that move none (a certificate that ran out) have none.
What it says of an entity is the failing entity's; steps about other units are not its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from orderd.domain.faults import EntityKind
from ordertrainer.chaos.contract import FaultContract
from ordertrainer.sim.effects import GONE, NO, YES, Effect, Ends, put, ramp, times

REFUSED_S: Final = 0.001
"""Nobody listens: the answer is there at once."""
UNANSWERED_S: Final = 0.5
"""orderd's own time-out of a probe."""
FILL_PER_S: Final = 0.25
"""What was sized as a share of the space is written this fast, in shares a second."""
SERVICE_DOWN: Final = {
    "unit_active_ratio": NO,
    "unit_active_s": GONE,
    "unit_main_stopped_ratio": GONE,
    "unit_limits_changed_ratio": GONE,
    "unit_priority_changed_ratio": GONE,
    "probe_ok_ratio": NO,
    "probe_latency_s": put(REFUSED_S),
}
STARTS_NO_MORE: Final = {**SERVICE_DOWN, "unit_failed_ratio": YES, "unit_restarts_per_s": NO, "unit_transition_ratio": NO}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """How signals move.

    Attributes:
        own: of the failing entity.
        host: added to the host's.
        weak: what a failure class says of the same signal counts more.
    """

    own: dict[str, Effect] = field(default_factory=dict[str, Effect])
    host: dict[str, Effect] = field(default_factory=dict[str, Effect])
    weak: bool = False


Reader = Callable[[Any, FaultContract], Signs]


def signs_of(step: Any, contract: FaultContract) -> Signs:
    """Return what a step of a contract says, nothing for kinds that no signal shows.

    Args:
        step: a sight or a step of the revert, as parsed.
        contract: what it is part of.
    """
    config = type(step).__struct_config__
    reader = (_SIGHTS if config.tag_field == "see" else _UNDOS).get(config.tag)
    return reader(step, contract) if reader else Signs()


def measured_in(contract: FaultContract, *units: str) -> bool:
    """Tell whether a fault's intensity is told in one of these units."""
    return any(contract.intensity.unit.startswith(unit) for unit in units)


def scaled(contract: FaultContract, factor: float) -> Ends:
    """Return a fault's range of intensity times a factor."""
    return contract.intensity.min * factor, contract.intensity.max * factor


def _always(**own: Effect) -> Reader:
    return lambda _step, _contract: Signs(own=own)


def _whole_host(**host: Effect) -> Reader:
    return lambda _step, _contract: Signs(host=host)


def _of_target(reader: Reader) -> Reader:
    """Make a reader deaf to steps about other units than the target."""
    return lambda step, contract: reader(step, contract) if step.unit == "{target}" else Signs()


def _unit_property(step: Any, _contract: FaultContract) -> Signs:
    value = step.values[0]
    said: dict[tuple[str, str], dict[str, Effect]] = {
        ("ActiveState", "failed"): STARTS_NO_MORE,
        ("ActiveState", "inactive"): {**SERVICE_DOWN, "unit_failed_ratio": NO},
        ("Result", "exit-code"): {"unit_result_exit_ratio": YES},
        ("Result", "signal"): {"unit_result_signal_ratio": YES},
        ("Result", "core-dump"): {"unit_result_signal_ratio": YES},
        ("Result", "start-limit-hit"): {"unit_result_start_limit_ratio": YES, "unit_result_exit_ratio": NO},
        ("LoadState", "masked"): {"unit_masked_ratio": YES},
        ("LoadState", "bad-setting"): {"unit_load_error_ratio": YES},
        ("LoadState", "not-found"): {"unit_load_error_ratio": YES},
    }
    return Signs(own=said.get((step.property, value), {}))


def _process_gone(_step: Any, _contract: FaultContract) -> Signs:
    return Signs(own=SERVICE_DOWN, weak=True)


def _process_stopped(_step: Any, _contract: FaultContract) -> Signs:
    return Signs(own={"unit_main_stopped_ratio": YES, "probe_ok_ratio": NO, "probe_latency_s": put(UNANSWERED_S)})


def _link(step: Any, _contract: FaultContract) -> Signs:
    masks = step.to == "/dev/null" and "{target}" in step.path
    return Signs(own={"unit_masked_ratio": YES} if masks else {})


def _content(step: Any, _contract: FaultContract) -> Signs:
    return Signs(own={"unit_dropins_changed_ratio": YES} if "/{target}.d/" in step.path else {})


def _answer(step: Any, contract: FaultContract) -> Signs:
    if measured_in(contract, "milliseconds"):
        return Signs(own={"probe_latency_s": put(*scaled(contract, 1e-3))})
    if step.at_least_s:
        return Signs(own={"probe_latency_s": put(step.at_least_s * 2.2, step.at_least_s * 3.0)})
    return Signs(own={"probe_ok_ratio": NO})


def _connect(step: Any, _contract: FaultContract) -> Signs:
    """A connection over loopback is what probes make; one to elsewhere is nobody's signal."""
    if step.result == "timeout" and step.address.startswith("127."):
        return Signs(own={"probe_ok_ratio": NO, "probe_latency_s": put(UNANSWERED_S)})
    return Signs()


def _cpu(user: float, system: float) -> Reader:
    def reader(step: Any, contract: FaultContract) -> Signs:
        low, high = step.at_least_cores * 1.2, step.at_least_cores * 2.6
        if measured_in(contract, "threads", "share of one core"):
            low, high = scaled(contract, 1.0)
        cores = {
            "process_cpu_user_cores": put(low * user, high * user),
            "process_cpu_system_cores": put(low * system, high * system),
        }
        return Signs(own=cores, host={"load_per_core": put(0.3, 0.9)})

    return reader


def _memory_grown(step: Any, contract: FaultContract) -> Signs:
    """Sizes are of hosts of two to eight gibibytes; the pace of a host says how large it is."""
    if measured_in(contract, "MiB per second", "MB per second"):
        rate = scaled(contract, 2.5e-4)
        return Signs(own={"process_memory_ratio": ramp(rate, (0.8, 0.85)), "process_cpu_user_cores": put(0.1, 0.3)})
    if measured_in(contract, "share of the available memory"):
        return Signs(own={"process_memory_ratio": ramp((0.08, 0.12), scaled(contract, 0.6))})
    most = (0.015, 0.06) if step.at_least_bytes < 1 << 28 else (0.4, 0.55)
    return Signs(own={"process_memory_ratio": ramp((0.01, 0.02), most)})


def _children(step: Any, contract: FaultContract) -> Signs:
    count = scaled(contract, 1.0) if contract.intensity.max else (step.at_least, step.at_least)
    host = {"process_count": put(*count)}
    if "D" in step.states and "R" not in step.states:
        host |= {"process_blocked_ratio": put(0.1, 0.25), "load_per_core": put(2.0, 8.0), "pressure_io_ratio": put(0.2, 0.5)}
    elif "R" in step.states:
        host |= {"load_per_core": put(0.8, 3.0), "cpu_system_ratio": put(0.1, 0.3)}
    return Signs(host=host)


def _mount_used(_step: Any, contract: FaultContract) -> Signs:
    if measured_in(contract, "share of the space"):
        return Signs(own={"mount_used_ratio": ramp((FILL_PER_S, FILL_PER_S), scaled(contract, 1.0))})
    return Signs(own={"mount_used_ratio": ramp((0.03, 0.16), (1.0, 1.0))}, host=_WRITES)


def _inodes_used(_step: Any, contract: FaultContract) -> Signs:
    most = scaled(contract, 1.0) if measured_in(contract, "share of the inodes") else (1.0, 1.0)
    return Signs(own={"mount_inodes_used_ratio": ramp((0.08, 0.2), most), "mount_used_ratio": ramp((2e-3, 4e-3), (0.75, 0.75))})


def _own_access(step: Any, contract: FaultContract) -> Signs:
    top = contract.target is EntityKind.MOUNT and step.path == "{target}"
    return Signs(own={"mount_access_changed_ratio": YES} if top else {})


def _priority(_step: Any, _contract: FaultContract) -> Signs:
    return Signs(own={"unit_priority_changed_ratio": YES, "probe_latency_s": times(2.0)})


def _quota(_step: Any, _contract: FaultContract) -> Signs:
    return Signs(own={"unit_limits_changed_ratio": YES, "probe_latency_s": times(6.0)})


def _stalled(step: Any, _contract: FaultContract) -> Signs:
    return Signs(host={f"pressure_{step.of}_ratio": put(0.3, 0.8)})


def _threads(step: Any, contract: FaultContract) -> Signs:
    count = scaled(contract, 1.0) if measured_in(contract, "threads") else (step.at_least, step.at_least)
    return Signs(own={"process_threads_count": put(*count)})


def _clock_off(step: Any, contract: FaultContract) -> Signs:
    return Signs(own={"clock_step_s": put(*scaled(contract, 1.0)) if measured_in(contract, "seconds") else put(step.at_least_s)})


def _late_answers(step: Any, contract: FaultContract) -> Signs:
    low, high = scaled(contract, 1.0) if measured_in(contract, "seconds") else (step.at_least_s, step.at_least_s)
    return Signs(own={"probe_latency_s": put(min(low, UNANSWERED_S * 0.8), min(high, UNANSWERED_S * 0.8))})


_WRITES: Final = {
    "disk_write_bytes_per_s": put(2e7, 1e8),
    "pressure_io_ratio": put(0.05, 0.25),
    "cpu_iowait_ratio": put(0.02, 0.1),
}
_SILENT: Final = _always(probe_ok_ratio=NO, probe_latency_s=put(UNANSWERED_S))

_SIGHTS: Final[dict[str, Reader]] = {
    "main_process_gone": _of_target(_process_gone),
    "main_process_stopped": _of_target(_process_stopped),
    "unit_property": _of_target(_unit_property),
    "nice": _of_target(_priority),
    "cpu_quota": _of_target(_quota),
    "link": _link,
    "content": _content,
    "answer": _answer,
    "refused": _always(probe_ok_ratio=NO, probe_latency_s=put(REFUSED_S)),
    "connect": _connect,
    "cpu_user": _cpu(user=0.97, system=0.03),
    "cpu_system": _cpu(user=0.45, system=0.55),
    "runnable": _whole_host(load_per_core=put(0.8, 2.5)),
    "memory_grown": _memory_grown,
    "swapped": _whole_host(swap_used_ratio=put(0.2, 0.6), disk_read_bytes_per_s=put(1e7, 5e7)),
    "memory_available": _whole_host(pressure_memory_ratio=put(0.0, 0.2)),
    "threads": _threads,
    "children": _children,
    "load_risen": _whole_host(load_per_core=put(1.0, 3.0)),
    "stalled": _stalled,
    "oom_killed": _always(process_memory_ratio=ramp((0.08, 0.2), (0.85, 0.85))),
    "mount_used": _mount_used,
    "inodes_used": _inodes_used,
    "mount_read_only": _always(mount_read_only_ratio=YES),
    "mount_dead": _always(mount_read_only_ratio=YES),
    "access": _own_access,
    "file_at_least": _whole_host(**_WRITES),
    "disk_written": _whole_host(**_WRITES),
    "name_server_silent": _SILENT,
    "name_server_slow": _late_answers,
    "resolves_to": _always(resolver_overridden_ratio=YES),
    "lost": _whole_host(net_drop_per_s=put(0.5, 10.0)),
    "link_sends": _whole_host(net_send_bytes_per_s=put(5e6, 2e7)),
    "link_down": _always(nic_down_ratio=YES),
    "link_mtu": _always(nic_mtu_changed_ratio=YES),
    "address_gone": _always(nic_addresses_missing_ratio=put(0.5)),
    "neighbour": _always(nic_neighbours_fixed_ratio=YES),
    "clock_off": _clock_off,
    "sysctl": _always(host_settings_changed_ratio=put(0.1)),
    "hostname": _always(host_name_changed_ratio=YES),
    "check_fails": _always(host_login_broken_ratio=YES),
}
_UNDOS: Final[dict[str, Reader]] = {
    "qdisc": _always(nic_queueing_changed_ratio=YES),
    "routes": _always(nic_routes_missing_ratio=put(0.5)),
    "net_setting": _always(host_settings_changed_ratio=put(0.1)),
}
