"""Broken seconds -> when signals show a fault, and how strongly. Pure but for the simulator's tables.

What the simulator says of a fault's signals is taken as the shape; fitted is when it begins (by failure class, as it depends on
how often orderd looks) and by what factor it is stronger or faster (by fault, and by class). What it does not say, `gap` finds.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orderd.domain.faults import Failure
from orderd.domain.signals import ENTITY_INDEX, HOST_INDEX
from ordertrainer.calibrate.recording import Run
from ordertrainer.chaos import FaultContract
from ordertrainer.sim.effects import Effect
from ordertrainer.sim.fitted import Onset, Strength
from ordertrainer.sim.symptoms import looks_of

RUNS_MIN: Final = 3
"""Fewer tell nothing of a fault or a class."""
SAMPLES_MIN: Final = 3
"""In a run, to tell how fast something grows."""
SETTLED_S: Final = 2.0
"""From so long after the landing on, levels are read."""
SPAN: Final = (0.1, 0.9)
"""Between these shares of all onsets a class is said to begin."""
SPREAD_MAX_S: Final = 5.0
"""Onsets further apart are no matter of the class."""
FAULTS_MIN: Final = 2
"""Fewer faults tell nothing of their class."""
AGREE: Final = 3.0
"""Faults of a class whose factors differ more have none in common."""
FACTOR_MAX: Final = 20.0
CONTENDED: Final = frozenset(
    {
        "process_cpu_user_cores",
        "process_cpu_system_cores",
        "cpu_user_ratio",
        "cpu_system_ratio",
        "cpu_iowait_ratio",
        "load_per_core",
        "pressure_cpu_ratio",
        "pressure_memory_ratio",
        "pressure_io_ratio",
    }
)
"""How strongly these show a fault is a matter of who else wanted the processor and the disk while it was recorded."""
LEAST: Final = 1e-6
DIGITS: Final = 3

Numbers = NDArray[np.float64]
Factors = tuple[float | None, float | None]
"""Of level and of rate, where a run tells them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """One signal that the simulator moves, in one run.

    Attributes:
        name: of the signal.
        effect: what the simulator says.
        x: intensity.
        age_s: [n] since the landing.
        values: [n]
        before: what it measured in order, NaN where nobody did.
    """

    name: str
    effect: Effect
    x: float
    age_s: Numbers
    values: Numbers
    before: float

    def between(self, ends: tuple[float, float]) -> float:
        return ends[0] + (ends[1] - ends[0]) * self.x

    @property
    def grows(self) -> bool:
        return self.effect.rate != (0.0, 0.0) and self.effect.own > 0.0


def onsets(runs: Sequence[Run], contracts: Mapping[str, FaultContract]) -> dict[str, dict[str, Onset]]:
    """Return from when on signals show a fault, by failure class and signal."""
    found: dict[str, dict[str, list[float | None]]] = defaultdict(lambda: defaultdict(list))
    for run in _broken(runs, contracts):
        for shown in _own(run, contracts[run.label.fault]):
            if not shown.effect.cyclic and shown.effect.rate == (0.0, 0.0):
                found[contracts[run.label.fault].failure][shown.name].append(_onset_s(shown))
    return {failure: said for failure, signals in sorted(found.items()) if (said := _told(signals))}


def _told(signals: Mapping[str, list[float | None]]) -> dict[str, Onset]:
    """Return the onsets of signals that moved in most of at least RUNS_MIN runs."""
    seen = {name: [at for at in all_of if at is not None] for name, all_of in signals.items()}
    told = {name: ats for name, ats in seen.items() if len(ats) >= max(RUNS_MIN, len(signals[name]) / 2)}
    quantiles = {name: np.quantile(ats, SPAN).round(2).tolist() for name, ats in sorted(told.items())}
    agreed = {name: ends for name, ends in quantiles.items() if ends[1] - ends[0] <= SPREAD_MAX_S}
    return {name: Onset(earliest_s=low, latest_s=high) for name, (low, high) in agreed.items()}


def _onset_s(shown: _Shown) -> float | None:
    """Return the middle between the last sample that did not show it and the first that did."""
    level = shown.between(shown.effect.level) + (shown.effect.own * shown.before if shown.effect.own else 0.0)
    if np.isnan(level):
        shows = np.isnan(shown.values)
    elif np.isnan(shown.before) or abs(level - shown.before) < LEAST:
        return None
    else:
        shows = np.abs(shown.values - level) < np.abs(shown.values - shown.before)
        shows |= (shown.values - level) * np.sign(level - shown.before) > 0  # beyond what was expected
    where = np.flatnonzero(shows)
    if not len(where):
        return None
    last = shown.age_s[where[0] - 1] if where[0] else 0.0
    return float((max(0.0, last) + shown.age_s[where[0]]) / 2)


def strengths(runs: Sequence[Run], contracts: Mapping[str, FaultContract]) -> dict[str, dict[str, Strength]]:
    """Return how much stronger or faster than the simulator says signals show faults, by fault and signal."""
    found: dict[str, dict[str, list[Factors]]] = defaultdict(lambda: defaultdict(list))
    for run in _broken(runs, contracts):
        contract = contracts[run.label.fault]
        for shown in _own(run, contract):
            found[contract.name][shown.name].append(_factors(shown))
        for shown in _host(run, contract):
            found[contract.name][shown.name].append((_risen(shown), None))
    return {fault: said for fault, signals in sorted(found.items()) if (said := _strengths(signals))}


def class_strengths(runs: Sequence[Run], contracts: Mapping[str, FaultContract]) -> dict[str, dict[str, Strength]]:
    """Return the same by failure class, of what fails, where several faults of it agree; a failure without a name is no class."""
    found: dict[str, dict[str, list[Factors]]] = defaultdict(lambda: defaultdict(list))
    faults: dict[tuple[str, str], set[str]] = defaultdict(set)
    for run in _broken(runs, contracts):
        contract = contracts[run.label.fault]
        if contract.failure not in {Failure.OK, Failure.UNKNOWN}:
            for shown in _own(run, contract):
                factors = _factors(shown)
                found[contract.failure.value][shown.name].append(factors)
                if factors != (None, None):
                    faults[contract.failure.value, shown.name].add(contract.name)
    agreed = {
        failure: {name: each for name, each in signals.items() if len(faults[failure, name]) >= FAULTS_MIN and _agree(each)}
        for failure, signals in sorted(found.items())
    }
    return {failure: said for failure, signals in agreed.items() if (said := _strengths(signals))}


def _agree(factors: Sequence[Factors]) -> bool:
    """Tell whether all runs of a class say about the same."""
    told = [[factor for factor in each if factor is not None] for each in zip(*factors, strict=True)]
    spans = [np.quantile(each, SPAN) for each in told if each]
    return all(high <= AGREE * low for low, high in spans)


def _strengths(signals: Mapping[str, list[Factors]]) -> dict[str, Strength]:
    said: dict[str, Strength] = {}
    for name, factors in sorted((name, each) for name, each in signals.items() if name not in CONTENDED):
        levels, rates = ([factor for factor in each if factor is not None] for each in zip(*factors, strict=True))
        level, rate = (_middle(each) if len(each) >= RUNS_MIN else 1.0 for each in (levels, rates))
        if (level, rate) != (1.0, 1.0):
            said[name] = Strength(level=level, rate=rate)
    return said


def _middle(factors: Sequence[float]) -> float:
    return float(f"{np.clip(np.median(factors), 0.0, FACTOR_MAX):.{DIGITS}g}")


def _factors(shown: _Shown) -> Factors:
    """Return by what the level, or the rate of growth, is to be multiplied; None where this run does not tell."""
    if shown.grows:
        rate = shown.between(shown.effect.rate)
        measured = _growth(shown)
        return None, None if measured is None or rate <= 0.0 else measured / rate
    level = shown.between(shown.effect.level) + (shown.effect.own * shown.before if shown.effect.own else 0.0)
    settled = shown.values[(shown.age_s >= SETTLED_S) & ~np.isnan(shown.values)]
    flag = shown.name.endswith("_ratio") and level in {0.0, 1.0}
    if flag or not len(settled) or not level > LEAST or shown.effect.cyclic or shown.effect.rate != (0.0, 0.0):
        return None, None
    return float(np.median(settled)) / level, None


def _growth(shown: _Shown) -> float | None:
    """Return how fast it grew at most from what it was; what was there with the landing grew within a second."""
    there = ~np.isnan(shown.values)
    if np.isnan(shown.before) or there.sum() < SAMPLES_MIN:
        return None
    return max(0.0, float(((shown.values - shown.before)[there] / np.maximum(shown.age_s[there], 1.0)).max()))


def _risen(shown: _Shown) -> float | None:
    """Return how much a host signal rose, as a share of what the simulator adds to it."""
    expected, where = shown.between(shown.effect.level), ~np.isnan(shown.values) & (shown.age_s >= 1.0)
    if np.isnan(shown.before) or not where.any() or not expected > LEAST:
        return None
    return max(0.0, float((shown.values - shown.before)[where].mean()) / expected)


def _broken(runs: Sequence[Run], contracts: Mapping[str, FaultContract]) -> Iterator[Run]:
    return (run for run in runs if run.broken.any() and run.label.fault in contracts)


def _own(run: Run, contract: FaultContract) -> Iterator[_Shown]:
    """Yield what the failing entity shows; where it is not measured at all, it shows what is missing."""
    if (entity := run.failing) is None:
        return
    for name, effect in looks_of(contract).own.items():
        values = run.rows[:, entity, ENTITY_INDEX[name]].astype(np.float64)
        yield _shown(run, name, effect, values, run.broken & run.present[:, entity])


def _host(run: Run, contract: FaultContract) -> Iterator[_Shown]:
    for name, effect in looks_of(contract).host.items():
        yield _shown(run, name, effect, run.host[:, HOST_INDEX[name]].astype(np.float64), run.broken & run.timed)


def _shown(run: Run, name: str, effect: Effect, values: Numbers, where: NDArray[np.bool_]) -> _Shown:
    calm = values[run.calm & ~np.isnan(values)]
    return _Shown(
        name=name,
        effect=effect,
        x=run.x,
        age_s=run.at_s[where] - run.landed_s,
        values=values[where],
        before=float(np.median(calm)) if len(calm) else np.nan,
    )
