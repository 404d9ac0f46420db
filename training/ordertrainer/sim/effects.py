"""The words in which symptoms are told: how one signal of a failing entity moves from the landing on. Pure.

Everything is one formula, so that all faults are rendered at once: for a fault of intensity x (0 to 1) that landed ``age`` ago,

    value(age) = max(0, min(level(x) + own * baseline + rate(x) * age, most(x)))

from ``after_s`` on (and up to ``after_more_s`` later), with ``age`` modulo CYCLE_S for what begins anew over and over,

where ``level``, ``rate`` and ``most`` are interpolated between two ends. A level that is NaN says: no longer measured.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

UNBOUNDED: Final = 1e9

Ends = tuple[float, float]
"""A number at intensity 0, and at intensity 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What happens to one signal.

    Attributes:
        level: where it is put; NaN: it is missing from then on.
        own: share of what the entity measured before that is added to the level.
        rate: growth per second, at a host of pace 1.
        most: where growth ends.
        after_s: least delay from the landing.
        after_more_s: how much later it can be; drawn once for each fault on each host.
        cyclic: its age begins anew over and over (a service that does not stay up).
    """

    level: Ends = (0.0, 0.0)
    own: float = 0.0
    rate: Ends = (0.0, 0.0)
    most: Ends = (UNBOUNDED, UNBOUNDED)
    after_s: float = 0.0
    after_more_s: float = 0.0
    cyclic: bool = False

    def begun(self, earliest_s: float, latest_s: float) -> "Effect":
        """Return the same, seen from some time between these on."""
        return replace(self, after_s=earliest_s, after_more_s=max(0.0, latest_s - earliest_s))

    def scaled(self, level: float, rate: float) -> "Effect":
        """Return the same, so many times as strong and as fast; what grows from where it was still begins there."""
        grows = self.rate != (0.0, 0.0)
        return replace(
            self,
            level=(self.level[0] * level, self.level[1] * level),
            own=self.own if grows else self.own * level,
            rate=(self.rate[0] * rate, self.rate[1] * rate),
        )


def put(low: float, high: float | None = None) -> Effect:
    """Put a signal to a value that may depend on intensity."""
    return Effect(level=(low, low if high is None else high))


def times(factor: float) -> Effect:
    """Multiply what the entity measured before."""
    return Effect(own=factor)


def ramp(rate: Ends, most: Ends) -> Effect:
    """Let a signal grow from where it was."""
    return Effect(own=1.0, rate=rate, most=most)


def clock(most: float = UNBOUNDED) -> Effect:
    """Count the seconds since the landing."""
    return Effect(rate=(1.0, 1.0), most=(most, most))


def cycle() -> Effect:
    """Count the seconds since the last restart of a service that does not stay up."""
    return Effect(rate=(1.0, 1.0), cyclic=True)


def early() -> Effect:
    """Be 1 for the first half of each cycle, then 0: a service that is up and then gone again."""
    return Effect(level=(_HALF, _HALF), rate=(-STEEP, -STEEP), most=(1.0, 1.0), cyclic=True)


def late() -> Effect:
    """Be 0 for the first half of each cycle, then 1: a service whose next start is waited for."""
    return Effect(level=(-_HALF + 1.0, -_HALF + 1.0), rate=(STEEP, STEEP), most=(1.0, 1.0), cyclic=True)


STEEP: Final = 1e4
"""Slope of an edge: far more than any time scale of a host."""
CYCLE_S: Final = 2.0
_HALF: Final = STEEP * CYCLE_S / 2
GONE: Final = put(math.nan)
"""Not measured any more."""
YES: Final = put(1.0)
NO: Final = put(0.0)
