"""The surprise of pretrained weights on a foreign series: what each next sample costs, in bits a value. Imports torch.

It needs no labels and no names: a channel is a signal like any other, told from its own slots alone, so "?" counts as much as a
signal of orderd's. Values are cut into 256 steps as pretraining scores foreign telemetry, but over the whole series, since none
of it is fitted to: shares as they are, everything else from its least to its largest value.

Axes: T sample, C channel.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ordertrainer.evaluation.external.series import Series
from ordertrainer.nets.codes import CODES
from ordertrainer.nets.next_sample import NextNet
from ordertrainer.pretrain.fitted import windows, zero_shot

SURPRISE: Final = "surprise"
_CHUNK: Final = 64


def surprise(series: Series, net: NextNet, tick: Callable[[float], None] = lambda _share: None) -> NDArray[np.float32]:
    """Return [T]: bits a value of each sample; 0 where a run begins, and where nothing was measured.

    Args:
        series: the series.
        net: of `ordertrainer pretrain`.
        tick: told the share that is done.
    """
    forecast, whole = zero_shot(net), codes(series.values)
    said = np.zeros(len(series), np.float32)
    with torch.inference_mode():
        for begin, end in pairwise(series.offsets.tolist()):
            run = torch.from_numpy(whole[begin:end])
            for start in range(1, end - begin, _CHUNK):
                at = torch.arange(start, min(start + _CHUNK, end - begin))
                said[begin + start : begin + int(at[-1]) + 1] = _bits(forecast, run, at).numpy()
                tick((begin + start) / len(series))
    return said


def _bits(forecast: Callable[[Tensor, Tensor], Tensor], run: Tensor, at: Tensor) -> Tensor:
    nexts = run[at]
    there = ~torch.isnan(nexts)
    given = forecast(windows(run, at), nexts).gather(-1, torch.nan_to_num(nexts).to(torch.int64).unsqueeze(-1)).squeeze(-1)
    cost = torch.where(there, -torch.log2(given.clamp(min=torch.finfo(given.dtype).tiny)), 0.0)
    return cost.sum(dim=1) / there.sum(dim=1).clamp(min=1)


def codes(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return [T,C] codes from 0 to 255, NaN where missing.

    Args:
        values: [T,C].
    """
    there = np.isfinite(values)
    low = np.where(there, values, np.inf).min(axis=0)
    high = np.where(there, values, -np.inf).max(axis=0)
    share = (low >= 0.0) & (high <= 1.0)
    low, high = np.where(share, 0.0, low), np.where(share, 1.0, high)
    span = np.where(np.isfinite(high - low) & (high > low), high - low, 1.0)
    with np.errstate(invalid="ignore"):
        scaled = np.rint((values - np.where(np.isfinite(low), low, 0.0)) / span * (CODES - 1))
    return np.where(there, np.clip(scaled, 0, CODES - 1), np.nan).astype(np.float32)
