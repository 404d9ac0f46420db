"""Time series of probes and the questions a verdict asks of them. Pure.

Times are CLOCK_MONOTONIC in nanoseconds. Both answers are careful in the same direction: a fault counts as landed from the
last moment the thing was seen healthy, a recovery only from the first probe that finished well. No duration computed from
them can be too short; it can be too long by one probe, 50 ms.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One finished probe: when it began and ended, whether it liked what it saw, and the number it read, if it reads one."""

    start_ns: int
    end_ns: int
    ok: bool
    value: float | None = None
    why: str = ""


Holds = Callable[[Probe], bool]


def answered(probe: Probe) -> bool:
    """Tell whether the probe itself was content."""
    return probe.ok


class Series:
    """The probes of one check, oldest first."""

    def __init__(self, probes: Sequence[Probe] = ()) -> None:
        self._probes = list(probes)

    def add(self, probe: Probe) -> None:
        """Append the newest probe."""
        self._probes.append(probe)

    def __len__(self) -> int:
        return len(self._probes)

    @property
    def last(self) -> Probe | None:
        """Return the newest probe, None before there is one."""
        return self._probes[-1] if self._probes else None

    def since(self, start_ns: int, end_ns: int | None = None) -> Iterator[Probe]:
        """Yield the probes that began at or after `start_ns`, up to those that began at `end_ns`."""
        first = bisect_left(self._probes, start_ns, key=lambda probe: probe.start_ns)
        for probe in self._probes[first:]:
            if end_ns is not None and probe.start_ns > end_ns:
                return
            yield probe

    def turned(self, after_ns: int, broken: Holds) -> int | None:
        """Return since when something was broken, None when it never was.

        Args:
            after_ns: probes that ended before are not looked at.
            broken: what makes a probe one of a broken thing.

        Returns:
            The end of the last probe before the first broken one, or `after_ns` when there is none.
        """
        last_good = after_ns
        for probe in self._probes:
            if probe.end_ns < after_ns:
                continue
            if broken(probe):
                return last_good
            last_good = max(last_good, probe.end_ns)
        return None

    def held(self, after_ns: int, hold_s: float, holds: Holds = answered) -> int | None:
        """Return the first moment from which something held without a break, None when it has not yet.

        Args:
            after_ns: probes that began before do not count.
            hold_s: how long it has to hold, seconds.
            holds: what makes a probe count.
        """
        first: int | None = None
        for probe in self.since(after_ns):
            if not holds(probe):
                first = None
                continue
            first = probe.end_ns if first is None else first
            if probe.end_ns - first >= hold_s * NS_PER_S:
                return first
        return None


def thinned(probes: Sequence[Probe], points_max: int) -> list[tuple[int, float]]:
    """Return at most `points_max` (time, value) pairs, at least two, keeping the extremes of what lies between.

    A plain stride would drop the one probe that shows the peak; each bucket gives its lowest and highest value in order.
    """
    seen = [(probe.end_ns, probe.value) for probe in probes if probe.value is not None]
    if len(seen) <= points_max:
        return seen
    width = -(-len(seen) // max(1, points_max // 2))
    kept: list[tuple[int, float]] = []
    for at in range(0, len(seen), width):
        bucket = seen[at : at + width]
        kept += sorted({min(bucket, key=lambda p: p[1]), max(bucket, key=lambda p: p[1])})
    return kept
