"""Parts of a series that are judged, and drawn again, as wholes. Pure; numpy.

Axes: T sample, K label.

A block is a run, or a stretch of one where there are few runs; a border never falls into something that is wrong, so that no
event is on both sides. A fold is some neighbouring runs, or blocks where there is one run only. What is fitted for a fold sees
none of its samples, and none whose window reaches into it: neighbouring seconds are almost copies of each other, and a random
split makes any classifier look good.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orderd.domain.signals import SLOT_AGES_S
from ordertrainer.evaluation.external.series import Series

BLOCKS: Final = 20
FOLDS: Final = 5
_REACH: Final = int(SLOT_AGES_S[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An unbroken stretch in which a label holds; samples [start, end) of one run."""

    label: int
    start: int
    end: int
    block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """How a series is divided.

    Attributes:
        block: [T] number of the block.
        fold: [T] number of the fold.
    """

    block: NDArray[np.int64]
    fold: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Return the number of blocks."""
        return int(self.block[-1]) + 1

    @property
    def folds(self) -> int:
        """Return the number of folds."""
        return int(self.fold[-1]) + 1

    def outside(self, fold: int) -> NDArray[np.bool_]:
        """Return [T]: samples that may be learned from for a fold."""
        mine = np.flatnonzero(self.fold == fold)
        apart = np.ones(len(self.fold), np.bool_)
        apart[max(0, int(mine[0]) - _REACH) : int(mine[-1]) + 1 + _REACH] = False
        return apart


def divide(series: Series) -> Blocks:
    """Return blocks and folds of a series.

    Args:
        series: the series.
    """
    borders = _borders(series)
    block = np.searchsorted(borders, np.arange(len(series)), side="right")
    unit = block if len(series.offsets) == 2 else series.run  # noqa: PLR2004  one run
    return Blocks(block=block, fold=_balanced(series, unit)[unit])


def _borders(series: Series) -> NDArray[np.int64]:
    """Return where blocks begin, the first aside: at runs, and between them until there are about BLOCKS."""
    borders = set(series.offsets[1:-1].tolist())
    wanted = len(series) / BLOCKS
    calm = _calm(series)
    for start, end in zip(series.offsets[:-1], series.offsets[1:], strict=True):
        pieces = round((end - start) / wanted)
        for piece in range(1, pieces):
            near = int(start + piece * (end - start) / pieces)
            if (at := _nearest(calm, near, int(start), int(end))) is not None:
                borders.add(at)
    return np.array(sorted(borders), np.int64)


def _calm(series: Series) -> NDArray[np.int64]:
    """Return the samples at which nothing is wrong, nor was the sample before."""
    wrong = series.wrong
    before = np.append(False, wrong[:-1])
    return np.flatnonzero(~wrong & ~before)


def _nearest(calm: NDArray[np.int64], near: int, start: int, end: int) -> int | None:
    inside = calm[np.searchsorted(calm, start + 1) : np.searchsorted(calm, end)]
    return int(inside[np.abs(inside - near).argmin()]) if len(inside) else None


def _balanced(series: Series, unit: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return [unit] the fold of each: neighbours together, and about as many wrong samples in every fold."""
    count = int(unit[-1]) + 1
    folds = min(FOLDS, count)
    wrong = np.bincount(unit, series.wrong, minlength=count)
    # A little of the length too, so that quiet stretches are dealt out where nothing is wrong.
    load = wrong / max(wrong.sum(), 1.0) + 0.5 * np.bincount(unit, minlength=count) / len(unit)
    middle = (np.cumsum(load) - load / 2) / load.sum()
    fold = np.minimum((middle * folds).astype(np.int64), folds - 1)
    return np.unique(fold, return_inverse=True)[1].astype(np.int64)


def events(series: Series, blocks: Blocks) -> tuple[Event, ...]:
    """Return every event, by label and time.

    Args:
        series: the series.
        blocks: of it.
    """
    found: list[Event] = []
    for label in range(series.truth.shape[1]):
        holds = series.truth[:, label]
        same = np.append(False, (series.run[1:] == series.run[:-1]) & holds[:-1])
        starts = np.flatnonzero(holds & ~same)
        goes_on = np.append((series.run[1:] == series.run[:-1]) & holds[1:], False)
        ends = np.flatnonzero(holds & ~goes_on) + 1
        found += [
            Event(label=label, start=int(start), end=int(end), block=int(blocks.block[start]))
            for start, end in zip(starts, ends, strict=True)
        ]
    return tuple(found)
