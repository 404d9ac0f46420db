"""Scales and axes for the report's pictures. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

STEPS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
ROOT_TICKS = (0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)
ROOT_GAP_MIN = 34.0
KIBI = 1024
WHOLE_FROM = 10  # from here on a decimal says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """Maps seconds from `low` to `high` onto pixels from `left` to `right`."""

    low: float
    high: float
    left: float
    right: float

    def x(self, value: float) -> float:
        """Return the pixel of a moment, held within the picture."""
        share = (value - self.low) / max(1e-9, self.high - self.low)
        return round(self.left + min(1.0, max(0.0, share)) * (self.right - self.left), 2)

    def ticks(self, about: int = 8) -> list[float]:
        """Return round moments to label, about so many."""
        step = next((s for s in STEPS if (self.high - self.low) / s <= about), STEPS[-1])
        first = math.ceil(self.low / step)
        return [round(step * n, 3) for n in range(first, math.floor(self.high / step) + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """Maps seconds from 0 to `high` onto pixels by their square root: short times stay apart, long ones stay in sight."""

    high: float
    left: float
    right: float

    def x(self, value: float) -> float:
        """Return the pixel of a duration."""
        share = math.sqrt(min(1.0, max(0.0, value / max(1e-9, self.high))))
        return round(self.left + share * (self.right - self.left), 2)

    def ticks(self) -> list[float]:
        """Return round durations to label, none too close to the one before."""
        kept: list[float] = []
        for tick in ROOT_TICKS:
            if tick <= self.high and (not kept or self.x(tick) - self.x(kept[-1]) >= ROOT_GAP_MIN):
                kept.append(tick)
        return kept


def spread_out(wanted: list[float], gap: float, left: float, right: float) -> list[float]:
    """Return positions in the same order, at least `gap` apart and within bounds, near those that are wanted.

    One sweep pushes neighbours to the right, a second one back to the left where that ran over the edge.
    """
    placed: list[float] = []
    for position in wanted:
        placed.append(max(position, left, placed[-1] + gap if placed else left))
    limit = right
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - gap
    return [round(position, 2) for position in placed]


def measured(value: float, unit: str) -> str:
    """Return a value with its unit as people say it."""
    match unit:
        case "ratio":
            return f"{value:.0%}"
        case "cores":
            return f"{value:.1f} cores"
        case "bytes":
            return bytes_words(value)
        case "bytes/s":
            return f"{bytes_words(value)}/s"
        case _:
            return f"{value:.2f} {unit}"


def bytes_words(value: float) -> str:
    """Return a size as people say it."""
    for unit, power in (("GiB", 3), ("MiB", 2), ("KiB", 1)):
        size = value / KIBI**power
        if abs(size) >= 1:
            return f"{size:.{0 if size >= WHOLE_FROM else 1}f} {unit}"
    return f"{value:.0f} B"
