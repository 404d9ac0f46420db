"""What a diagnoser said of each judged entity, flat, with the run and the host it was said in. Pure; numpy.

Axes: V verdict (one judged entity in one window), C failure class.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ordertrainer.dataset import Examples
from ordertrainer.evaluation.predictions import Predictions
from ordertrainer.nets.order import possible_classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Judged entities in the order of their windows; all [V], but for ``said`` and ``possible`` [V,C].

    Attributes:
        said: float32 probabilities.
        possible: bool, classes that the kind of entity can have.
        truth: int64 class index.
        run: int64, equal within a run; runs are numbered in the order in which they come.
        host: int64, likewise.
    """

    said: NDArray[np.float32]
    possible: NDArray[np.bool_]
    truth: NDArray[np.int64]
    run: NDArray[np.int64]
    host: NDArray[np.int64]

    def __len__(self) -> int:
        """Return V."""
        return len(self.truth)

    def where(self, mask: NDArray[np.bool_] | NDArray[np.int64]) -> "Verdicts":
        """Return some of them, by mask or by number."""
        return Verdicts(**{field.name: getattr(self, field.name)[mask] for field in fields(self)})


def named_classes(*predictions: Predictions) -> NDArray[np.bool_]:
    """Return [C]: classes that were ever given any probability; who never learned of a class never names it."""
    return np.logical_or.reduce([each.failure.reshape(-1, each.failure.shape[-1]).max(axis=0) > 0.0 for each in predictions])


def verdicts_of(predictions: Predictions, examples: Examples, named: NDArray[np.bool_]) -> Verdicts:
    """Return every verdict on an entity whose truth the diagnoser can name; of others it promises nothing, the rules name them.

    Args:
        predictions: what was said.
        examples: with the truth.
        named: [C] classes that it can name.
    """
    judged = examples.present & (examples.failure >= 0) & named[examples.failure]
    n = np.nonzero(judged)[0]
    return Verdicts(
        said=predictions.failure[judged],
        possible=possible_classes().numpy()[examples.kind[judged]] & named,
        truth=examples.failure[judged],
        run=numbered(examples.run_id)[n],
        host=numbered(examples.host_id)[n],
    )


def numbered(names: NDArray[np.str_] | Sequence[str]) -> NDArray[np.int64]:
    """Return [N] small numbers for names, in the order in which they first come."""
    _, first, place = np.unique(names, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[place]
