"""Fits, compares and tells: one report of plain values, stage by stage. Reads a data directory; imports torch.

A report grows from stage to stage, so that who interrupts keeps what was found.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from orderd.catalogue import load_repairs
from orderd.domain.faults import KINDS
from ordertrainer import heldout
from ordertrainer.calibrate import difficulty, gap
from ordertrainer.calibrate.errors import CalibrationError
from ordertrainer.calibrate.recording import Cut, Run, cut, read_runs
from ordertrainer.calibrate.twins import layout_of, most_of, simulate
from ordertrainer.chaos.catalogue import load_faults
from ordertrainer.chaos.contract import FaultContract
from ordertrainer.dataset import Label, digest
from ordertrainer.heldout import HeldOut, Part
from ordertrainer.sim import Layout, load_compiled
from ordertrainer.sim.catalogue import PLAYBOOKS
from ordertrainer.sim.fitted import Fitted

FITTED_TO: Final = "train"
TOLD_OF: Final = "tune"
CALM_CUTS: Final = 4
BROKEN_CUTS: Final = 6
"""Windows of each run, evenly spread over its time in order and its time with the fault."""
SETTLED_S: Final = 1.0
"""Windows that end sooner after a run began show nothing but its first sample."""
HOSTS_PER_FAULT: Final = 4

Report = dict[str, Any]
Tick = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What calibration works with.

    Attributes:
        sha256: of the data set.
        contracts: of faults, by name.
        held: the locked split.
        train, tune: runs to fit to, and those of which the gap is told.
    """

    sha256: str
    contracts: Mapping[str, FaultContract]
    held: HeldOut
    train: Sequence[Run]
    tune: Sequence[Run]


def read(root: Path) -> Recording:
    """Return the runs of a data directory that calibration may see.

    Raises:
        DatasetError: the directory cannot be used.
        CalibrationError: a split has no runs.
    """
    contracts, held = load_faults(PLAYBOOKS / "faults").faults, heldout.load()

    def may(*parts: Part) -> Callable[[Label], bool]:
        return lambda label: not label.fault or held.part(label.fault) in parts

    train = read_runs(root, FITTED_TO, contracts, may(Part.TRAIN))
    tune = read_runs(root, TOLD_OF, contracts, may(Part.TRAIN, Part.TUNE))
    for split, runs in ((FITTED_TO, train), (TOLD_OF, tune)):
        if not runs:
            raise CalibrationError(f"{root}: no runs of the split {split!r}; `ordertrainer collect --split {split}` adds some")
    return Recording(sha256=digest(root), contracts=contracts, held=held, train=train, tune=tune)


def describe(recording: Recording) -> Report:
    """Return what was read, and whether simulated hosts have room for it."""
    most, room = most_of(recording.train), Layout()
    return {
        "sha256": recording.sha256,
        "splits": {split: _counts(runs) for split, runs in ((FITTED_TO, recording.train), (TOLD_OF, recording.tune))},
        "entities": {kind.value: {"recorded": most[kind], "simulated": room.count(kind)} for kind in KINDS},
    }


def _counts(runs: Sequence[Run]) -> dict[str, int]:
    return {
        "runs": len(runs),
        "hosts": len({run.label.host_id for run in runs}),
        "samples": sum(len(run.at_s) for run in runs),
        "calm_s": sum(int((run.calm & run.timed).sum()) for run in runs),
    }


def gaps(recording: Recording, fitted: Fitted | None, seed: int, tick: Callable[[float], None]) -> list[dict[str, Any]]:
    """Return how well recorded hosts of the split ``tune`` can be told from simulated ones, figure by figure.

    Args:
        recording: what was recorded.
        fitted: what the simulator has learnt; None: what people wrote down.
        seed: of hosts, folds and resamples.
        tick: told the share that is done.
    """
    world = load_compiled(layout=layout_of(recording.tune), fitted=fitted)
    world = replace(world, recorded_share=1.0 if fitted else 0.0)
    runs, calm = _cuts(recording.tune, CALM_CUTS, broken=False)
    ill, broken = _cuts(recording.tune, BROKEN_CUTS, broken=True)
    pairs = gap.in_order(runs, calm, simulate(world, runs, calm, seed))
    pairs |= gap.failing(ill, broken, simulate(world, ill, broken, seed + 1))
    return [asdict(cell) for cell in gap.compare(pairs, seed, tick)]


def _cuts(runs: Sequence[Run], count: int, *, broken: bool) -> tuple[list[Run], list[Cut]]:
    """Return runs that have such windows, and at most so many windows of each."""
    chosen: list[Run] = []
    cuts: list[Cut] = []
    for run in runs:
        where = run.broken if broken else run.calm & (run.at_s >= SETTLED_S)
        places = np.flatnonzero(where & run.timed)
        if len(places):
            chosen.append(run)
            cuts.append(cut(run, places[np.unique(np.linspace(0, len(places) - 1, count).round().astype(int))].tolist()))
    return chosen, cuts


def hardness(
    recording: Recording, results: Sequence[Path], *, fitted: Fitted | None, seed: int, tick: Callable[[float], None]
) -> Report:
    """Return how hard faults are in drills and for the same rules in the simulator, and whether the two agree.

    Faults that are kept for the final test are not looked at.

    Args:
        recording: says which those are.
        results: of drills.
        fitted: what the simulator has learnt, if anything.
        seed: of hosts and resamples.
        tick: told the share that is done.

    Raises:
        CalibrationError: there are no results, or too few faults.
    """
    world = load_compiled(fitted=fitted)
    visible = dict(zip(world.fault_names, world.faults.visible.tolist(), strict=False))
    real = difficulty.drilled(results)
    real = {name: each for name, each in real.items() if visible.get(name) and recording.held.part(name) is not Part.HELD}
    repairs = load_repairs(PLAYBOOKS / "repairs").repairs
    sim = difficulty.simulated(world, repairs, sorted(real), hosts=HOSTS_PER_FAULT, seed=seed, tick=tick)
    return {
        "agreements": [asdict(each) for each in difficulty.agreements(real, sim, seed)],
        "faults": {name: {"drilled": asdict(real[name]), "simulated": asdict(sim[name])} for name in sorted(real)},
    }
