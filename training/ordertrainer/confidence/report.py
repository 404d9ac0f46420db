"""Calibration from end to end: fitted on the tune split, examined on hosts that nobody calibrated on. Pure."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orderd.domain.faults import FAILURES, Failure
from orderd.domain.schema import schema_digest
from ordertrainer.confidence.adaptive import GAMMA, follow, followed, later_half
from ordertrainer.confidence.conformal import Scales, calibrated, coverage, runs_needed, sets
from ordertrainer.confidence.temperature import fitted, tempered
from ordertrainer.confidence.threshold import judged, wrong_min
from ordertrainer.confidence.verdicts import Verdicts, named_classes, verdicts_of
from ordertrainer.dataset import Examples
from ordertrainer.evaluation.predictions import Predictions
from ordertrainer.evaluation.scores import calibration_error

VERSION: Final = 1
ALPHA: Final = 0.10
BETA: Final = 0.01
FOLDS: Final = 5

Report = dict[str, Any]
Ask = Callable[[Examples], Predictions]


def calibrate_confidence(
    ask: Ask,
    tune: Examples,
    test: Examples,
    *,
    alpha: float = ALPHA,
    beta: float = BETA,
    gamma: float = GAMMA,
    inside: float = 1.0,
) -> Report:
    """Return everything that a model has to carry so that people can believe its confidence, and what it is worth elsewhere.

    Args:
        ask: the model.
        tune: runs that no weight was fitted to; what is calibrated on.
        test: other hosts.
        alpha: share of truths that label sets may miss.
        beta: share of calm stretches that may exceed the threshold on P(anything wrong).
        gamma: how far the level of one host moves a run.
        inside: temperature that is in the probabilities already.

    Returns:
        Plain values and scores.
    """
    raw = {"tune": ask(tune), "test": ask(test)}
    named = named_classes(*raw.values())
    temperature = fitted(verdicts_of(raw["tune"], tune, named), inside)
    said = {name: _at(each, temperature) for name, each in raw.items()}
    own, other = verdicts_of(said["tune"], tune, named), verdicts_of(said["test"], test, named)
    scales = calibrated(own, alpha)
    least = wrong_min(raw["tune"].wrong, tune, beta)
    static = coverage(sets(other, scales, alpha), other)
    hosts, adapted = _followed(other, test, scales, alpha, gamma)
    crossed = _crossed(own, alpha)
    return {
        "version": VERSION,
        "schema_digest": schema_digest(),
        "alpha": alpha,
        "temperature": temperature * inside,
        "calibration_error": {
            name: {"before": calibration_error(raw[name], examples), "after": calibration_error(said[name], examples)}
            for name, examples in (("tune", tune), ("test", test))
        },
        "classes": {name: told for name, told in quantiles(scales, alpha).items() if named[FAILURES.index(Failure(name))]},
        "never_named": _never_named(named, test),
        "coverage": {"own": crossed["failing"], "other": static["failing"], "other_adapted": adapted["failing"]},
        "own": crossed,
        "other": static,
        "other_adapted": adapted,
        "hosts": hosts,
        "gamma": gamma,
        "wrong_min": {"beta": beta, "value": least, "other": judged(raw["test"].wrong, test, least)},
    }


def _never_named(named: NDArray[np.bool_], test: Examples) -> dict[str, int]:
    """Return how many failing verdicts there are of each class that the model cannot name."""
    counts = np.bincount(test.failure[test.failure > 0], minlength=len(FAILURES))
    return {str(FAILURES[c]): int(counts[c]) for c in np.flatnonzero(~named & (counts > 0))}


def _at(said: Predictions, temperature: float) -> Predictions:
    return Predictions(failure=tempered(said.failure, temperature), wrong=said.wrong)


def _followed(
    other: Verdicts, test: Examples, scales: Scales, alpha: float, gamma: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what moved levels cover of each host, and of the later halves of all of them together."""
    hosts: dict[str, Any] = {}
    moved, later = np.zeros(other.said.shape, np.bool_), np.zeros(len(other), np.bool_)
    for number, name in enumerate(dict.fromkeys(test.host_id.tolist())):
        mine = other.host == number
        verdicts = other.where(mine)
        told = follow(verdicts, scales, alpha, gamma)
        hosts[str(name)] = followed(verdicts, told)
        moved[mine], later[mine] = told.moved, later_half(verdicts)
    return hosts, coverage(moved[later], other.where(later))


def _crossed(own: Verdicts, alpha: float) -> dict[str, Any]:
    """Return the coverage on runs of the same hosts: each fifth of the runs judged by scales of the others."""
    held = np.zeros(own.said.shape, np.bool_)
    fold = own.run % FOLDS
    for number in np.unique(fold):
        mine = fold == number
        held[mine] = sets(own.where(mine), calibrated(own.where(~mine), alpha), alpha)
    return coverage(held, own)


def quantiles(scales: Scales, alpha: float) -> Mapping[str, Mapping[str, Any]]:
    """Return what a model carries of each class: its quantile, None where runs were too few for any."""
    found: dict[str, dict[str, Any]] = {}
    for c, scale in scales.items():
        limit = scale.quantile(alpha)
        told = {"quantile": limit if math.isfinite(limit) else None, "runs": scale.runs, "pooled": scale.pooled}
        found[str(FAILURES[c])] = told | {"runs_needed": runs_needed(alpha)}
    return found
