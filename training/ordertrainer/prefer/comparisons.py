"""Answers as numbers. Pure; numpy.

Axes: Q question, C column (`bills.COLUMNS`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from ordertrainer.costs import NAMES
from ordertrainer.prefer.answers import Answer, Said
from ordertrainer.prefer.bills import COLUMNS, Bill

Floats = NDArray[np.float64]

_SHARES: Final = {Said.A: 1.0, Said.B: 0.0, Said.EQUAL: 0.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparisons:
    """Answers as numbers.

    Attributes:
        saved: [Q, C] bill of the second plan minus bill of the first.
        first: [Q] how much the answer speaks for the first one, 0 to 1.
        weight: [Q] how much the answer counts; 1 for one that was asked for.
    """

    saved: Floats
    first: Floats
    weight: Floats

    def __len__(self) -> int:
        """Return Q."""
        return len(self.first)

    def take(self, some: NDArray[np.bool_]) -> Self:
        """Return some of them."""
        return type(self)(saved=self.saved[some], first=self.first[some], weight=self.weight[some])

    def until(self, end: int) -> Self:
        """Return the first of them."""
        return type(self)(saved=self.saved[:end], first=self.first[:end], weight=self.weight[:end])

    def after(self, begin: int) -> Self:
        """Return all but the first of them."""
        return type(self)(saved=self.saved[begin:], first=self.first[begin:], weight=self.weight[begin:])

    def bearing(self) -> dict[str, int]:
        """Return how many answers bear on each weight: the plans differ in it."""
        counts = (self.saved[:, 1:] != 0.0).sum(0)
        return dict(zip(NAMES, map(int, counts), strict=True))


def comparisons(answers: Sequence[Answer], ratings: Sequence[Answer] = (), rating_weight: float = 1.0) -> Comparisons:
    """Return answers, and ratings as answers, as numbers; what was skipped says nothing.

    Args:
        answers: what was asked for.
        ratings: what people said of decisions.
        rating_weight: how much one of these counts.
    """
    said = [(each, weight) for several, weight in ((answers, 1.0), (ratings, rating_weight)) for each in several]
    kept = [(each, weight) for each, weight in said if each.said is not Said.SKIP]
    return Comparisons(
        saved=saved([(each.a, each.b) for each, _ in kept]),
        first=np.array([_SHARES[each.said] for each, _ in kept]),
        weight=np.array([weight for _, weight in kept]),
    )


def saved(pairs: Sequence[tuple[Bill, Bill]]) -> Floats:
    """Return [Q, C]: what the first plan saves of each thing, beside the second."""
    rows = np.array([[one.row, other.row] for one, other in pairs], dtype=np.float64).reshape(-1, 2, len(COLUMNS))
    return rows[:, 1] - rows[:, 0]


def nothing() -> Comparisons:
    """Return no comparisons."""
    return Comparisons(saved=saved([]), first=np.zeros(0), weight=np.zeros(0))


def join(one: Comparisons, other: Comparisons) -> Comparisons:
    """Return comparisons one after another."""
    return Comparisons(
        saved=np.concatenate((one.saved, other.saved)),
        first=np.concatenate((one.first, other.first)),
        weight=np.concatenate((one.weight, other.weight)),
    )
