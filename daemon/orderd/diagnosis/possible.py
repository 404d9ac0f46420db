"""Whether what a model names could be at all: the least that a failure shows in the entity's own signals. Pure.

A model sees whatever it was taught to see, and takes a coincidence of its drills for a symptom: the first one called every mount
with more than one inode in a hundred full. So each class has a condition without which nobody could call it by that name, below
what the rules ask for, and a diagnosis that fails it is not taken. It is no rule: it never names anything.

Where a repair cannot be taken back, because a process is stopped, the condition is the rules' own without its four seconds: a
model may be earlier there, not laxer. And where a plain fact is all there is to know, and what is waited for is only whether
somebody is still at work on it, the condition is the rules' own with its seconds: nobody sees that earlier. So it is for answers
that are slow: on a host that others keep busy they are nobody's failure, and a model that was taught on such hosts restarted
databases on quiet ones.
"""

import math
from collections.abc import Callable
from typing import Final

from orderd.diagnosis.rules import (
    BUSY_HOST_RATIO,
    CALM_RATIO,
    LEAK_MEMORY_RATIO,
    LEAK_RATIO_PER_S,
    RUNAWAY_CORES,
    STARVING_CORES,
    STARVING_RATIO,
    holds,
)
from orderd.domain.faults import Failure
from orderd.domain.signals import ENTITY_INDEX, HOST_INDEX
from orderd.domain.window import Window

_FULL_RATIO: Final = 0.5
"""A mount may be called full before it is, while it fills; not one that is half empty."""
_SLOW_S: Final = 0.1
_STEPPED_S: Final = 0.5

_Now = Callable[[str], float]
"""Returns the newest value of a signal of the entity, or of the host."""

_AS_RULES: Final = frozenset(
    {
        Failure.MOUNT_READ_ONLY,
        Failure.MOUNT_MISSING,
        Failure.MOUNT_STUCK,
        Failure.MOUNT_ACCESS_LOST,
        Failure.SERVICE_SQUEEZED,
        Failure.SERVICE_SLOW,
        Failure.NIC_DOWN,
        Failure.NIC_MISCONFIGURED,
        Failure.NIC_SATURATED,
        Failure.HOST_MISCONFIGURED,
    }
)


def _runaway(now: _Now) -> bool:
    cores = now("process_cpu_user_cores") + now("process_cpu_system_cores")
    busy = now("cpu_user_ratio") + now("cpu_system_ratio") >= BUSY_HOST_RATIO
    starving = now("pressure_cpu_ratio") >= STARVING_RATIO
    return (busy and cores >= RUNAWAY_CORES) or (starving and cores >= STARVING_CORES)


def _leak(now: _Now) -> bool:
    return now("process_memory_ratio") >= LEAK_MEMORY_RATIO and now("process_memory_growth_ratio_per_s") >= LEAK_RATIO_PER_S


def _unanswered(now: _Now) -> bool:
    """See a probe that fails or waits, on a host that has room to answer: a busy one misses time-outs with nothing broken."""
    calm = not any(now(f"pressure_{what}_ratio") >= CALM_RATIO for what in ("cpu", "memory", "io"))
    return calm and (now("probe_ok_ratio") < 1 or now("probe_latency_s") >= _SLOW_S)


_LEAST: Final[dict[Failure, Callable[[_Now], bool]]] = {
    Failure.SERVICE_DOWN: lambda now: (
        now("unit_active_ratio") < 1 or (math.isnan(now("unit_active_ratio")) and now("probe_ok_ratio") < 1)
    ),
    Failure.SERVICE_MASKED: lambda now: now("unit_masked_ratio") > 0,
    Failure.SERVICE_HUNG: lambda now: now("unit_main_stopped_ratio") > 0 or _unanswered(now),
    Failure.SERVICE_CRASH_LOOP: lambda now: (
        now("unit_restarts_per_s") > 0 or now("unit_active_ratio") < 1 or now("unit_dropins_changed_ratio") > 0
    ),
    Failure.DISK_FULL: lambda now: now("mount_used_ratio") >= _FULL_RATIO,
    Failure.CPU_RUNAWAY: _runaway,
    Failure.MEMORY_LEAK: _leak,
    Failure.DNS_BROKEN: _unanswered,
    Failure.CLOCK_STEPPED: lambda now: abs(now("clock_step_s")) >= _STEPPED_S,
    Failure.SERVICE_START_LIMIT: lambda now: now("unit_active_ratio") < 1 and now("unit_result_start_limit_ratio") > 0,
    Failure.SERVICE_LOAD_ERROR: lambda now: now("unit_active_ratio") < 1 and now("unit_load_error_ratio") > 0,
    Failure.DISK_INODES_FULL: lambda now: now("mount_inodes_used_ratio") >= _FULL_RATIO,
}
"""The other classes that a model tells apart; what is missing shows nothing."""


def possible(failure: Failure, window: Window, index: int) -> bool:
    """Tell whether an entity shows the least that a failure shows.

    Args:
        failure: one that a model tells apart.
        window: the newest one.
        index: the entity's place in it.
    """
    if failure in _AS_RULES:
        return holds(failure, window, index)

    def now(signal: str) -> float:
        return window.host[HOST_INDEX[signal]] if signal in HOST_INDEX else window.now(index, ENTITY_INDEX[signal])

    return _LEAST[failure](now)
