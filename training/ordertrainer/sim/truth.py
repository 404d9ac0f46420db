"""What is true of simulated hosts: labels for who learns to diagnose. Pure; imports torch.

The same rules as for recorded drills (`ordertrainer.dataset.labelling`): beside a failing entity, one that suffers from it is
neither ok nor failing, and what lies hidden behind another fault is not there yet for anybody to name.

Axes: N host, E slot, L lane.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from orderd.domain.faults import Failure
from ordertrainer.sim.catalogue import FAILURE_CLASSES
from ordertrainer.sim.signals import Observation
from ordertrainer.sim.state import State
from ordertrainer.sim.tables import Compiled, Tensors, some

IGNORE = -1
"""Class index of an entity that is not judged; as in ``ordertrainer.dataset``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth(Tensors):
    """What is wrong now.

    Attributes:
        failure: [N, E] int64, index into ``tuple(Failure)``; IGNORE where nothing is, where an entity only suffers, and for
            failures without a name.
        fault: [N, E] int64 row of the catalogue, K where nothing fails.
        age_s: [N, E] how long it has shown, 0 where nothing fails; gradual symptoms need some seconds before anybody sees them.
        wrong: [N] bool, something is wrong, hidden or not.
    """

    failure: Tensor
    fault: Tensor
    age_s: Tensor
    wrong: Tensor


def truth(world: Compiled, state: State, seen: Observation) -> Truth:
    """Return what is true of what is seen."""
    levels = state.levels
    failing = (state.lanes.front & state.known.sick).T
    fault = torch.full_like(seen.kind, world.no_fault)
    age_s = torch.zeros_like(fault, dtype=torch.float32)
    for lane in range(failing.shape[1]):
        here = torch.nn.functional.one_hot(levels.slot[:, lane], world.layout.slots).bool() & failing[:, lane, None]
        fault = torch.where(here, levels.fault[:, lane, None], fault)
        age_s = torch.where(here, (state.at_s - state.shows_s[lane])[:, None], age_s)
    failure = world.faults.failure[fault]
    unjudged = ~seen.present | (_suffers(state) & (fault == world.no_fault)) | (failure == FAILURE_CLASSES.index(Failure.UNKNOWN))
    return Truth(failure=failure.masked_fill(unjudged, IGNORE), fault=fault, age_s=age_s, wrong=some(state.lanes.sick))


def _suffers(state: State) -> Tensor:
    """Return [N, E] bool: what the entity rests on is broken."""
    ground = state.levels.rests_on.T[None]
    return some(state.lanes.breaks[:, None] & (state.known.slot[:, None] == ground)).T
