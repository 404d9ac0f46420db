"""Scales and axes for the report's pictures. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

STEPS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
ROOT_TICKS = (0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)
ROOT_GAP_MIN = 26.0
UNIT_WORDS = {
    "ratio": lambda v: f"{v * 100:.0f} %",
    "cores": lambda v: f"{v:.1f} cores",
    "bytes": lambda v: bytes_words(v),
    "bytes/s": lambda v: f"{bytes_words(v)}/s",
    "s": lambda v: f"{v:.2f} s",
}


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


def bytes_words(value: float) -> str:
    """Return a size as people say it."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if abs(value) >= size:
            return f"{value / size:.{0 if value / size >= 10 else 1}f} {unit}"
    return f"{value:.0f} B"
