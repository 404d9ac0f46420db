"""Scores with their 95 % intervals: shares, rates of rare events, and anything that groups can be drawn again for. Pure; numpy.

A figure without an interval is not compared with anything. What was observed together (the seconds of one run, the runs of one
host) is drawn together: neighbouring seconds are almost copies of each other and would make any interval too narrow.

References:
    Wilson 1927, Probable inference, for shares: it is right near 0 and 1, where the usual formula says plus or minus nothing.
    Garwood 1936, Fiducial limits for the Poisson distribution, for rates: no event in 10 hours is at most 0.37 an hour.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 500
_Z: Final = 1.959964
_TAIL: Final = 0.025
_QUANTILES: Final = (2.5, 97.5)
_HALVINGS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One evaluation number.

    Attributes:
        value: NaN where there is none.
        low, high: 95 % interval; NaN where there is none.
        of: how many units it is about.
    """

    value: float
    low: float
    high: float
    of: int

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"value": self.value, "low": self.low, "high": self.high, "of": self.of}


NO_SCORE: Final = Score(value=math.nan, low=math.nan, high=math.nan, of=0)


def as_score(told: Score | Mapping[str, Any]) -> Score:
    """Return a figure as a score, from plain values too; JSON has null where there is no number."""
    if isinstance(told, Score):
        return told
    value, low, high = (math.nan if told.get(key) is None else float(told[key]) for key in ("value", "low", "high"))
    return Score(value=value, low=low, high=high, of=int(told.get("hosts") or told.get("of") or 0))


def share(hits: int, of: int) -> Score:
    """Return a share with Wilson's interval."""
    if not of:
        return NO_SCORE
    p, square = hits / of, _Z * _Z / of
    centre = (p + square / 2) / (1 + square)
    half = _Z * math.sqrt(p * (1 - p) / of + square / (4 * of)) / (1 + square)
    # At 0 and 1 the formula is off by a rounding; an interval holds its value.
    return Score(value=p, low=min(p, max(0.0, centre - half)), high=max(p, min(1.0, centre + half)), of=of)


def rate(events: int, exposure: float) -> Score:
    """Return events per unit of exposure with Garwood's interval; nothing without exposure.

    Args:
        events: how many.
        exposure: in whatever unit the rate is wanted per, for example hours.
    """
    if exposure <= 0.0:
        return NO_SCORE
    low = _poisson_mean(events - 1, 1.0 - _TAIL) if events else 0.0
    return Score(value=events / exposure, low=low / exposure, high=_poisson_mean(events, _TAIL) / exposure, of=events)


def _poisson_mean(most: int, probability: float) -> float:
    """Return the mean with which at most so many events have this probability."""
    low, high = 0.0, 10.0 + 2.0 * most + 10.0 * math.sqrt(most + 1.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(most, middle) > probability else (low, middle)
    return (low + high) / 2


def _at_most(most: int, mean: float) -> float:
    if mean <= 0.0:
        return 1.0
    logs = [k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(most + 1)]
    return min(1.0, math.fsum(math.exp(each) for each in logs))


def draws(groups: int, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """Yield how often each group is drawn, [group], in every resample with replacement."""
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(rng.integers(0, groups, groups), minlength=groups)


def bootstrapped(
    statistic: Callable[[NDArray[np.int64]], float],
    groups: int,
    *,
    able: int | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Score:
    """Return a statistic of groups with the interval of its values when groups are drawn again.

    Args:
        statistic: of how often each group counts, [group].
        groups: how many there are; of one group there is no interval.
        able: groups that have anything to say about it; of one there is no interval either. None: all.
        resamples: how often they are drawn.
        seed: of the draws.
    """
    able = groups if able is None else able
    value = statistic(np.ones(groups, np.int64)) if groups else math.nan
    if able < 2 or not math.isfinite(value):  # noqa: PLR2004  one group drawn again is itself
        return Score(value=value, low=math.nan, high=math.nan, of=able)
    again = np.array([statistic(times) for times in draws(groups, resamples, seed)])
    low, high = np.nanpercentile(again, _QUANTILES)
    return Score(value=value, low=float(low), high=float(high), of=able)


def median(values: Sequence[float], *, seed: int = 0) -> Score:
    """Return the median with a bootstrap interval over the values."""
    ordered = np.asarray(values, np.float64)

    def of(times: NDArray[np.int64]) -> float:
        return float(np.median(np.repeat(ordered, times))) if len(ordered) else math.nan

    return bootstrapped(of, len(ordered), seed=seed)


def number(value: float | None, digits: int = 3) -> str:
    """Return a number for a table, a dash where there is none."""
    return f"{value:.{digits}f}" if value is not None and math.isfinite(value) else "-"


def words(told: Score | Mapping[str, Any], digits: int = 3) -> str:
    """Return a score for a table: value (low to high)."""
    score = as_score(told)
    if not math.isfinite(score.value):
        return "-"
    if not math.isfinite(score.low):
        return number(score.value, digits)
    return f"{number(score.value, digits)} ({number(score.low, digits)} to {number(score.high, digits)})"
