"""The next value told in other ways: what a network has to beat. Pure; imports torch.

    xz                    bytes of differences, one column after another, as a person would compress them
    adaptive persistence  the last value, as sure as it lately was right
    autoregression        a linear forecast for each signal, fitted to the train part, likewise

Axes: T second, X value, P place of a linear forecast, C signal.
"""

import lzma
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ordertrainer.nets.codes import CODES
from ordertrainer.nets.mixture import Mixture

XZ, PERSISTENCE, AUTOREGRESSION = "xz of deltas", "adaptive persistence", "autoregression"
LAGS: Final = 8
_KEPT: Final = 0.9
"""Of what is known about errors, from one second to the next."""
_SLOWLY: Final = 0.98
"""Of a running mean of values."""
_ERROR_FIRST, _ERROR_MIN = 4.0, 0.05
_OF_A_LOGISTIC: Final = 1.386
"""Mean distance from its middle of a logistic distribution of scale 1: 2 ln 2."""
_WEIGHTS: Final = (0.8, 0.2)
_WIDTHS: Final = (0.8, 3.0)
"""Two logistics, of which the wider one stands for surprises."""
_RIDGE: Final = 1.0


def xz_bits(columns: Sequence[NDArray[np.uint8]]) -> int:
    """Return how many bits xz needs for the differences of some columns of bytes."""
    deltas = b"".join(np.diff(column, prepend=np.uint8(0)).tobytes() for column in columns)
    chain = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    return 8 * len(lzma.compress(deltas, format=lzma.FORMAT_RAW, filters=chain))


def persistence(codes: Tensor) -> Mixture:
    """Return forecasts [T, X, 2] of all rows after the first: [1 + T, X] codes, NaN where missing."""
    centres = _filled(codes)
    return _sure(centres[:-1], codes[1:] + 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoregression:
    """A linear forecast for each signal.

    Attributes:
        weights: [C, P].
    """

    weights: Tensor

    def forecast(self, codes: Tensor, signal: Tensor) -> Mixture:
        """Return forecasts [T, X, 2] of all rows after the first.

        Args:
            codes: [1 + T, X], NaN where missing.
            signal: [X] int64.
        """
        places, last = _places(codes)
        mean = last + (places * self.weights[signal]).sum(-1)
        return _sure(mean.clamp(0.0, float(CODES)), codes[1:] + 0.5)


def fit(several: Iterable[tuple[Tensor, Tensor]], signals: int) -> Autoregression:
    """Fit a forecast for each of so many signals by ridge regression.

    Args:
        several: codes [1 + T, X] and signal [X] of what may be fitted to.
        signals: C.
    """
    gram = torch.eye(LAGS + 1, dtype=torch.float64).repeat(signals, 1, 1) * _RIDGE
    right = torch.zeros(signals, LAGS + 1, dtype=torch.float64)
    for codes, signal in several:
        places, last = _places(codes)
        moved = codes[1:] + 0.5 - last
        there = ~torch.isnan(moved)
        places, moved = (places * there[..., None]).double(), torch.where(there, moved, 0.0).double()
        gram.index_add_(0, signal, torch.einsum("txp,txq->xpq", places, places))
        right.index_add_(0, signal, torch.einsum("txp,tx->xp", places, moved))
    return Autoregression(weights=torch.linalg.solve(gram, right).float())


def _filled(codes: Tensor) -> Tensor:
    """Return centres of codes, the last one known where one is missing and the middle before the first."""
    known = ~torch.isnan(codes)
    row = torch.where(known, torch.arange(len(codes))[:, None], -1).cummax(0).values
    centres = (codes + 0.5).gather(0, row.clamp(min=0))
    return torch.where(row >= 0, centres, CODES / 2.0)


def _places(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return [T, X, P]: how far the values before the last, and a slow mean, are from the last; and [T, X] the last."""
    centres = _filled(codes)[:-1]
    rows = torch.arange(len(centres))
    lags = [centres[(rows - lag).clamp(min=0)] - centres for lag in range(1, LAGS + 1)]
    mean, slow = centres[0], list[Tensor]()
    for row in centres:
        mean = _SLOWLY * mean + (1.0 - _SLOWLY) * row
        slow.append(mean - row)
    return torch.stack((*lags, torch.stack(slow)), dim=-1), centres


def _sure(mean: Tensor, truth: Tensor) -> Mixture:
    """Return forecasts around a mean, as wide as their errors lately were: [T, X] each, truth NaN where missing."""
    error, scales = torch.full_like(mean[0], _ERROR_FIRST), list[Tensor]()
    for missed in (truth - mean).abs():
        scales.append(error)
        error = torch.where(torch.isnan(missed), error, _KEPT * error + (1.0 - _KEPT) * missed)
    scale = torch.stack(scales).clamp(min=_ERROR_MIN) / _OF_A_LOGISTIC
    log_scale = scale.log().unsqueeze(-1) + torch.tensor(_WIDTHS).log()
    return Mixture(
        log_weight=torch.tensor(_WEIGHTS).log().expand(log_scale.shape),
        mean=mean.unsqueeze(-1).expand(log_scale.shape),
        log_scale=log_scale,
    )
