"""Evaluation numbers. Pure; numpy only.

Axes: N example (runs together, oldest first), E entity, C failure class.

A verdict is one judged (window, entity) pair; the predicted class is the likeliest. Nothing is point-adjusted: naming a failure
once does not count for the seconds around it, because random scores reach 0.90 that way.

References:
    Guo et al. 2017, On Calibration of Modern Neural Networks, for the expected calibration error with equal-width bins.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orderd.domain.faults import FAILURES
from ordertrainer.dataset import Examples
from ordertrainer.evaluation.intervals import RESAMPLES, bootstrapped
from ordertrainer.evaluation.predictions import Predictions
from ordertrainer.evaluation.ranking import auc
from ordertrainer.imitation.views import is_quiet

_BINS: Final = 10
_SECONDS_PER_HOUR: Final = 3600.0
_GAP_S_MAX: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """How predictions are read.

    Attributes:
        confidence_min: as inference.confidence_min: below it orderd does not act on a diagnosis.
        resamples: of the bootstrap over runs.
        seed: of the bootstrap.
    """

    confidence_min: float = 0.8
    resamples: int = RESAMPLES
    seed: int = 0


def score(predictions: Predictions, examples: Examples, judge: Judge | None = None) -> dict[str, Any]:
    """Return every number of one diagnoser on one set, as plain values.

    Args:
        predictions: what it said.
        examples: with the truth.
        judge: how to read it.
    """
    judge = judge or Judge()
    guess = predictions.failure.argmax(axis=-1)
    per_run = confusion_per_run(guess, examples)
    total = per_run.sum(axis=0)
    return {
        "windows": len(guess),
        "runs": len(per_run),
        **headline(predictions, examples, judge),
        "classes": per_class(total),
        "confusion": confusion(total),
        "first_sample": first_sample(guess, examples),
        "named_runs": named_runs(predictions, examples, judge),
        "false_alarms": false_alarms(predictions, examples, judge),
        "calibration_error": calibration_error(predictions, examples),
        "reliability": reliability(predictions, examples),
        "wrong_auc": auc(predictions.wrong, examples.wrong),
        "faults": per_fault(guess, examples),
    }


def headline(predictions: Predictions, examples: Examples, judge: Judge | None = None) -> dict[str, Any]:
    """Return macro-F1 and right entity with their 95 % intervals over runs.

    Args:
        predictions: what a diagnoser said.
        examples: with the truth.
        judge: of the bootstrap.
    """
    judge = judge or Judge()
    per_run = confusion_per_run(predictions.failure.argmax(axis=-1), examples)
    right, failing = right_per_run(predictions, examples)
    again = {"resamples": judge.resamples, "seed": judge.seed}
    f1 = bootstrapped(lambda times: macro_f1(np.tensordot(times, per_run, 1)), len(per_run), **again)
    entity = bootstrapped(lambda times: _quotient(times @ right, times @ failing), len(per_run), **again)
    return {
        "macro_f1": f1.value,
        "macro_f1_95": [f1.low, f1.high],
        "right_entity": entity.value,
        "right_entity_95": [entity.low, entity.high],
    }


def _quotient(over: float, under: float) -> float:
    return float(over) / float(under) if under else float("nan")


def confusion(total: NDArray[np.int64]) -> dict[str, Any]:
    """Return the classes that occur or were said, and [truth][guess] counts of them."""
    there = np.flatnonzero(total.any(axis=0) | total.any(axis=1))
    return {"classes": [str(FAILURES[c]) for c in there], "counts": total[np.ix_(there, there)].tolist()}


def confusion_per_run(guess: NDArray[np.int64], examples: Examples) -> NDArray[np.int64]:
    """Return [run, truth, guess] counts over judged entities."""
    _, run = np.unique(examples.run_id, return_inverse=True)
    counts = np.zeros((int(run.max()) + 1, len(FAILURES), len(FAILURES)), np.int64)
    judged = _judged(examples)
    np.add.at(counts, (np.broadcast_to(run[:, None], judged.shape)[judged], examples.failure[judged], guess[judged]), 1)
    return counts


def _judged(examples: Examples) -> NDArray[np.bool_]:
    return examples.present & (examples.failure >= 0)


def _rates(total: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return precision, recall and F1 per class; NaN where nothing was true (recall, F1) or said (precision)."""
    hit = np.diagonal(total, axis1=-2, axis2=-1).astype(np.float64)
    said, true = total.sum(axis=-2), total.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return hit / said, hit / true, np.where(true > 0, 2 * hit / (said + true), np.nan)


def macro_f1(total: NDArray[np.int64]) -> float:
    """Return the mean F1 over the failure classes that occur, ``ok`` left out; NaN when none occurs."""
    f1 = _rates(total)[2][..., 1:]
    return float(np.nanmean(f1)) if np.isfinite(f1).any() else float("nan")


def per_class(total: NDArray[np.int64]) -> dict[str, dict[str, float]]:
    """Return precision, recall, F1 and the number of verdicts of every class that occurs or was said."""
    precision, recall, f1 = _rates(total)
    return {
        str(failure): {
            "precision": float(precision[c]),
            "recall": float(recall[c]),
            "f1": float(f1[c]),
            "verdicts": int(total[c].sum()),
        }
        for c, failure in enumerate(FAILURES)
        if total[c].any() or total[:, c].any()
    }


def right_per_run(predictions: Predictions, examples: Examples) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return [run] failing windows whose least healthy entity is one that fails, and [run] failing windows."""
    _, run = np.unique(examples.run_id, return_inverse=True)
    failing = ((examples.failure > 0) & examples.present).any(axis=1)
    sick = np.where(examples.present, 1.0 - predictions.failure[..., 0], -1.0).argmax(axis=1)
    truth = np.take_along_axis(examples.failure, sick[:, None], axis=1)[:, 0]
    count = int(run.max()) + 1
    return np.bincount(run[failing & (truth > 0)], minlength=count), np.bincount(run[failing], minlength=count)


def first_sample(guess: NDArray[np.int64], examples: Examples) -> float:
    """Return the share of runs whose failure is named, on its entity, in the first window that is labelled with it."""
    hits: list[bool] = []
    for rows in _runs(examples):
        failing = rows[(examples.failure[rows] > 0).any(axis=1)]
        if failing.size:
            first = failing[0]
            entity = int(np.argmax(examples.failure[first] > 0))
            hits.append(bool(guess[first, entity] == examples.failure[first, entity]))
    return float(np.mean(hits)) if hits else float("nan")


def named_runs(predictions: Predictions, examples: Examples, judge: Judge) -> dict[str, float]:
    """Return, over failing runs, the share named with confidence and the median seconds until then.

    A run counts as named wrongly when another failure or entity was named with confidence before or instead.
    """
    waits: list[float] = []
    wrong = failing_runs = 0
    for rows in _runs(examples):
        failing = rows[(examples.failure[rows] > 0).any(axis=1)]
        if not failing.size:
            continue
        failing_runs += 1
        named = [_named(predictions, examples, n, judge) for n in failing]
        first = next((i for i, verdict in enumerate(named) if verdict is not None), None)
        wrong += first is not None and named[first] is False
        if first is not None and named[first]:
            waits.append(float(examples.at_s[failing[first]] - examples.at_s[failing[0]]))
    share = len(waits) / failing_runs if failing_runs else float("nan")
    return {
        "runs": failing_runs,
        "right_first": share,
        "wrong_first": wrong / failing_runs if failing_runs else float("nan"),
        "seconds_median": float(np.median(waits)) if waits else float("nan"),
    }


def _named(predictions: Predictions, examples: Examples, n: int, judge: Judge) -> bool | None:
    """Tell whether the surest diagnosis of a window is right; None when none is sure enough."""
    said = predictions.failure[n].copy()
    said[:, 0] = 0.0
    said[~_judged(examples)[n]] = 0.0
    entity, failure = np.unravel_index(int(said.argmax()), said.shape)
    if said[entity, failure] < judge.confidence_min:
        return None
    return bool(examples.failure[n, entity] == failure)


def false_alarms(predictions: Predictions, examples: Examples, judge: Judge) -> dict[str, dict[str, float]]:
    """Return alarms and hours on hosts where nothing is wrong, apart for hosts left alone and for decoys.

    An alarm is an unbroken series of windows with a confident diagnosis of the same class: one series would be one repair.
    """
    quiet = is_quiet(examples)
    decoy = examples.fault != ""
    return {
        "quiet": _alarm_rate(predictions, examples, quiet & ~decoy, judge),
        "decoys": _alarm_rate(predictions, examples, quiet & decoy, judge),
    }


def _alarm_rate(predictions: Predictions, examples: Examples, where: NDArray[np.bool_], judge: Judge) -> dict[str, float]:
    hours = float(_durations(examples)[where].sum()) / _SECONDS_PER_HOUR
    sure = (predictions.failure >= judge.confidence_min) & _judged(examples)[..., None] & where[:, None, None]
    raised = sure[..., 1:].any(axis=1)
    begins = raised.copy()
    same_run = examples.run_id[1:] == examples.run_id[:-1]
    begins[1:] &= ~(raised[:-1] & same_run[:, None])
    alarms = int(begins.sum())
    return {"alarms": alarms, "hours": hours, "per_hour": alarms / hours if hours else float("nan")}


def _durations(examples: Examples) -> NDArray[np.float64]:
    """Return [N] seconds until the next window of the same run, at most _GAP_S_MAX; 0 for the last."""
    if not len(examples):
        return np.zeros(0)
    ahead = np.diff(examples.at_s, append=examples.at_s[-1])
    same_run = np.append(examples.run_id[1:] == examples.run_id[:-1], False)
    return np.where(same_run, np.clip(ahead, 0.0, _GAP_S_MAX), 0.0)


def calibration_error(predictions: Predictions, examples: Examples) -> float:
    """Return the expected calibration error over verdicts where a failure is true or is given 1 % or more.

    The other verdicts, healthy entities everybody is sure of, would hide any error behind their number.
    """
    return float(sum(abs(each["confidence"] - each["right"]) * each["share"] for each in reliability(predictions, examples)))


def reliability(predictions: Predictions, examples: Examples) -> list[dict[str, float]]:
    """Return, for bins of equal width, mean confidence, share that is right, and share of all verdicts that matter."""
    matters = _judged(examples) & ((examples.failure > 0) | (predictions.failure[..., 0] < 0.99))  # noqa: PLR2004  see above
    confidence = predictions.failure[matters].max(axis=-1)
    right = predictions.failure[matters].argmax(axis=-1) == examples.failure[matters]
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return [
        {
            "confidence": float(confidence[bins == b].mean()),
            "right": float(right[bins == b].mean()),
            "share": float((bins == b).mean()),
            "verdicts": int((bins == b).sum()),
        }
        for b in np.unique(bins)
    ]


def per_fault(guess: NDArray[np.int64], examples: Examples) -> dict[str, dict[str, float]]:
    """Return, for every fault, the share of failing verdicts that are right, over windows in which it shows."""
    found: dict[str, dict[str, float]] = {}
    for fault in sorted({str(fault) for fault in examples.fault} - {""}):
        failing = (examples.fault == fault)[:, None] & examples.present & (examples.failure > 0)
        right = float((guess[failing] == examples.failure[failing]).mean()) if failing.any() else float("nan")
        runs = len({str(run) for run in examples.run_id[examples.fault == fault]})
        found[fault] = {"recall": right, "verdicts": int(failing.sum()), "runs": runs}
    return found


def _runs(examples: Examples) -> Iterator[NDArray[np.int64]]:
    """Yield the row numbers of each run, oldest first."""
    _, run = np.unique(examples.run_id, return_inverse=True)
    order = np.argsort(run, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(run[order])) + 1)
