"""A network as something that acts. Imports torch.

What a network says of single actions is added up by what they are: wait, say that all is well, call a person, or repair. The
likeliest of these is done, and of repairs the likeliest. So ten playbooks that share a probability of 0.8 do not lose against a
person with 0.2: which of them it is can be found out by trying.

Axes: N host, E slot, R repair.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from ordertrainer.nets.policy import OTHERS, Inputs, PolicyNet
from ordertrainer.policy.decisions import unmet
from ordertrainer.sim.candidates import outcomes
from ordertrainer.sim.signals import Observation
from ordertrainer.sim.simulator import Simulator
from ordertrainer.sim.state import State
from ordertrainer.sim.tables import Compiled

BATCH: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """How sure a network has to be.

    Attributes:
        repair_min: of "some repair is right" before the likeliest is tried.
        call_min: of "a person is right" before one is called, since that ends the episode.
    """

    repair_min: float = 0.5
    call_min: float = 0.5


class Network:
    """A policy network in the simulator."""

    def __init__(self, net: PolicyNet, contracts: Tensor, care: Care | None = None) -> None:
        """Act by a network.

        Args:
            net: in evaluation mode.
            contracts: [R, C] of the catalogue's repairs, in its order (`catalogue_contracts`).
            care: how sure it has to be.
        """
        self._net, self._contracts, self._care = net, contracts, care or Care()

    def act(self, sim: Simulator, seen: Observation) -> Tensor:
        """Decide for every host that nothing is being done on; the others wait."""
        mask = sim.masks(seen)
        actions = torch.full((len(mask),), sim.compiled.wait, device=mask.device)
        idle = sim.state.idle.nonzero()[:, 0]
        if len(idle):
            actions[idle] = self.choose(self.probabilities(sim.compiled, sim.state, seen, mask, idle))
        return actions

    def choose(self, probability: Tensor) -> Tensor:
        """Return [n] actions for [n, actions] probabilities."""
        return decide(probability, self._care)

    def probabilities(self, world: Compiled, state: State, seen: Observation, mask: Tensor, where: Tensor) -> Tensor:
        """Return [n, actions] for [n] hosts."""
        tried = outcomes(world, state)
        with torch.inference_mode():
            return torch.cat([self._of(world, seen, tried, mask, part) for part in where.split(BATCH)])

    def _of(self, world: Compiled, seen: Observation, tried: Tensor, mask: Tensor, where: Tensor) -> Tensor:
        missed = unmet(world, seen.rows)
        parts = (each.index_select(0, where) for each in (seen.host, seen.rows, seen.kind, seen.present, tried, missed))
        return self._net.logits(Inputs(*parts, self._contracts, mask.index_select(0, where))).action.softmax(-1)


def decide(probability: Tensor, care: Care) -> Tensor:
    """Return [n] int64 actions for [n, actions] probabilities, the last three of which are WAIT, STOP and ESCALATE."""
    wait = probability.shape[1] - OTHERS
    some = probability[:, :wait].sum(-1)
    best = probability[:, :wait].argmax(-1)
    other = probability[:, wait:].argmax(-1) + wait
    call = probability[:, wait + 2]
    calm = torch.where((other == wait + 2) & (call < care.call_min), wait, other)
    return torch.where((some >= care.repair_min) & (some >= call), best, calm)
