"""What a collector is, what it returns, and the arithmetic of rates. Pure.

A collector reads one corner of the machine and never waits for it: whatever could hang (a probe, a mount, D-Bus) runs beside it
and leaves its newest answer in memory.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind

NAN = math.nan
RATES_MIN_S = 0.4
"""Rates cover at least this long: the kernel counts CPU time in ticks of 10 ms, shorter differences are noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one collector measured.

    Attributes:
        host: host signals by name.
        entities: entity signals by name, for each entity seen.
    """

    host: Mapping[str, float] = field(default_factory=dict[str, float])
    entities: Mapping[Entity, Mapping[str, float]] = field(default_factory=dict[Entity, Mapping[str, float]])


class Collector(Protocol):
    """Reads one corner of the machine.

    Attributes:
        name: short and stable; it is what failed_collectors names.
        signals: every signal it may emit, host and entity.
        kinds: kinds of entity it emits.
        every_s: least time between two collections; its last reading serves in between. 0: every sample.
    """

    name: str
    signals: frozenset[str]
    kinds: frozenset[EntityKind]
    every_s: float

    async def collect(self, at: Instant) -> Reading:
        """Measure, within milliseconds.

        Args:
            at: now; rates are over its monotonic difference to the last call.
        """
        ...


class Rate:
    """A counter turned into a rate.

    Missing on the first call, after a counter went backwards (replaced device, restarted service), and without elapsed time.
    """

    __slots__ = ("_mono_ns", "_value")

    def __init__(self) -> None:
        """Start without a past."""
        self._value = NAN
        self._mono_ns = 0

    def per_s(self, value: float, at: Instant) -> float:
        """Return the growth per second since the last call."""
        before, self._value = self._value, value
        elapsed_s = (at.mono_ns - self._mono_ns) / 1e9
        self._mono_ns = at.mono_ns
        if math.isnan(before) or elapsed_s <= 0 or value < before:
            return NAN
        return (value - before) / elapsed_s


class Sums:
    """Counters of many devices turned into one rate per counter: only devices seen both times count."""

    __slots__ = ("_before", "_mono_ns")

    def __init__(self) -> None:
        """Start without a past."""
        self._before: dict[str, tuple[int, ...]] = {}
        self._mono_ns = 0

    def per_s(self, counters: dict[str, tuple[int, ...]], at: Instant, width: int) -> tuple[float, ...]:
        """Return one rate for each of ``width`` counters, summed over devices; missing on the first call.

        A device whose counter went backwards was replaced under its name and is left out this once.
        """
        before, self._before = self._before, counters
        first, elapsed_s = self._mono_ns == 0, (at.mono_ns - self._mono_ns) / 1e9
        self._mono_ns = at.mono_ns
        if first or elapsed_s <= 0:
            return (NAN,) * width
        total = [0] * width
        for device, now in counters.items():
            grown = [new - old for new, old in zip(now, before.get(device, now), strict=True)]
            if min(grown) >= 0:
                total = [have + more for have, more in zip(total, grown, strict=True)]
        return tuple(value / elapsed_s for value in total)
