"""Codes that a channel has shown before. Pure; imports torch.

Telemetry is often coarser than a byte: a share in whole per cents uses 101 of 256 codes, and xz finds out at once. A smooth
forecast does not, and pays more than a bit a value for it. So a forecast may say first whether the next code is one that the
channel has shown before, as lately as that held, and spread itself over these codes alone. Nothing is fitted: what is known at a
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


class Alphabet:
    """The codes of some channels, told in the order in which they were shown."""

    def __init__(self, codes: Tensor, before: Tensor | None = None) -> None:
        """Look at everything once, to know of each moment what had been shown until then.

        Args:
            codes: [T, X] int64.
            before: [T', X] int64, shown earlier.
        """
        shown = codes if before is None else torch.cat((before, codes))
        skipped = len(shown) - len(codes)
        rows = torch.arange(len(shown))[:, None].expand(shown.shape)
        never = torch.full((shown.shape[1], CODES), len(shown))
        first = never.scatter_reduce(1, shown.T, rows.T, "amin")
        new = rows == first.gather(1, shown.T).T
        self._first = first - skipped
        self._escape = _escapes(new)[skipped:]

    def bits(self, probabilities: Tensor, codes: Tensor, start: int) -> Tensor:
        """Return [n, X]: what codes cost if a forecast is spread over what had been shown.

        Args:
            probabilities: [n, X, 256] of the forecast.
            codes: [n, X] int64.
            start: place of the first of these samples.
        """
        at = torch.arange(start, start + len(codes))[:, None, None]
        known = self._first < at
        inside = (probabilities * known).sum(-1)
        old = known.gather(-1, codes.unsqueeze(-1)).squeeze(-1)
        escape = torch.where(known.any(-1), self._escape[start : start + len(codes)], 1.0)
        own = probabilities.gather(-1, codes.unsqueeze(-1)).squeeze(-1)
        share = torch.where(old, (1.0 - escape) / inside, escape / (1.0 - inside).clamp(min=1e-6))
        return (own * share).log() / -math.log(2.0)


def _escapes(new: Tensor) -> Tensor:
    """Return [T, X]: how likely a new code was, by how often there lately was one: [T, X] bool."""
    count = torch.zeros(new.shape[1])
    total, told = 0.0, list[Tensor]()
    for row in new:
        told.append((count + _PRIOR) / (total + 2.0 * _PRIOR))
        count, total = _KEPT * count + row, _KEPT * total + 1.0
    return torch.stack(told)
