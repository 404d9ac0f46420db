"""What training minimises, and how examples are drawn and weighed against each other. Pure; imports torch.

Axes: N example, B window, E entity, C failure class.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as nnf

from orderd.domain.faults import FAILURES
from ordertrainer.dataset import IGNORE, Examples
from ordertrainer.imitation.augment import Batch
from ordertrainer.imitation.views import strata
from ordertrainer.nets.order import Logits

WRONG_WEIGHT: Final = 0.3
"""Share of ``wrong`` beside ``failure``: it gates, it does not choose."""


def loss(logits: Logits, batch: Batch, class_weights: Tensor) -> Tensor:
    """Return the weighted mean cross-entropy of failures plus that of ``wrong``.

    Args:
        logits: of the batch.
        batch: with the truth.
        class_weights: [C].
    """
    failure = nnf.cross_entropy(logits.failure.flatten(0, 1), batch.failure.flatten(), weight=class_weights, ignore_index=IGNORE)
    return failure + WRONG_WEIGHT * nnf.binary_cross_entropy_with_logits(logits.wrong, batch.wrong)


def class_weights(examples: Examples) -> Tensor:
    """Return [C], one over the square root of each class's count, mean 1 over the classes that occur; 0 for those that do not.

    The root is a compromise: plain counts let ``ok`` drown the rest, inverse counts make rare classes cry wolf.
    """
    counts = np.bincount(examples.failure[examples.failure >= 0].ravel(), minlength=len(FAILURES)).astype(np.float64)
    weights = np.where(counts > 0, 1.0 / np.sqrt(np.maximum(counts, 1.0)), 0.0)
    return torch.tensor(weights / weights[counts > 0].mean(), dtype=torch.float32)


def draw_weights(examples: Examples) -> NDArray[np.float64]:
    """Return [N], the probability of drawing each example: every stratum in proportion to the square root of its size."""
    _, which, counts = np.unique(strata(examples), return_inverse=True, return_counts=True)
    weights = 1.0 / np.sqrt(counts[which].astype(np.float64))
    return weights / weights.sum()
