"""Calm seconds -> what a host in order measures: its values, and how they move in time. Pure.

Values become ranks, ranks become normal numbers z, and the variance of z is divided among what stays with an entity for a whole
run, what wanders, and what is new each second, by how much two values differ that lie so many seconds apart (the variogram).

Axes: n value, K knot, l lag.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orderd.domain.faults import KINDS
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, HOST_INDEX, HOST_SIGNALS
from ordertrainer.calibrate.recording import Floats, Run
from ordertrainer.sim.courses import RANKS
from ordertrainer.sim.fitted import HOST as OF_HOST
from ordertrainer.sim.fitted import Course
from ordertrainer.sim.healthy import COUNTS, ENTITY, GROWTHS, HOST

LAGS_S: Final = (1, 2, 3, 4, 6, 8, 12, 16)
SLOW_S: Final = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Correlation times that are tried."""
VALUES_MIN: Final = 12
"""Fewer values, or pairs of them, tell nothing."""
SERIES_MIN: Final = 8
"""As many entities that lack a signal tell that it is missing."""
DIGITS: Final = 8
"""Of values: as exact as the single precision in which they were measured."""
_GROWTH: Final = dict(GROWTHS)
_STEADY: Final = COUNTS | set(_GROWTH)
_STEP: Final = 0.02
_SHARES: Final = np.array([(i * _STEP, j * _STEP) for i in range(51) for j in range(51 - i)])
"""What is tried: each second's share, and that of what wanders."""
_PHASES: Final = (np.arange(64) + 0.5) / 64

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One signal of one entity during one run's calm: [n] seconds and values, NaN where missing."""

    at_s: Numbers
    values: Numbers


def healthy_courses(runs: Sequence[Run]) -> dict[str, dict[str, Course]]:
    """Return the courses of all signals that vary in order, by kind of entity or `fitted.HOST`, and signal."""
    found = {OF_HOST: _courses({s.name: [_of_host(run, s.name) for run in runs] for s in HOST_SIGNALS})}
    for kind in KINDS:
        names = [s.name for s in ENTITY_SIGNALS if kind in s.kinds]
        found[kind.value] = _courses({name: [each for run in runs for each in _of_kind(run, kind, name)] for name in names})
    return {kind: courses for kind, courses in found.items() if courses}


def _courses(series: dict[str, list[Series]]) -> dict[str, Course]:
    fitted = {
        name: _flag(name, some) if _is_flag(name) else course(some, steady=name in _STEADY) for name, some in series.items()
    }
    return {name: each for name, each in fitted.items() if each is not None}


def _is_flag(name: str) -> bool:
    """Flags of hosts in order are what they are: there is nothing to fit but where they are missing."""
    healthy = HOST.get(name) or ENTITY[name]
    return healthy.low == healthy.high


def _flag(name: str, series: Sequence[Series]) -> Course | None:
    missing = _missing(series)
    if len(series) < SERIES_MIN:
        return None
    return _constant(ENTITY[name].low, missing)


def _of_host(run: Run, name: str) -> Series:
    where = run.calm & run.timed
    return Series(at_s=run.at_s[where], values=run.host[where, HOST_INDEX[name]].astype(np.float64))


def _of_kind(run: Run, kind: str, name: str) -> list[Series]:
    column, where = ENTITY_INDEX[name], run.calm & run.timed
    there = [(n, where & run.present[:, n]) for n, entity in enumerate(run.entities) if entity.kind == kind]
    return [
        Series(at_s=run.at_s[at], values=run.rows[at, n, column] - _grown(run.rows[at, n], run.at_s[at], name))
        for n, at in there
        if at.any()
    ]


def _grown(rows: Floats, at_s: Numbers, name: str) -> Numbers:
    """Return by how much what grows steadily has grown: the simulator lets it grow by itself."""
    growth = rows[:, ENTITY_INDEX[_GROWTH[name]]] if name in _GROWTH else np.zeros(len(rows))
    return (at_s - at_s[0]) * (0.0 if np.isnan(growth).all() else float(np.nanmedian(growth)))


def course(series: Sequence[Series], *, steady: bool = False) -> Course | None:
    """Return the course of one signal.

    Args:
        series: of all entities and runs.
        steady: it counts, or grows as another signal says: nothing else moves it.

    Returns:
        None where there is too little to tell.
    """
    measured = [each for each in series if not np.isnan(each.values).all()]
    pooled = np.sort(np.concatenate([each.values[~np.isnan(each.values)] for each in measured])) if measured else np.empty(0)
    if len(pooled) < VALUES_MIN:
        return _constant(0.0, 1.0) if len(series) >= SERIES_MIN and not measured else None
    knots = np.quantile(pooled, RANKS)
    if steady or pooled[0] == pooled[-1]:
        between, slow, slow_s = 1.0, 0.0, SLOW_S[-1]
    else:
        between, slow, slow_s = _divide([Series(at_s=each.at_s, values=_scores(pooled, each.values)) for each in measured])
    return Course(
        values=tuple(float(f"{value:.{DIGITS}g}") for value in knots),
        between=round(between, 3),
        slow=round(slow, 3),
        slow_s=slow_s,
        missing=_missing(series),
    )


def _missing(series: Sequence[Series]) -> float:
    """Return the share of entities that never measured it."""
    return round(sum(bool(np.isnan(each.values).all()) for each in series) / max(1, len(series)), 3)


def _constant(value: float, missing: float) -> Course:
    return Course(values=(value,) * len(RANKS), between=1.0, slow=0.0, slow_s=SLOW_S[-1], missing=missing)


def _scores(pooled: Numbers, values: Numbers) -> Numbers:
    """Return normal numbers of the same ranks; equal values share the middle of theirs."""
    low, high = (np.searchsorted(pooled, values, side=side) for side in ("left", "right"))
    ranks = (low + high) / 2 / len(pooled)
    scores = [NormalDist().inv_cdf(min(max(rank, 1e-4), 1 - 1e-4)) for rank in ranks]
    return np.where(np.isnan(values), np.nan, scores)


def _divide(series: Sequence[Series]) -> tuple[float, float, float]:
    """Return the shares of the variance of z between entities and of what wanders, and the correlation time of that."""
    whole = np.concatenate([each.values for each in series])
    variance = float(np.nanvar(whole)) or 1.0
    lags, differences, weights = _variogram(series)
    if not len(lags):
        return 1.0, 0.0, SLOW_S[-1]
    tried = [(*_shares(1.0 - wandering(slow_s, lags), differences / variance, weights), slow_s) for slow_s in SLOW_S]
    _, fast, slow, slow_s = min(tried)
    return 1.0 - fast - slow, slow, slow_s


def _variogram(series: Sequence[Series]) -> tuple[Numbers, Numbers, Numbers]:
    """Return lags, half the mean squared difference of values so far apart, and how many pairs tell it."""
    found: dict[int, list[float]] = {}
    for each in series:
        seconds = np.round(each.at_s).astype(int)
        at = dict(zip(seconds.tolist(), each.values.tolist(), strict=True))
        for lag in LAGS_S:
            pairs = [(at[second + lag] - z) ** 2 / 2 for second, z in at.items() if second + lag in at]
            found.setdefault(lag, []).extend(pair for pair in pairs if not math.isnan(pair))
    told = {lag: pairs for lag, pairs in found.items() if len(pairs) >= VALUES_MIN}
    lags = np.array(list(told), np.float64)
    means, counts = (np.array([of(pairs) for pairs in told.values()], np.float64) for of in (np.mean, len))
    return lags, means, counts


def _shares(risen: Numbers, differences: Numbers, weights: Numbers) -> tuple[float, float, float]:
    """Return the squared error, and the shares of what is new each second and of what wanders: the best of all that add up."""
    errors = (weights * (differences - _SHARES[:, :1] - _SHARES[:, 1:] * risen) ** 2).sum(1)
    best = int(errors.argmin())
    return float(errors[best]), float(_SHARES[best, 0]), float(_SHARES[best, 1])


def wandering(slow_s: float, lags_s: Numbers) -> Numbers:
    """Return how alike what wanders is to itself after some seconds: the correlation of `sim.courses.deviation`'s slow part."""
    return np.array([np.mean([_alike(phase, phase + lag / slow_s) for phase in _PHASES]) for lag in lags_s])


def _alike(one: float, other: float) -> float:
    return sum(weight * _weights(other).get(knot, 0.0) for knot, weight in _weights(one).items())


def _weights(at: float) -> dict[int, float]:
    """Return how much each knot counts at a place between two of them."""
    knot = int(at // 1)
    after = at - knot
    size = (after * after + (1 - after) ** 2) ** 0.5
    return {knot: (1 - after) / size, knot + 1: after / size}
