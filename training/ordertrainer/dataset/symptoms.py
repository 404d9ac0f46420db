"""When a failure can be seen in a window, and when an entity looks troubled at all. Pure.

These are no diagnosis: they say from which sample on a label is fair. Thresholds are therefore below those of the rule diagnoser,
which has to be sure; here the truth is known and only its visibility is asked for.
"""

import math
from collections.abc import Callable
from typing import Final

from orderd.domain.faults import EntityKind, Failure
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, SLOT_AGES_S
from orderd.domain.window import Window

FULL_RATIO: Final = 0.95
"""Where the rule diagnoser calls a mount full; below it nothing fails yet, so there is no failure to see."""
INODES_FULL_RATIO: Final = 0.95
SLOW_S: Final = 0.1
CROWDED_RATIO: Final = 0.3
BUSY_CORES: Final = 0.3
"""What the repair of a runaway asks for, and what makes a process worth a row; on a contended machine a spinner gets no more."""
STEPPED_S: Final = 0.5
GROWTH_RATIO_PER_S: Final = 0.001
"""0.1 % of the host's memory a second, in every gap between the newest slots."""
BUSY_SLOTS: Final = 3
"""Ages 0, 1 and 2 s: two seconds of work are more than a start."""
GROWTH_SLOTS: Final = 4
"""Ages 0, 1, 2 and 4 s."""


class EntityView:
    """One entity's signals over a window's slots, newest first."""

    def __init__(self, window: Window, index: int) -> None:
        """Look at the entity number ``index`` of a window."""
        self.kind = window.entities[index].kind
        self._window = window
        self._index = index

    def series(self, signal: str) -> tuple[float, ...]:
        """Return a signal over the slots."""
        return self._window.series(self._index, ENTITY_INDEX[signal])

    def now(self, signal: str) -> float:
        """Return a signal's newest value."""
        return self.series(signal)[0]


def visible(failure: Failure, view: EntityView) -> bool:
    """Tell whether a failure that is known to be there can be seen in the entity's own signals.

    Abrupt failures show in the first sample that measured the entity again. Gradual ones show when their definition holds: a
    mount that is 95 % full, a process that was busy for 2 s, memory that grew through 4 s.
    """
    return _VISIBLE[failure](view)


def troubled(view: EntityView) -> bool:
    """Tell whether an entity looks less than fine, for whatever reason.

    Beside a failing entity such a one may be collateral (a worker on the full mount) and is judged neither ok nor failing.
    """
    return _TROUBLED[view.kind](view)


def _unit_troubled(view: EntityView) -> bool:
    if _slow(view) or _squeezed(view):
        return True
    inactive = view.now("unit_active_ratio") < 1 or view.now("unit_transition_ratio") > 0
    return inactive or view.now("unit_main_stopped_ratio") > 0 or view.now("probe_ok_ratio") < 1


def _masked(view: EntityView) -> bool:
    return view.now("unit_masked_ratio") >= 1


def _down(view: EntityView) -> bool:
    return view.now("unit_active_ratio") < 1


def _hung(view: EntityView) -> bool:
    return view.now("unit_main_stopped_ratio") > 0 or view.now("probe_ok_ratio") < 1


def _crash_loop(view: EntityView) -> bool:
    return view.now("unit_restarts_per_s") > 0 or view.now("unit_active_ratio") < 1


def _full(view: EntityView) -> bool:
    return view.now("mount_used_ratio") >= FULL_RATIO


def _mount_troubled(view: EntityView) -> bool:
    return any(looks(view) for looks in (_full, _inodes_full, _read_only, _missing, _stuck, _access_lost))


def _busy_slots(view: EntityView) -> list[bool]:
    user, system = view.series("process_cpu_user_cores"), view.series("process_cpu_system_cores")
    return [u + s >= BUSY_CORES for u, s in zip(user, system, strict=True)]


def _runaway(view: EntityView) -> bool:
    return all(_busy_slots(view)[:BUSY_SLOTS])


def _leaking(view: EntityView) -> bool:
    memory = view.series("process_memory_ratio")
    slots = range(GROWTH_SLOTS - 1)
    return all(memory[i] - memory[i + 1] >= GROWTH_RATIO_PER_S * (SLOT_AGES_S[i + 1] - SLOT_AGES_S[i]) for i in slots)


def _process_troubled(view: EntityView) -> bool:
    return _busy_slots(view)[0] or _leaking(view)


def _unresolved(view: EntityView) -> bool:
    return view.now("probe_ok_ratio") < 1 or view.now("resolver_overridden_ratio") > 0


def _stepped(view: EntityView) -> bool:
    return abs(view.now("clock_step_s")) >= STEPPED_S


def _load_error(view: EntityView) -> bool:
    return view.now("unit_load_error_ratio") > 0


def _given_up(view: EntityView) -> bool:
    return view.now("unit_result_start_limit_ratio") > 0 and view.now("unit_active_ratio") < 1


def _slow(view: EntityView) -> bool:
    return view.now("probe_latency_s") >= SLOW_S


def _squeezed(view: EntityView) -> bool:
    return view.now("unit_limits_changed_ratio") > 0 or view.now("unit_priority_changed_ratio") > 0


def _read_only(view: EntityView) -> bool:
    return view.now("mount_read_only_ratio") > 0


def _missing(view: EntityView) -> bool:
    return all(math.isnan(view.now(name)) for name in ("mount_read_only_ratio", "mount_stuck_s", "mount_used_ratio"))


def _stuck(view: EntityView) -> bool:
    return view.now("mount_stuck_s") > 0


def _access_lost(view: EntityView) -> bool:
    return view.now("mount_access_changed_ratio") > 0


def _inodes_full(view: EntityView) -> bool:
    return view.now("mount_inodes_used_ratio") >= INODES_FULL_RATIO


def _link_down(view: EntityView) -> bool:
    return view.now("nic_down_ratio") > 0


def _crowded(view: EntityView) -> bool:
    return view.now("nic_crowded_ratio") >= CROWDED_RATIO


def _differing(kind: EntityKind) -> Callable[[EntityView], bool]:
    """Return what tells whether anything of such an entity is not as recorded: none of its signals means anything else."""
    names = [signal.name for signal in ENTITY_SIGNALS if kind in signal.kinds]
    return lambda view: any(view.now(name) > 0 for name in names)


_VISIBLE: Final[dict[Failure, Callable[[EntityView], bool]]] = {
    Failure.OK: lambda _view: True,
    Failure.SERVICE_DOWN: _down,
    Failure.SERVICE_MASKED: _masked,
    Failure.SERVICE_HUNG: _hung,
    Failure.SERVICE_CRASH_LOOP: _crash_loop,
    Failure.DISK_FULL: _full,
    Failure.CPU_RUNAWAY: _runaway,
    Failure.MEMORY_LEAK: _leaking,
    Failure.DNS_BROKEN: _unresolved,
    Failure.CLOCK_STEPPED: _stepped,
    Failure.SERVICE_START_LIMIT: _given_up,
    Failure.SERVICE_LOAD_ERROR: _load_error,
    Failure.SERVICE_SLOW: _slow,
    Failure.DISK_INODES_FULL: _inodes_full,
    Failure.MOUNT_READ_ONLY: _read_only,
    Failure.MOUNT_MISSING: _missing,
    Failure.MOUNT_STUCK: _stuck,
    Failure.MOUNT_ACCESS_LOST: _access_lost,
    Failure.SERVICE_SQUEEZED: _squeezed,
    Failure.NIC_DOWN: _link_down,
    Failure.NIC_MISCONFIGURED: _differing(EntityKind.NIC),
    Failure.HOST_MISCONFIGURED: _differing(EntityKind.HOST),
    Failure.NIC_SATURATED: _crowded,
}

_TROUBLED: Final[dict[EntityKind, Callable[[EntityView], bool]]] = {
    EntityKind.UNIT: _unit_troubled,
    EntityKind.MOUNT: _mount_troubled,
    EntityKind.PROCESS: _process_troubled,
    EntityKind.RESOLVER: _unresolved,
    EntityKind.CLOCK: _stepped,
    EntityKind.NIC: _differing(EntityKind.NIC),
    EntityKind.HOST: _differing(EntityKind.HOST),
}
