"""How hard each fault is, drilled and simulated, and whether the two agree on the order. Imports torch.

    drilled    seconds from the landing to the repair in a drill's results, or to the end of patience where nothing was repaired
    simulated  the same for orderd's rules in the simulator, a mean over hosts; and the share of hosts that were repaired

References:
    Spearman's rank correlation; intervals from faults drawn again.
"""

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from orderd.domain.repairs import Repair
from ordertrainer.calibrate.errors import CalibrationError
from ordertrainer.sim import Compiled, Shares, Simulator, Uniform
from ordertrainer.sim.levels import NEVER_S, Levels, concatenate
from ordertrainer.sim.policies import Rules

PATIENCE_S: Final = 60.0
"""Where a drill, or a simulated host, stands for good."""
RESAMPLES: Final = 2000
QUANTILES: Final = (2.5, 97.5)
FAULTS_MIN: Final = 5
REPAIRED: Final = "repaired"
JUDGED: Final = frozenset({REPAIRED, "failed", "escalated", "not_seen"})

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardness:
    """How hard one fault is: mean seconds until it is repaired, and the share of runs or hosts in which it is."""

    seconds: float
    repaired: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A rank correlation with its 95 % interval, over so many faults."""

    what: str
    rho: float
    low: float
    high: float
    faults: int


def drilled(files: Sequence[Path]) -> dict[str, Hardness]:
    """Return how hard faults were in drills; decoys and faults that never landed are left out.

    Args:
        files: results of drills, as `ordertrainer drill` writes them.

    Raises:
        CalibrationError: a file is none of these.
    """
    seconds: dict[str, list[float]] = {}
    for file in files:
        for run in _runs(file):
            if run["landed"] and not run["decoy"] and run["outcome"] in JUDGED:
                repaired = run["seconds"]["repaired"] if run["outcome"] == REPAIRED else None
                seconds.setdefault(run["fault"], []).append(PATIENCE_S if repaired is None else min(repaired, PATIENCE_S))
    return {fault: _hardness(np.array(each)) for fault, each in seconds.items()}


def _runs(file: Path) -> Sequence[Mapping[str, Any]]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))["runs"]
    except OSError as error:
        raise CalibrationError(f"{file}: {error.strerror}; `ordertrainer drill` writes such results") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CalibrationError(f"{file}: no results of a drill; give the drill.json of `ordertrainer drill`") from error


def _hardness(seconds: Numbers) -> Hardness:
    return Hardness(seconds=float(seconds.mean()), repaired=float((seconds < PATIENCE_S).mean()))


def simulated(
    world: Compiled,
    repairs: Mapping[str, Repair],
    faults: Collection[str],
    *,
    hosts: int,
    seed: int,
    tick: Callable[[float], None] = lambda _share: None,
) -> dict[str, Hardness]:
    """Return how hard faults are for orderd's rules.

    Args:
        world: the catalogue.
        repairs: by name.
        faults: to try.
        hosts: for each.
        seed: of the hosts.
        tick: told the share that is done.
    """
    draw = torch.Generator().manual_seed(seed)
    levels = concatenate([_alone(world, fault, hosts, draw) for fault in faults])
    sim = Simulator(world, hosts=len(levels), seed=seed)
    sim.begin(torch.arange(len(levels)), levels)
    repaired_s = torch.full((len(levels),), PATIENCE_S)
    rules, lasts_s = Rules(repairs), int(PATIENCE_S)
    for second in range(1, lasts_s + 1):
        outcome = sim.step(rules.act(sim, sim.observe()))
        repaired_s = torch.where(outcome.cured > 0, repaired_s.clamp(max=float(second)), repaired_s)
        sim.state.busy_until_s.masked_fill_(outcome.done | (outcome.cured > 0), NEVER_S)
        tick(second / lasts_s)
    seconds = repaired_s.view(len(faults), hosts).numpy().astype(np.float64)
    return {name: _hardness(each) for name, each in zip(faults, seconds, strict=True)}


def _alone(world: Compiled, fault: str, hosts: int, draw: torch.Generator) -> Levels:
    """Return hosts on which one fault lands at once, and nothing else."""
    only = torch.zeros(world.no_fault, dtype=torch.bool)
    only[world.fault_names.index(fault)] = True
    shares = Shares(quiet=0.0, decoy=0.0, single=1.0, pair=0.0, buried=0.0, beside=0.0)
    levels = Uniform(world, shares=shares, faults=only).draw(hosts, draw)
    return replace(levels, onset_s=torch.where(levels.onset_s < NEVER_S, 0.0, NEVER_S))


def agreements(real: Mapping[str, Hardness], sim: Mapping[str, Hardness], seed: int) -> list[Agreement]:
    """Return how well drills and simulator agree on the order of faults, by seconds, and by share repaired.

    Raises:
        CalibrationError: there are too few faults that both know.
    """
    names = sorted(set(real) & set(sim))
    if len(names) < FAULTS_MIN:
        raise CalibrationError(f"{len(names)} faults were both drilled and simulated, at least {FAULTS_MIN} tell an order")
    both = [name for name in names if real[name].repaired and sim[name].repaired]
    asked = {
        "seconds to repair": (names, "seconds"),
        "share repaired": (names, "repaired"),
        "seconds, where both repair": (both, "seconds"),
    }
    found = [
        _agreement(what, *(np.array([getattr(of[name], field) for name in mine]) for of in (real, sim)), seed)
        for what, (mine, field) in asked.items()
        if len(mine) >= FAULTS_MIN
    ]
    return [each for each in found if each is not None]


def _agreement(what: str, real: Numbers, sim: Numbers, seed: int) -> Agreement | None:
    """Return the correlation, None where one side finds all faults equally hard."""
    if math.isnan(rho := spearman(real, sim)):
        return None
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(real), (RESAMPLES, len(real)))
    again = [each for each in (spearman(real[some], sim[some]) for some in drawn) if not math.isnan(each)]
    low, high = np.percentile(again, QUANTILES).tolist() if again else (-1.0, 1.0)
    return Agreement(what=what, rho=rho, low=low, high=high, faults=len(real))


def spearman(one: Numbers, other: Numbers) -> float:
    """Return the correlation of ranks, equal values sharing theirs; NaN where one side is all equal."""
    first, second = (_ranks(each) for each in (one, other))
    if first.std() == 0.0 or second.std() == 0.0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: Numbers) -> Numbers:
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")) / 2
