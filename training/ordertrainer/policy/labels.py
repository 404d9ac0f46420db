"""What is right to do at a moment, and what is true of it. Pure; imports torch.

The expert (`ordertrainer.sim.policies.expert`) names one right action. Where two things can be repaired, both are right, and a
network that has to guess which of them the expert begins with learns nothing by it: so all right actions are told.

Axes: N host, L lane, D cure, E slot, R repair.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from orderd.domain.faults import Failure
from ordertrainer.sim.catalogue import FAILURE_CLASSES
from ordertrainer.sim.signals import Observation
from ordertrainer.sim.state import State
from ordertrainer.sim.tables import Compiled, Tensors
from ordertrainer.sim.truth import truth
from ordertrainer.sim.world import hopeless

UNKNOWN = FAILURE_CLASSES.index(Failure.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels(Tensors):
    """What training aims at.

    Attributes:
        right: [N, L] int64 actions, any of which is right; the same one several times where there are fewer.
        failure: [N, E] int64, index into ``tuple(Failure)``, UNKNOWN among them; IGNORE where an entity is not judged.
        wrong: [N] bool, something is wrong on the host.
    """

    right: Tensor
    failure: Tensor
    wrong: Tensor


def labels(world: Compiled, state: State, seen: Observation, may: Tensor) -> Labels:
    """Return what is right and true now.

    Args:
        world: the catalogue.
        state: of N hosts.
        seen: what orderd sees of them.
        may: [N, E, R] bool, what may be tried now (`candidates.usable`).
    """
    told = truth(world, state, seen)
    nameless = (world.faults.failure[told.fault] == UNKNOWN) & seen.present
    return Labels(right=right_actions(world, state, may), failure=told.failure.masked_fill(nameless, UNKNOWN), wrong=told.wrong)


def right_actions(world: Compiled, state: State, may: Tensor) -> Tensor:
    """Return [N, L] int64: of each fault that can be repaired now the least dangerous cure, or else what is right instead.

    The action of ``policies.expert`` is always among them.
    """
    now, slots = state.lanes, state.levels.slot
    cure = world.faults.cure[state.levels.fault]
    places = slots[..., None] * world.no_repair + cure.clamp(max=world.no_repair - 1)
    possible = may.flatten(1).gather(1, places.flatten(1)).view(places.shape) & (cure < world.no_repair)
    grounded = now.front & now.sick & ~(now.breaks[:, None] & state.known.beneath).any(0)
    possible &= grounded.T[..., None]
    least = places.gather(2, possible.to(torch.int8).argmax(-1, keepdim=True))[..., 0]
    some = possible.any(-1)
    otherwise = torch.where(hopeless(state) & state.idle, world.escalate, world.wait)
    first = least.gather(1, some.to(torch.int8).argmax(-1, keepdim=True))
    instead = torch.where(some.any(-1, keepdim=True), first, otherwise[:, None])
    return torch.where(some, least, instead)
