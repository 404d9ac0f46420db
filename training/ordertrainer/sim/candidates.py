"""Which repair may be tried on which entity, as orderd's own candidates and guard would have it. Pure; imports torch.

A repair may be tried where something of its kind is, its preconditions hold on the newest sample, nothing else runs, it was not
tried there in vain, and nobody announced that the entity is not to be touched. `orderd.decision.candidates` asks besides that the
diagnosis names a failure class of the repair; who diagnoses applies ``world.repairs.failures`` himself.

Axes: N host, E slot, R repair, F entity signal.
"""

import torch
from torch import Tensor

from ordertrainer.sim.signals import Observation, observe
from ordertrainer.sim.state import State
from ordertrainer.sim.tables import Compiled


def usable(world: Compiled, state: State, seen: Observation | None = None) -> Tensor:
    """Return [N, E, R] bool: what may be tried now.

    Args:
        world: the catalogue.
        state: of N hosts.
        seen: what orderd sees now; rendered when it is not given.
    """
    seen = seen or observe(world, state, (0.0,))
    kinds = world.slot_kind[:, None] == world.repairs.kind[:-1]
    may = seen.present & ~held(world, state) & state.idle[:, None]
    return world.repairs.preconditions.hold(seen.rows[:, :, 0]) & kinds & may[..., None] & ~tried(world, state)


def masks(world: Compiled, state: State, seen: Observation | None = None) -> Tensor:
    """Return [N, actions] bool: the actions that may be taken, WAIT among them always."""
    called = state.idle[:, None].expand(-1, 2)
    wait = torch.ones_like(called[:, :1])
    return torch.cat((usable(world, state, seen).flatten(1), wait, called), -1)


def tried(world: Compiled, state: State) -> Tensor:
    """Return [N, E, R] bool: what was tried in vain on an entity, for what fails there now."""
    attempts, width = state.attempts, world.no_repair + 1
    places = (attempts.slot.to(torch.int64) * width + attempts.repair).T
    table = torch.zeros(len(state), (world.layout.slots + 1) * width, device=places.device)
    table.scatter_add_(1, places, attempts.failed.T.to(torch.float32))
    return table.view(len(state), -1, width)[:, :-1, :-1] > 0


def outcomes(world: Compiled, state: State) -> Tensor:
    """Return [N, E, R] int64: how each repair ended on each entity when it was tried, 0 where it was not (`attempts.How`).

    For what decides: what was tried in this incident and how it ended. Of two endings the less hopeful one is told.
    """
    attempts, width = state.attempts, world.no_repair + 1
    places = (attempts.slot.to(torch.int64) * width + attempts.repair).T
    table = torch.zeros(len(state), (world.layout.slots + 1) * width, dtype=torch.int64, device=places.device)
    table = table.scatter_reduce(1, places, attempts.how.T.to(torch.int64), "amax")
    return table.view(len(state), -1, width)[:, :-1, :-1]


def held(world: Compiled, state: State) -> Tensor:
    """Return [N, E] bool: announced to orderd."""
    told = (state.lanes.front & state.known.held).T.to(torch.float32)
    table = torch.zeros(len(state), world.layout.slots, device=told.device)
    return table.scatter_add_(1, state.levels.slot, told) > 0
