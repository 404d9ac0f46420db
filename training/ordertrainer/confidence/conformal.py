"""Label sets that hold the truth with a probability that is chosen, whatever the model. Pure; numpy.

An entity's set has every class its kind can have for which 1 - P(class) is no more than the class's quantile. Quantiles are taken
class by class, so that the promise holds for each failure and not only on average: one verdict in thirty is a failure, and a
model that always says ``ok`` would hold any average. Runs are drawn, not windows: within a run every window has the same share of
one run's weight, and one more run, of which nothing is known, counts as the worst.

References:
    Sadinle, Lei and Wasserman 2019, Least ambiguous set-valued classifiers, for the score.
    Vovk 2012, Conditional validity of inductive conformal predictors, for one quantile a class.
    Lee, Barber and Willett 2023, Distribution-free inference with hierarchical data, for weights by run.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orderd.domain.faults import FAILURES
from ordertrainer.confidence.verdicts import Verdicts
from ordertrainer.evaluation.intervals import bootstrapped


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How unlike a class verdicts of that class were, smallest first, with the share of runs that is no more unlike.

    Attributes:
        scores: [M] 1 - P(truth).
        reached: [M] share of the weight up to each.
        runs: that it was taken from.
        pooled: the class itself had too few; these are of all failures together.
    """

    scores: NDArray[np.float64]
    reached: NDArray[np.float64]
    runs: int
    pooled: bool = False

    def quantile(self, alpha: float) -> float:
        """Return what a share 1 - alpha of runs stays within; infinite where they are too few to say."""
        if alpha >= 1.0:
            return -math.inf
        place = int(np.searchsorted(self.reached, 1.0 - alpha - 1e-12))
        return float(self.scores[place]) if alpha > 0.0 and place < len(self.scores) else math.inf


Scales = Mapping[int, Scale]
"""By class index."""


def runs_needed(alpha: float) -> int:
    """Return how many runs a class needs for its quantile to be finite."""
    return math.ceil(1.0 / alpha) - 1


def calibrated(verdicts: Verdicts, alpha: float) -> dict[int, Scale]:
    """Return a scale for every class that a model can name.

    Args:
        verdicts: on runs that no weight was fitted to.
        alpha: share of truths that may be missed, for which runs have to suffice.
    """
    scores = unlike(verdicts)
    everything = _scale(scores, verdicts, verdicts.truth > 0)
    found: dict[int, Scale] = {}
    for c in range(len(FAILURES)):
        own = _scale(scores, verdicts, verdicts.truth == c)
        few = own.runs < runs_needed(alpha) and c > 0
        found[c] = Scale(scores=everything.scores, reached=everything.reached, runs=own.runs, pooled=True) if few else own
    return found


def unlike(verdicts: Verdicts) -> NDArray[np.float64]:
    """Return [V] 1 - P(truth)."""
    return 1.0 - verdicts.said[np.arange(len(verdicts)), verdicts.truth].astype(np.float64)


def _scale(scores: NDArray[np.float64], verdicts: Verdicts, which: NDArray[np.bool_]) -> Scale:
    mine, run = scores[which], verdicts.run[which]
    _, place, sizes = np.unique(run, return_inverse=True, return_counts=True)
    weights = 1.0 / ((len(sizes) + 1) * sizes[place])
    order = np.argsort(mine, kind="stable")
    return Scale(scores=mine[order], reached=np.cumsum(weights[order]), runs=len(sizes))


def sets(verdicts: Verdicts, scales: Scales, alpha: float | Mapping[int, float]) -> NDArray[np.bool_]:
    """Return [V,C]: the label set of each verdict.

    Args:
        verdicts: what was said.
        scales: by class.
        alpha: share that may be missed, one for all or by class index.
    """
    limits = np.array(
        [scales[c].quantile(alpha if isinstance(alpha, float) else alpha[c]) for c in range(verdicts.said.shape[1])], np.float64
    )
    return verdicts.possible & (1.0 - verdicts.said.astype(np.float64) <= limits)


def coverage(held: NDArray[np.bool_], verdicts: Verdicts) -> dict[str, Any]:
    """Return how often sets hold the truth and how large they are, every run counting the same, with intervals over runs.

    Args:
        held: [V,C] sets.
        verdicts: with the truth.
    """
    right = held[np.arange(len(verdicts)), verdicts.truth].astype(np.float64)
    size = held.sum(axis=1).astype(np.float64)
    groups = {"failing": verdicts.truth > 0, "healthy": verdicts.truth == 0}
    return {
        **{name: mean_over_runs(right, verdicts.run, which) for name, which in groups.items()},
        "size_failing": mean_over_runs(size, verdicts.run, groups["failing"]),
        "size_healthy": mean_over_runs(size, verdicts.run, groups["healthy"]),
        "classes": {
            str(FAILURES[c]): mean_over_runs(right, verdicts.run, verdicts.truth == c) for c in np.unique(verdicts.truth)
        },
    }


def mean_over_runs(values: NDArray[np.float64], run: NDArray[np.int64], which: NDArray[np.bool_]) -> Any:
    """Return the mean of run means as a score with its interval.

    Args:
        values: [V].
        run: [V].
        which: [V] those that count.
    """
    _, place, sizes = np.unique(run[which], return_inverse=True, return_counts=True)
    means = np.bincount(place, values[which]) / sizes

    def of(times: NDArray[np.int64]) -> float:
        return float((times * means).sum() / times.sum())

    return bootstrapped(of, len(means))
