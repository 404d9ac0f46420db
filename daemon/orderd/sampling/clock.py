"""Steps of the wall clock. Reads two kernel clocks.

CLOCK_BOOTTIME runs on through suspend and is slewed exactly as CLOCK_REALTIME is, so their difference changes only when
somebody sets the clock.
"""

import time
from collections.abc import Callable

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.sampling.collector import Reading

CLOCK = Entity(kind=EntityKind.CLOCK, key="system")


def wall_minus_boot_ns() -> int:
    """Return CLOCK_REALTIME - CLOCK_BOOTTIME, read as close together as Python can."""
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
    after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return wall - (before + after) // 2


class ClockCollector:
    """How far the wall clock was moved since orderd started."""

    name = "clock"
    signals = frozenset({"clock_step_s"})
    kinds = frozenset({EntityKind.CLOCK})
    every_s = 0.0

    def __init__(self, difference_ns: Callable[[], int] = wall_minus_boot_ns) -> None:
        """Take the difference of now as zero."""
        self._difference_ns = difference_ns
        self._start_ns = difference_ns()

    async def collect(self, at: Instant) -> Reading:
        """Read both clocks."""
        del at  # the difference is no rate
        step_s = (self._difference_ns() - self._start_ns) / 1e9
        return Reading(entities={CLOCK: {"clock_step_s": step_s}})
