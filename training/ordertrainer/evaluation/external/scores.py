"""How well one number a sample tells what is wrong in a foreign series. Pure; numpy.

Axes: T sample, K label.

    areas       of P(wrong) as it ranks samples: all labels together, and each label against what is quiet
    at a rate   the threshold that a share FAR of quiet samples exceeds, taken from the other folds; which samples and events are
                then found, how late, and how often it really cries wolf

An event is found by a sample of its own, never by a neighbour's; no point is adjusted. Intervals are bootstraps over blocks, of
events Wilson's.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ordertrainer.evaluation.external.blocks import Blocks, Event
from ordertrainer.evaluation.external.series import Series
from ordertrainer.evaluation.intervals import Score, bootstrapped, median, rate, share
from ordertrainer.evaluation.ranking import Ranking

RESAMPLES: Final = 200
_HOUR_S: Final = 3600.0

Floats = NDArray[np.floating]


def score(said: Floats, series: Series, blocks: Blocks, events: Sequence[Event], far: float) -> dict[str, Any]:
    """Return every number of one scorer.

    Args:
        said: [T], larger is more wrong.
        series: with the truth.
        blocks: of it.
        events: of it.
        far: share of quiet samples that may be called wrong.
    """
    quiet = ~series.wrong
    alarm = said > thresholds(said, quiet, blocks, far)[blocks.fold]
    every = np.ones(len(series), np.bool_)
    return {
        **_areas(said, series.wrong, every, blocks),
        "false_alarms": _false_alarms(alarm, series, blocks),
        "labels": {
            name: {
                **_areas(said, series.truth[:, k], quiet | series.truth[:, k], blocks),
                **_found(alarm, series, blocks, [event for event in events if event.label == k]),
            }
            for k, name in enumerate(series.label_names)
        },
    }


def _areas(said: Floats, truth: NDArray[np.bool_], where: NDArray[np.bool_], blocks: Blocks) -> dict[str, Any]:
    ranking = Ranking(said[where], truth[where], blocks.block[where])
    able = len(np.unique(blocks.block[where & truth]))
    area = bootstrapped(ranking.auc, blocks.count, able=able, resamples=RESAMPLES)
    precision = bootstrapped(ranking.average_precision, blocks.count, able=able, resamples=RESAMPLES)
    chance = float(truth[where].mean()) if where.any() else math.nan
    return {"auc": area, "average_precision": precision, "average_precision_of_chance": chance}


def thresholds(said: Floats, quiet: NDArray[np.bool_], blocks: Blocks, far: float) -> NDArray[np.float64]:
    """Return [fold]: what a share ``far`` of the quiet samples of the other folds exceeds; of all, where there is one fold.

    Args:
        said: [T].
        quiet: [T].
        blocks: of the series.
        far: the share.
    """
    found = np.full(blocks.folds, math.inf)
    for fold in range(blocks.folds):
        others = quiet & (blocks.outside(fold) if blocks.folds > 1 else True)
        if others.any():
            found[fold] = float(np.quantile(said[others], 1.0 - far, method="higher"))
    return found


def _false_alarms(alarm: NDArray[np.bool_], series: Series, blocks: Blocks) -> dict[str, Any]:
    """Return the share of quiet samples that are called wrong, and unbroken alarms an hour: one series would be one incident."""
    quiet = ~series.wrong
    cried = np.bincount(blocks.block[quiet], alarm[quiet], minlength=blocks.count)
    could = np.bincount(blocks.block[quiet], minlength=blocks.count)
    raised = alarm & quiet
    begins = raised & ~np.append(False, raised[:-1] & (series.run[1:] == series.run[:-1]))
    hours = float(quiet.sum()) * series.period_s / _HOUR_S
    return {"share": _ratio(cried, could, blocks.count), "per_hour": rate(int(begins.sum()), hours)}


def _found(alarm: NDArray[np.bool_], series: Series, blocks: Blocks, events: Sequence[Event]) -> dict[str, Any]:
    """Return what of one label is found: samples, events and how late, and how many events false alarms alone would find."""
    holds = np.zeros(len(series), np.bool_)
    for event in events:
        holds[event.start : event.end] = True
    found = np.bincount(blocks.block[holds], alarm[holds], minlength=blocks.count)
    could = np.bincount(blocks.block[holds], minlength=blocks.count)
    firsts = [np.flatnonzero(alarm[event.start : event.end]) for event in events]
    delays = [float(first[0]) * series.period_s for first in firsts if len(first)]
    return {
        "samples": int(holds.sum()),
        "samples_found": _ratio(found, could, blocks.count),
        "events": len(events),
        "events_found": share(len(delays), len(events)),
        "events_found_by_chance": by_chance(alarm, series, [event.end - event.start for event in events]),
        "onset_delay_s": median(delays),
    }


def by_chance(alarm: NDArray[np.bool_], series: Series, lengths: Sequence[int]) -> float:
    """Return the share of events of these lengths that would be found where nothing is wrong.

    A long event is found by any alarm inside it, so whoever cries wolf often enough finds them all. Each length is laid over
    every quiet stretch that holds it; lengths that no quiet stretch holds are left out.

    Args:
        alarm: [T].
        series: with the truth.
        lengths: of events, in samples.
    """
    quiet = np.concatenate([[0], np.cumsum(~series.wrong)])
    cried = np.concatenate([[0], np.cumsum(alarm & ~series.wrong)])
    shares, times = [], []
    for length, count in zip(*np.unique(lengths, return_counts=True), strict=True):
        starts = np.arange(max(0, len(series) - length + 1))
        whole = quiet[starts + length] - quiet[starts] == length
        whole &= series.run[starts] == series.run[starts + length - 1]
        if whole.any():
            shares.append(float((cried[starts + length] > cried[starts])[whole].mean()))
            times.append(int(count))
    return float(np.average(shares, weights=times)) if shares else math.nan


def _ratio(over: NDArray[np.float64], under: NDArray[np.int64], groups: int) -> Score:
    def of(times: NDArray[np.int64]) -> float:
        below = float((times * under).sum())
        return float((times * over).sum()) / below if below else math.nan

    return bootstrapped(of, groups, able=int(np.count_nonzero(under)), resamples=RESAMPLES)
