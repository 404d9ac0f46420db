"""Recorded runs -> simulated hosts: the same entities, the same fault, as strong and as long ago. Imports torch.

Of every recorded run there is one simulated host, of which windows are cut at the same moments. So both sets have the same
clusters, and what is missing of old slots is missing in both.

Axes: R run, n window, S slot of the window, E entity slot, H host signal, F entity signal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from orderd.domain.faults import KINDS, EntityKind
from orderd.domain.signals import ENTITY_INDEX
from ordertrainer.calibrate.recording import Cut, Floats, Run
from ordertrainer.sim import Compiled, Layout, Shares, Uniform, begin, observe
from ordertrainer.sim.baseline import draw
from ordertrainer.sim.levels import NEVER_S, Levels

_OK: Final = ENTITY_INDEX["probe_ok_ratio"]
CORES: Final = 2.0
"""Of disposable hosts; telemetry does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """Windows of simulated hosts, in the order of the recorded ones.

    Attributes:
        host: [n, S, H], NaN where the recorded window had no sample yet.
        rows: [n, E, S, F] likewise.
        kind: [E] int64 kind index of each slot.
        present: [n, E] bool.
        slot: [n] int64, where the fault is.
    """

    host: Floats
    rows: Floats
    kind: NDArray[np.int64]
    present: NDArray[np.bool_]
    slot: NDArray[np.int64]


def layout_of(runs: Sequence[Run]) -> Layout:
    """Return a layout in which every recorded host has room."""
    most = most_of(runs)
    return Layout(
        units=most[EntityKind.UNIT] + 1,
        mounts=max(1, most[EntityKind.MOUNT]),
        processes=most[EntityKind.PROCESS] + 1,
        nics=max(1, most[EntityKind.NIC]),
    )


def most_of(runs: Sequence[Run]) -> dict[EntityKind, int]:
    """Return how many entities of each kind any host had at once."""
    return {kind: max((_count(run, kind) for run in runs), default=0) for kind in KINDS}


def _count(run: Run, kind: str) -> int:
    """Return how many entities of a kind a run had at once."""
    mine = [n for n, entity in enumerate(run.entities) if entity.kind == kind]
    return int(run.present[:, mine].sum(1).max()) if mine else 0


def simulate(world: Compiled, runs: Sequence[Run], cuts: Sequence[Cut], seed: int) -> Twin:
    """Return windows of one simulated host for each run.

    Args:
        world: the catalogue, in a layout in which every host has room.
        runs: R recorded runs.
        cuts: the windows that were cut of each.
        seed: of the hosts.
    """
    levels, which = _levels(world, runs, seed), torch.tensor([n for n, each in enumerate(cuts) for _ in each.at])
    at_s = torch.tensor([float(run.at_s[at]) for run, each in zip(runs, cuts, strict=True) for at in each.at])
    mine = levels.take(which)
    mine = replace(mine, there=_processes(world, mine, runs, cuts))
    seen = observe(world, replace(begin(world, mine), at_s=at_s))
    shown = torch.from_numpy(np.concatenate([each.seen for each in cuts]))
    return Twin(
        host=torch.where(shown[..., None], seen.host, torch.nan).numpy(),
        rows=torch.where(shown[:, None, :, None], seen.rows, torch.nan).numpy(),
        kind=world.slot_kind.numpy(),
        present=seen.present.numpy(),
        slot=mine.slot[:, 0].numpy(),
    )


def _levels(world: Compiled, runs: Sequence[Run], seed: int) -> Levels:
    """Return the level of each run's twin: an ordinary host on which at most the run's fault happens."""
    count, generator = len(runs), torch.Generator().manual_seed(seed)
    calm = Uniform(world, shares=Shares(quiet=1.0, decoy=0.0, single=0.0, pair=0.0, buried=0.0)).draw(count, generator)
    fault = torch.tensor([_row(world, run) for run in runs])
    slot = _slots(world, fault, runs, calm)
    onset_s = torch.tensor([run.landed_s if fault < world.no_fault else NEVER_S for run, fault in zip(runs, fault, strict=True)])
    there = torch.zeros_like(calm.there)
    for kind in (kind for kind in KINDS if kind is not EntityKind.PROCESS):
        first = world.layout.first(kind)
        for n, run in enumerate(runs):
            there[n, first : first + _count(run, kind)] = True
    there = there.scatter(1, slot, torch.ones_like(slot, dtype=torch.bool))

    def everywhere(value: float) -> Tensor:
        return torch.full((count,), value)

    return replace(
        calm,
        fault=torch.cat((fault[:, None], calm.fault[:, 1:]), 1),
        slot=torch.cat((slot, calm.slot[:, 1:]), 1),
        intensity=torch.cat((torch.tensor([[run.x] for run in runs], dtype=torch.float32), calm.intensity[:, 1:]), 1),
        onset_s=torch.cat((onset_s[:, None], calm.onset_s[:, 1:]), 1),
        ends_s=torch.full_like(calm.ends_s, NEVER_S),
        there=there,
        rests_on=torch.full_like(calm.rests_on, world.layout.slots),
        cores=everywhere(CORES),
        noise=everywhere(1.0),
        flaky=everywhere(0.0),
        pace=everywhere(1.0),
        slow=everywhere(1.0),
        seen_from_s=everywhere(-NEVER_S),
    )


def _row(world: Compiled, run: Run) -> int:
    return world.fault_names.index(run.label.fault) if run.label.fault in world.fault_names else world.no_fault


def _slots(world: Compiled, fault: Tensor, runs: Sequence[Run], calm: Levels) -> Tensor:
    """Return [R, 1] where each fault happens: the first slot of its kind, of units the first that is probed as that one is."""
    first = torch.tensor([world.layout.first(kind) for kind in KINDS])[world.faults.kind[fault].clamp(min=0)]
    units = world.layout.span(EntityKind.UNIT)
    probed = ~torch.isnan(draw(world, calm)[0][:, units, _OK])
    wanted = torch.tensor([_is_probed(run) for run in runs])[:, None]
    alike = units.start + (probed == wanted).to(torch.int8).argmax(1)
    first = torch.where(world.faults.kind[fault] == KINDS.index(EntityKind.UNIT), alike, first)
    return torch.where(world.faults.serves_names[fault], world.layout.resolver_unit, first)[:, None]


def _is_probed(run: Run) -> bool:
    return run.failing is not None and not bool(np.isnan(run.rows[:, run.failing, _OK]).all())


def _processes(world: Compiled, levels: Levels, runs: Sequence[Run], cuts: Sequence[Cut]) -> Tensor:
    """Return [n, E]: as many processes stand out as in each recorded window, the fault's own one not counted."""
    there, span = levels.there.clone(), world.layout.span(EntityKind.PROCESS)
    there[:, span] = False
    counts = [_others(run, int(at)) for run, each in zip(runs, cuts, strict=True) for at in each.at]
    for n, count in enumerate(counts):
        there[n, span.start + 1 : span.start + 1 + count] = True
    return there


def _others(run: Run, at: int) -> int:
    """Return how many processes stand out in a sample that the run's fault did not start."""
    places = (n for n, entity in enumerate(run.entities) if entity.kind is EntityKind.PROCESS and n != run.failing)
    return sum(bool(run.present[at, n]) for n in places)
