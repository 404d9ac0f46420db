"""How many bits a value of a series needs by coders that anybody has: what a model of the next sample has to beat. Pure; numpy.

Values are quantised to 256 steps of each channel's range, and the difference to the value before, modulo 256, is coded: by xz
over all of it, and by counts that adapt (Krichevsky and Trofimov), channel by channel. Fewer bits are better prediction.

References:
    Krichevsky and Trofimov 1981, The performance of universal encoding: the code length of adaptive counts in closed form.
"""

import lzma
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ordertrainer.evaluation.external.series import Series

_STEPS: Final = 256
_PRIOR: Final = 0.5
_VALUES_MAX: Final = 4_000_000


def bits_per_value(series: Series) -> dict[str, float]:
    """Return bits per value of each coder, over at most the first four million values.

    Args:
        series: the series.
    """
    deltas = _deltas(series.values[: max(1, _VALUES_MAX // series.values.shape[1])])
    return {
        "xz of deltas": 8.0 * len(lzma.compress(deltas.tobytes(), preset=6)) / deltas.size,
        "adaptive persistence": sum(_adaptive(channel) for channel in deltas.T) / deltas.size,
    }


def _deltas(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return [T,C] differences of quantised values; a value that is missing counts as the least."""
    there = np.isfinite(values)
    filled = np.where(there, values, np.nan).astype(np.float64)
    any_there = there.any(axis=0)
    low = np.where(any_there, np.nanmin(np.where(any_there, filled, 0.0), axis=0), 0.0)
    high = np.where(any_there, np.nanmax(np.where(any_there, filled, 0.0), axis=0), 0.0)
    steps = (np.nan_to_num(filled, nan=0.0) - low) / np.where(high > low, high - low, 1.0) * (_STEPS - 1)
    quantised = np.where(there, np.clip(np.rint(steps), 0, _STEPS - 1), 0).astype(np.uint8)
    return np.diff(quantised, axis=0, prepend=np.zeros((1, values.shape[1]), np.uint8))


def _adaptive(symbols: NDArray[np.uint8]) -> float:
    """Return the bits of one channel under counts that adapt; only how often each symbol comes matters, not when."""
    counts = np.bincount(symbols, minlength=_STEPS)
    all_of_it = math.lgamma(_STEPS * _PRIOR) - math.lgamma(len(symbols) + _STEPS * _PRIOR)
    each = math.fsum(math.lgamma(int(n) + _PRIOR) - math.lgamma(_PRIOR) for n in counts)
    return -(all_of_it + each) / math.log(2.0)
