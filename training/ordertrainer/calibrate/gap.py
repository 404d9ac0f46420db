"""How well a classifier tells recorded windows from simulated ones: 0.5 not at all, 1 always. Imports scikit-learn.

A two-sample test: gradient-boosted trees learn on some runs and are scored on others, so that nothing is remembered. Per signal
they see its slots and how it moved between them; of a whole row they see all of its signals.

References:
    Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", ICLR 2017.

Axes: n window (of an entity, or of a host), S slot, F signal, G cluster (a run, or its twin), B resample.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold

from orderd.domain.faults import KINDS
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from ordertrainer.calibrate.recording import Cut, Flags, Floats, Run
from ordertrainer.calibrate.twins import Twin

ALL: Final = "(all of a row)"
HOST: Final = "host signals"
HEALTHY: Final = "in order"
FOLDS: Final = 3
TREES: Final = 40
LEAVES: Final = 8
LEAF_MIN: Final = 5
MISSING: Final = -1e9
"""What is missing is one more value, below all others."""
RESAMPLES: Final = 200
QUANTILES: Final = (2.5, 97.5)
RUNS_MIN: Final = 4
"""With fewer runs nothing is told of a class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Windows of one kind of thing.

    Attributes:
        values: [n, S, F].
        cluster: [n] int64 number of the run.
    """

    values: Floats
    cluster: NDArray[np.int64]

    def of(self, column: int) -> "Sample":
        """Return one signal of it."""
        return Sample(values=self.values[..., column : column + 1], cluster=self.cluster)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One figure.

    Attributes:
        state: ``in order``, or a failure class.
        kind: of the entity, or HOST.
        signal: or ALL.
        auc, low, high: and its 95 % interval from runs drawn again.
        windows, runs: recorded ones.
    """

    state: str
    kind: str
    signal: str
    auc: float
    low: float
    high: float
    windows: int
    runs: int


Pairs = Mapping[tuple[str, str], tuple[Sample, Sample]]
"""Recorded and simulated sample, by state and kind."""


def in_order(runs: Sequence[Run], cuts: Sequence[Cut], twin: Twin) -> Pairs:
    """Return what is measured of hosts in order, by kind."""
    cluster = np.array([n for n, each in enumerate(cuts) for _ in each.at], np.int64)
    host = np.concatenate([each.host for each in cuts])
    found = {(HEALTHY, HOST): (Sample(values=host, cluster=cluster), Sample(values=twin.host, cluster=cluster))}
    for number, kind in enumerate(KINDS):
        real = [_rows(run, each, kind) for run, each in zip(runs, cuts, strict=True)]
        owners = np.array([n for n, rows in enumerate(real) for _ in rows], np.int64)
        where = twin.present & (twin.kind == number)
        if len(owners) and where.any():
            simulated = Sample(values=twin.rows[where], cluster=np.repeat(cluster, where.sum(1)))
            found[HEALTHY, kind.value] = (Sample(values=np.concatenate(real), cluster=owners), simulated)
    return found


def _rows(run: Run, each: Cut, kind: str) -> Floats:
    """Return [m, S, F]: the rows of a kind in a run's windows."""
    mine = [n for n, entity in enumerate(run.entities) if entity.kind == kind]
    rows, there = each.rows[:, mine], run.present[each.at][:, mine]
    return rows[there]


def failing(runs: Sequence[Run], cuts: Sequence[Cut], twin: Twin) -> Pairs:
    """Return what failing entities show and their hosts measure, by failure class; decoys are the class ``ok``."""
    found: dict[tuple[str, str], tuple[Sample, Sample]] = {}
    cluster = np.array([n for n, each in enumerate(cuts) for _ in each.at], np.int64)
    places = np.arange(len(cluster))
    state = np.array([runs[n].label.failure.value for n in cluster])
    host, own, there = (
        np.concatenate([read(run, each) for run, each in zip(runs, cuts, strict=True)]) for read in (_host, _own, _measured)
    )
    theirs, shown = twin.rows[places, twin.slot], twin.present[places, twin.slot]
    kind = twin.kind[twin.slot]
    for name, number in sorted(set(zip(state.tolist(), kind.tolist(), strict=True))):
        mine = (state == name) & (kind == number)
        found[name, f"{HOST} ({KINDS[number]})"] = _pair(host, twin.host, cluster, mine, mine)
        if (there & mine).any() and (shown & mine).any():
            found[name, KINDS[number].value] = _pair(own, theirs, cluster, there & mine, shown & mine)
    return found


def _pair(real: Floats, twin: Floats, cluster: NDArray[np.int64], here: Flags, there: Flags) -> tuple[Sample, Sample]:
    return Sample(values=real[here], cluster=cluster[here]), Sample(values=twin[there], cluster=cluster[there])


def _host(_run: Run, each: Cut) -> Floats:
    return each.host


def _own(run: Run, each: Cut) -> Floats:
    return each.rows[:, run.failing] if run.failing is not None else np.full_like(each.rows[:, 0], np.nan)


def _measured(run: Run, each: Cut) -> Flags:
    return run.present[each.at, run.failing] if run.failing is not None else np.zeros(len(each.at), np.bool_)


def compare(pairs: Pairs, seed: int, tick: Callable[[float], None] = lambda _share: None) -> list[Cell]:
    """Return a figure for each signal that varies, and one for all of a row together.

    Args:
        pairs: what is compared.
        seed: of folds and resamples.
        tick: told the share that is done.
    """
    asked = [each for (state, kind), pair in pairs.items() for each in _asked(state, kind, *pair)]
    cells: list[Cell] = []
    for number, (state, kind, signal, real, simulated) in enumerate(asked):
        auc, low, high = tell_apart(real, simulated, seed)
        cells.append(
            Cell(
                state=state,
                kind=kind,
                signal=signal,
                auc=auc,
                low=low,
                high=high,
                windows=len(real.values),
                runs=len(set(real.cluster.tolist())),
            )
        )
        tick((number + 1) / len(asked))
    return cells


def _asked(state: str, kind: str, real: Sample, simulated: Sample) -> Iterator[tuple[str, str, str, Sample, Sample]]:
    """Yield what is to be compared: signals that are the same everywhere tell nothing, and classes with few runs neither.

    What a host with a failure measures is compared as a whole: which of its signals differ is told of hosts in order.
    """
    if min(len(set(each.cluster.tolist())) for each in (real, simulated)) < RUNS_MIN:
        return
    for column, signal in enumerate(HOST_SIGNALS if kind == HOST else () if kind.startswith(HOST) else ENTITY_SIGNALS):
        both = np.concatenate([real.values[..., column].ravel(), simulated.values[..., column].ravel()])
        if len(np.unique(both[~np.isnan(both)])) > 1 or _absence_differs(real, simulated, column):
            yield state, kind, signal.name, real.of(column), simulated.of(column)
    yield state, kind, ALL, real, simulated


def _absence_differs(real: Sample, simulated: Sample, column: int) -> bool:
    return bool(np.isnan(real.values[:, 0, column]).mean() != np.isnan(simulated.values[:, 0, column]).mean())


def tell_apart(real: Sample, simulated: Sample, seed: int) -> tuple[float, float, float]:
    """Return the area under the curve of a classifier on runs that it did not learn from, and its 95 % interval."""
    features = np.concatenate([_features(real.values), _features(simulated.values)])
    features = np.nan_to_num(features[:, ~np.isnan(features).all(0)], nan=MISSING)
    truth = np.concatenate([np.ones(len(real.values)), np.zeros(len(simulated.values))])
    cluster = np.concatenate([real.cluster, simulated.cluster])
    scores = np.zeros(len(truth))
    folds = min(FOLDS, len(set(real.cluster.tolist())), len(set(simulated.cluster.tolist())))
    for learn, ask in GroupKFold(folds, shuffle=True, random_state=seed).split(features, truth, cluster):
        if len(set(truth[learn].tolist())) < 2:  # noqa: PLR2004  both, or there is nothing to learn
            continue
        trees = HistGradientBoostingClassifier(
            max_iter=TREES,
            max_leaf_nodes=LEAVES,
            min_samples_leaf=LEAF_MIN,
            learning_rate=0.2,
            early_stopping=False,
            random_state=seed,
        )
        scores[ask] = trees.fit(features[learn], truth[learn]).decision_function(features[ask])
    return _with_interval(scores, truth, cluster, seed)


def _features(values: Floats) -> NDArray[np.float64]:
    """Return [n, ...]: the slots of each signal, and how it moved from each to the next."""
    steps = values[:, :-1] - values[:, 1:]
    return np.concatenate([values.reshape(len(values), -1), steps.reshape(len(values), -1)], 1).astype(np.float64)


def _with_interval(
    scores: NDArray[np.float64], truth: NDArray[np.float64], cluster: NDArray[np.int64], seed: int
) -> tuple[float, float, float]:
    """Return the area, and its interval when runs (each with its twin) are drawn again."""
    rng = np.random.default_rng(seed)
    names, place = np.unique(cluster, return_inverse=True)
    drawn = rng.integers(0, len(names), (RESAMPLES, len(names)))
    times = np.stack([np.bincount(each, minlength=len(names)) for each in drawn]).astype(np.float64)
    areas = area(scores, truth, np.concatenate([np.ones((1, len(names))), times])[:, place])
    low, high = np.nanpercentile(areas[1:], QUANTILES)
    return float(areas[0]), float(low), float(high)


def area(scores: NDArray[np.float64], truth: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return [B] areas under the curve for [n] scores and truths and [B, n] weights; equal scores count half."""
    values, place = np.unique(scores, return_inverse=True)
    sums = np.zeros((2, len(weights), len(values)))
    for label in (0, 1):
        mine = truth == label
        for number, each in enumerate(weights):
            sums[label, number] = np.bincount(place[mine], weights=each[mine], minlength=len(values))
    below = np.cumsum(sums[0], axis=1) - sums[0]
    wins = (sums[1] * (below + sums[0] / 2)).sum(1)
    pairs = sums[0].sum(1) * sums[1].sum(1)
    return np.divide(wins, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
