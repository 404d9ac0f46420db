"""Codes that a channel has shown before. Pure; imports torch.

Telemetry is often coarser than a byte: a share in whole per cents uses 101 of 256 codes, and xz finds out at once. A smooth
forecast does not, and pays more than a bit a value for it. So a forecast may say first whether the next code is one that the
channel has shown before, as lately as that held, and gather itself at these codes alone. Nothing is fitted: what is known at a
moment is what was shown until then.

Axes: T sample, X channel, 256 code.

References:
    Cleary and Witten 1984, Data Compression Using Adaptive Coding and Partial String Matching, for the escape.
"""

import math

import torch
from torch import Tensor

from ordertrainer.nets.codes import CODES

_KEPT = 0.98
"""Of what is known about how often a code is new."""
_PRIOR = 0.02
_LEAST = 1e-9
_LONG = 1.0 / (1.0 - _KEPT)
"""What all samples of a long past weigh together."""


class Alphabet:
    """The codes of some channels, told in the order in which they were shown."""

    def __init__(self, codes: Tensor) -> None:
        """Look at [T, X] int64 codes once, to know of each moment what had been shown until then."""
        rows = torch.arange(len(codes))[:, None].expand(codes.shape)
        never = torch.full((codes.shape[1], CODES), len(codes))
        self._first = never.scatter_reduce(1, codes.T, rows.T, "amin")
        self._escape = _escapes(rows == self._first.gather(1, codes.T).T)

    def bits(self, probabilities: Tensor, codes: Tensor, start: int) -> Tensor:
        """Return [n, X]: what codes cost if a forecast is gathered at what had been shown.

        What a forecast gives to a code that was never shown goes to the nearest one that was: a channel that is coarse rounds.

        Args:
            probabilities: [n, X, 256] of the forecast.
            codes: [n, X] int64.
            start: place of the first of these samples.
        """
        known = self._first < torch.arange(start, start + len(codes))[:, None, None]
        old = known.gather(-1, codes.unsqueeze(-1)).squeeze(-1)
        escape = torch.where(known.any(-1), self._escape[start : start + len(codes)], 1.0)
        unknown = (probabilities * ~known).sum(-1).clamp(min=_LEAST)
        new = escape * probabilities.gather(-1, codes.unsqueeze(-1)).squeeze(-1) / unknown
        share = (probabilities * (_nearest(known) == codes.unsqueeze(-1))).sum(-1)
        return torch.where(old, (1.0 - escape) * share, new).log() / -math.log(2.0)


def _nearest(known: Tensor) -> Tensor:
    """Return [n, X, 256]: of every code the nearest one that is known, the lower of two; -1 where none is."""
    every = torch.arange(CODES)
    below = torch.where(known, every, -CODES).cummax(-1).values
    above = torch.where(known, every, 2 * CODES).flip(-1).cummin(-1).values.flip(-1)
    found = torch.where(every - below <= above - every, below, above)
    return torch.where(known.any(-1, keepdim=True), found, -1)


class Ranks:
    """The codes that channels showed in a part that may be fitted to, numbered from the least.

    What is fitted tells ranks, so that it spends nothing on codes that a channel does not use. A code that the part did not show
    is said to be one, as rarely as that happens, and then costs as much as any other of them.
    """

    def __init__(self, shown: Tensor) -> None:
        """Number the codes of [T, X] int64."""
        self._known = torch.zeros(shown.shape[1], CODES, dtype=torch.bool).scatter(1, shown.T, value=True)
        self._rank = (self._known.cumsum(1) - 1).clamp(min=0)

    def of(self, codes: Tensor) -> Tensor:
        """Return [T, X] ranks of codes; of one that is not known, that of the next one below it."""
        return self._rank.gather(1, codes.T).T

    def bits(self, cost: Tensor, codes: Tensor) -> Tensor:
        """Return [T, X]: what codes cost, in order of time, if their ranks cost this much: [T, X]."""
        new = ~self._known.gather(1, codes.T).T
        escape = _escapes(new, _LONG)
        unknown = (CODES - self._known.sum(1)).clamp(min=1).log2()
        return torch.where(new, unknown - escape.log2(), cost - torch.log2(1.0 - escape))


def _escapes(new: Tensor, total: float = 0.0) -> Tensor:
    """Return [T, X]: how likely a new code was, by how often there lately was one: [T, X] bool.

    Args:
        new: in order of time.
        total: weight of samples before, of which none was new.
    """
    count, told = torch.zeros(new.shape[1]), list[Tensor]()
    for row in new:
        told.append((count + _PRIOR) / (total + 2.0 * _PRIOR))
        count, total = _KEPT * count + row, _KEPT * total + 1.0
    return torch.stack(told)
