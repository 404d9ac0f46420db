"""One number that makes probabilities come true, found from probabilities alone. Pure; numpy.

Dividing logits by T and raising probabilities to 1/T before they are summed to one again are the same. So what an exported graph
says is enough: nobody needs the network.

References:
    Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ordertrainer.confidence.verdicts import Verdicts
from ordertrainer.imitation.calibrate import TEMPERATURE_MAX, TEMPERATURE_MIN

_LEAST: Final = 1e-9
_GOLDEN: Final = (math.sqrt(5.0) - 1.0) / 2.0
_STEPS: Final = 40
_HEALTHY_MAX: Final = 40_000


def tempered(said: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Return probabilities at another temperature; what cannot be stays impossible.

    Args:
        said: [..., C] probabilities.
        temperature: to divide their logits by.
    """
    powered = np.where(said > 0.0, np.maximum(said, _LEAST).astype(np.float64) ** (1.0 / temperature), 0.0)
    return (powered / powered.sum(axis=-1, keepdims=True)).astype(np.float32)


def fitted(verdicts: Verdicts, inside: float = 1.0) -> float:
    """Return the temperature with the least surprise, every run counting the same.

    Args:
        verdicts: on runs that no weight was fitted to.
        inside: temperature that is in the probabilities already; the product stays within the bounds of training.
    """
    low, high = (math.log(bound / inside) for bound in (TEMPERATURE_MIN, TEMPERATURE_MAX))
    verdicts, weights = _some(verdicts)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    for _ in range(_STEPS):
        if _surprise(verdicts, weights, math.exp(left)) < _surprise(verdicts, weights, math.exp(right)):
            high, right = right, left
            left = high - _GOLDEN * (high - low)
        else:
            low, left = left, right
            right = low + _GOLDEN * (high - low)
    return math.exp((low + high) / 2.0)


def _some(verdicts: Verdicts) -> tuple[Verdicts, NDArray[np.float64]]:
    """Return every failing entity and at most so many healthy ones, evenly, with weights that make runs count the same."""
    healthy = np.flatnonzero(verdicts.truth == 0)
    stride = max(1, len(healthy) // _HEALTHY_MAX)
    kept = np.sort(np.concatenate([np.flatnonzero(verdicts.truth > 0), healthy[::stride]]))
    weights = np.where(verdicts.truth > 0, 1.0, stride) / np.bincount(verdicts.run)[verdicts.run]
    return verdicts.where(kept), weights[kept]


def _surprise(verdicts: Verdicts, weights: NDArray[np.float64], temperature: float) -> float:
    """Return the weighted mean of -log of what was given to the truth."""
    given = tempered(verdicts.said, temperature)[np.arange(len(verdicts)), verdicts.truth]
    return float(np.average(-np.log(np.maximum(given, _LEAST)), weights=weights))
