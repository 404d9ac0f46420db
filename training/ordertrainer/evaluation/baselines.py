"""Baselines on the same features as the network: logistic regression and extra trees. Pure; scikit-learn.

Axes: N example, E entity, S slot, C failure class. A row is one entity: its own slots, the host's slots, its kind. They see one
entity at a time, which is what they are: the network has to earn its attention layers.
"""

import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from orderd.domain.faults import FAILURES, KINDS
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from ordertrainer.dataset import Examples
from ordertrainer.evaluation.predictions import Predictions, all_ok
from ordertrainer.nets.normaliser import Normaliser
from ordertrainer.nets.order import possible_classes

_HEALTHY_PER_FAILING: Final = 5
_ROWS_MAX: Final = 40_000
_BATCH: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A fitted classifier of entities.

    Attributes:
        name: for tables.
        classifier: scikit-learn's.
        host: normaliser of host signals, fitted on training data.
        entity: normaliser of entity signals, fitted on training data.
    """

    name: str
    classifier: Any
    host: Normaliser
    entity: Normaliser

    def predict(self, examples: Examples) -> Predictions:
        """Judge every entity; classes a kind cannot have get no probability."""
        failure = all_ok(examples)
        possible = possible_classes().numpy()
        classes = self.classifier.classes_
        where = np.argwhere(examples.present)
        for start in range(0, len(where), _BATCH):
            n, e = where[start : start + _BATCH].T
            said = np.zeros((len(n), len(FAILURES)), np.float32)
            said[:, classes] = self.classifier.predict_proba(_features(examples, n, e, self.host, self.entity))
            said *= possible[examples.kind[n, e]]
            failure[n, e] = said / np.maximum(said.sum(axis=1, keepdims=True), 1e-9)
        return Predictions(failure=failure, wrong=1.0 - failure[..., 0].min(axis=1))


def fit_baselines(examples: Examples, seed: int) -> tuple[Baseline, ...]:
    """Fit every baseline on training data.

    Args:
        examples: the training split.
        seed: of the rows drawn and of the trees.
    """
    host, entity = (Normaliser([signal.name for signal in signals]) for signals in (HOST_SIGNALS, ENTITY_SIGNALS))
    host.fit(examples.host.reshape(-1, examples.host.shape[-1]))
    entity.fit(examples.rows[examples.present].reshape(-1, examples.rows.shape[-1]))
    n, e = _training_rows(examples, np.random.default_rng(seed)).T
    features, truth = _features(examples, n, e, host, entity), examples.failure[n, e]
    classifiers = {
        "logistic regression": LogisticRegression(max_iter=100, class_weight="balanced", random_state=seed),
        "extra trees": ExtraTreesClassifier(n_estimators=100, class_weight="balanced", min_samples_leaf=2, random_state=seed),
    }
    with warnings.catch_warnings():
        # 100 iterations are what a baseline gets; the figure says whether they sufficed.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return tuple(
            Baseline(name=name, classifier=classifier.fit(features, truth), host=host, entity=entity)
            for name, classifier in classifiers.items()
        )


def _training_rows(examples: Examples, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return [row, 2] (example, entity): all failing ones up to a bound, and a few healthy ones for each."""
    judged = examples.present & (examples.failure >= 0)
    failing = rng.permutation(np.argwhere(judged & (examples.failure > 0)))[: _ROWS_MAX // (1 + _HEALTHY_PER_FAILING)]
    healthy = rng.permutation(np.argwhere(judged & (examples.failure == 0)))
    return np.concatenate([failing, healthy[: max(len(failing), 1) * _HEALTHY_PER_FAILING]])


def _features(
    examples: Examples, n: NDArray[np.int64], e: NDArray[np.int64], host: Normaliser, entity: Normaliser
) -> NDArray[np.float32]:
    with torch.inference_mode():
        own = entity(torch.from_numpy(examples.rows[n, e])).flatten(1)
        whole = host(torch.from_numpy(examples.host[n])).flatten(1)
    kind = np.eye(len(KINDS), dtype=np.float32)[examples.kind[n, e]]
    return np.concatenate([own.numpy(), whole.numpy(), kind], axis=1)
