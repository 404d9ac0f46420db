"""How much P(anything wrong) has to be for a host to be looked at. Pure; numpy.

A calm stretch counts by its largest value: one second above the threshold is one false alarm. The threshold is what all but a
chosen share of calm stretches stay within, one more stretch counting as the worst, so the promise holds for the next calm stretch
on such a host. Thresholds gate on "anything wrong" and not on the surest diagnosis: whoever is sure of one of two failures is
sure that something is wrong.

Axes: N window.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ordertrainer.confidence.verdicts import numbered
from ordertrainer.dataset import Examples
from ordertrainer.evaluation.intervals import median, share


def wrong_min(wrong: NDArray[np.float32], examples: Examples, beta: float) -> float:
    """Return the threshold; infinite where calm stretches are too few for this share.

    Args:
        wrong: [N] P(anything wrong).
        examples: on runs that no weight was fitted to.
        beta: share of calm stretches that may exceed it.
    """
    peaks = np.sort(calm_peaks(wrong, examples))
    place = math.ceil((len(peaks) + 1) * (1.0 - beta)) - 1
    return float(peaks[place]) if place < len(peaks) else math.inf


def calm_peaks(wrong: NDArray[np.float32], examples: Examples) -> NDArray[np.float64]:
    """Return, for each run with calm windows, the largest value among them."""
    calm, run = examples.wrong == 0, numbered(examples.run_id)
    peaks = np.full(int(run.max(initial=-1)) + 1, -math.inf)
    np.maximum.at(peaks, run[calm], wrong[calm].astype(np.float64))
    return peaks[np.isfinite(peaks)]


def judged(wrong: NDArray[np.float32], examples: Examples, least: float) -> dict[str, Any]:
    """Return what a threshold does: calm stretches that exceed it, failing runs that are noticed, and how late.

    Args:
        wrong: [N] P(anything wrong).
        examples: on other runs.
        least: the threshold.
    """
    peaks = calm_peaks(wrong, examples)
    run = numbered(examples.run_id)
    waits: list[float] = []
    failing_runs = 0
    for number in np.unique(run[examples.wrong > 0]):
        failing = np.flatnonzero((run == number) & (examples.wrong > 0))
        seen = failing[wrong[failing] > least]
        failing_runs += 1
        if len(seen):
            waits.append(float(examples.at_s[seen[0]] - examples.at_s[failing[0]]))
    return {
        "calm_stretches_above": share(int((peaks > least).sum()), len(peaks)),
        "failing_runs_noticed": share(len(waits), failing_runs),
        "seconds_until_noticed": median(waits),
    }
