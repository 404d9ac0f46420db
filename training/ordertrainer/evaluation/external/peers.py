"""What the order model is measured against on a foreign series. Pure; scikit-learn.

    logistic regression, extra trees    fitted on the series' own labels, fold by fold, on all of its channels: what somebody has
                                        who labelled this very system; the order model never saw it
    persistence                         no labels and no training: how far each value is from the one before, in the channel's own
                                        usual steps

Axes: T sample, C channel, S slot.
"""

import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from ordertrainer.evaluation.external.blocks import Blocks
from ordertrainer.evaluation.external.series import Series
from ordertrainer.evaluation.external.windows import CHUNK, slots
from ordertrainer.nets.normaliser import Normaliser

PERSISTENCE: Final = "persistence"
CLASSIFIERS: Final[dict[str, Callable[[int], Any]]] = {
    "logistic regression": lambda seed: LogisticRegression(max_iter=100, class_weight="balanced", random_state=seed),
    "extra trees": lambda seed: ExtraTreesClassifier(
        n_estimators=100, class_weight="balanced", min_samples_leaf=2, random_state=seed
    ),
}
_ROWS_MAX: Final = 6000
_MEMORY: Final = 1.0 / 300.0
"""Share of the newest step in what is usual: about five minutes at a sample a second."""
_STEP_MIN: Final = 1e-6
_SURPRISE_MAX: Final = 20.0


def persistence(series: Series) -> NDArray[np.float32]:
    """Return [T]: the mean over channels of each step, in usual steps so far; 0 at the beginning of a run.

    What is usual is taken from the past alone, so that the score of a sample is what could have been said at that moment.
    """
    steps = np.abs(np.diff(series.values, axis=0, prepend=series.values[:1])).astype(np.float64)
    steps[series.offsets[:-1]] = 0.0
    said = np.zeros(len(series), np.float32)
    usual = np.zeros(steps.shape[1])
    for t, step in enumerate(np.nan_to_num(steps)):
        seen = usual > _STEP_MIN
        if seen.any():
            said[t] = np.minimum(step[seen] / usual[seen], _SURPRISE_MAX).mean()
        usual += (step - usual) * max(_MEMORY, 1.0 / (t + 1))
    return said


def crossed(series: Series, blocks: Blocks, name: str, seed: int) -> NDArray[np.float32] | None:
    """Return [T], P(anything wrong) by a classifier that never saw a sample's fold, nor what reaches into it.

    Args:
        series: the series.
        blocks: of it.
        name: one of CLASSIFIERS.
        seed: of the rows drawn and of the classifier.

    Returns:
        None where some fold leaves nothing to tell apart: fewer than two folds, or all that is wrong in one of them.
    """
    said = np.zeros(len(series), np.float32)
    for fold in range(blocks.folds):
        rows = _rows(blocks.outside(fold), series.wrong, np.random.default_rng((seed, fold)))
        if len(np.unique(series.wrong[rows])) < 2:  # noqa: PLR2004  wrong and quiet
            return None
        normaliser = Normaliser(list(series.channels))
        normaliser.fit(series.values[rows])
        fitted = _fit(CLASSIFIERS[name](seed), _features(series, rows, normaliser), series.wrong[rows])
        mine = np.flatnonzero(blocks.fold == fold)
        for start in range(0, len(mine), CHUNK):
            part = mine[start : start + CHUNK]
            said[part] = fitted.predict_proba(_features(series, part, normaliser))[:, 1]
    return said


def _rows(able: NDArray[np.bool_], wrong: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return samples to learn from: at most _ROWS_MAX, half of them wrong where there are as many."""
    parts = [rng.permutation(np.flatnonzero(able & where))[: _ROWS_MAX // 2] for where in (wrong, ~wrong)]
    return np.concatenate(parts)


def _fit(classifier: Any, features: NDArray[np.float32], truth: NDArray[np.bool_]) -> Any:
    with warnings.catch_warnings():
        # 100 iterations are what a peer gets; the figure says whether they sufficed.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return classifier.fit(features, truth)


def _features(series: Series, at: NDArray[np.int64], normaliser: Normaliser) -> NDArray[np.float32]:
    """Return [N, 2SC]: every slot of every channel, as the networks are shown them."""
    with torch.inference_mode():
        return normaliser(torch.from_numpy(slots(series, at))).flatten(1).numpy()
