"""A network as something that acts. Imports torch.

What a network says of single actions is added up by what they are: wait, say that all is well, call a person, or repair. The
likeliest of these is done, and of repairs the likeliest. So ten playbooks that share a probability of 0.8 do not lose against a
person with 0.2: which of them it is can be found out by trying.

The expert that a network imitates knows every fault, and never has to wait until it does. So care is added where the network
acts, as orderd adds it to its diagnoses: a repair has to be wanted for more than one sample, and a person for longer, because
what only looks broken is often over by then.

Axes: N host, n of them that are decided on, E slot, R repair.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from torch import Tensor

from ordertrainer.nets.policy import OTHERS, Inputs, PolicyNet
from ordertrainer.policy.decisions import unmet
from ordertrainer.sim.candidates import outcomes
from ordertrainer.sim.levels import NEVER_S
from ordertrainer.sim.signals import Observation
from ordertrainer.sim.simulator import Simulator

BATCH: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """How sure a network has to be, and for how long.

    Attributes:
        repair_min: of "some repair is right" before the likeliest is tried.
        repair_after_s: for which that has to stand.
        call_min: of "a person is right" before one is called, since that ends the episode.
        call_after_s: for which that has to stand.
    """

    repair_min: float = 0.5
    repair_after_s: float = 1.0
    call_min: float = 0.5
    call_after_s: float = 15.0


class Beliefs(NamedTuple):
    """What a network says.

    Attributes:
        where: [n] int64 hosts that are decided on; on the others something is being done.
        probability: [n, actions].
    """

    where: Tensor
    probability: Tensor


class Network:
    """A policy network in a simulator; remembers for each host since when it wants what."""

    def __init__(self, net: PolicyNet, contracts: Tensor, care: Care | None = None) -> None:
        """Act by a network.

        Args:
            net: in evaluation mode.
            contracts: [R, C] of the catalogue's repairs, in its order.
            care: how sure it has to be.
        """
        self._net, self._contracts, self._care = net, contracts, care or Care()
        self._repair_since_s = self._call_since_s = torch.zeros(0)

    def act(self, sim: Simulator, seen: Observation) -> Tensor:
        """Decide for every host that nothing is being done on; the others wait."""
        return self.choose(sim, self.believe(sim, seen, sim.masks(seen)))

    def believe(self, sim: Simulator, seen: Observation, mask: Tensor) -> Beliefs:
        """Say what is right on every host that nothing is being done on.

        Args:
            sim: the hosts.
            seen: what orderd sees of them.
            mask: [N, actions] bool, what may be done.
        """
        where = sim.state.idle.nonzero()[:, 0]
        tried, missed = outcomes(sim.compiled, sim.state), unmet(sim.compiled, seen.rows)
        every = (seen.host, seen.rows, seen.kind, seen.present, tried, missed)
        with torch.inference_mode():
            parts = [self._of(every, mask, part) for part in where.split(BATCH)]
        return Beliefs(
            where=where, probability=torch.cat(parts) if parts else mask.new_zeros((0, mask.shape[1]), dtype=torch.float32)
        )

    def _of(self, every: tuple[Tensor, ...], mask: Tensor, where: Tensor) -> Tensor:
        host, rows, kind, present, tried, missed = (each.index_select(0, where) for each in every)
        seen = Inputs(host, rows, kind, present, tried, missed, self._contracts, mask.index_select(0, where))
        return self._net.logits(seen).action.softmax(-1)

    def choose(self, sim: Simulator, beliefs: Beliefs) -> Tensor:
        """Return [N] int64 actions: what is believed for long enough."""
        world, at_s = sim.compiled, sim.state.at_s
        wanted = torch.full_like(at_s, world.wait, dtype=torch.int64)
        wanted[beliefs.where] = decide(beliefs.probability, self._care)
        self._repair_since_s = since(self._repair_since_s, at_s, wanted < world.wait)
        self._call_since_s = since(self._call_since_s, at_s, wanted == world.escalate)
        hasty = (wanted < world.wait) & (at_s - self._repair_since_s < self._care.repair_after_s)
        hasty |= (wanted == world.escalate) & (at_s - self._call_since_s < self._care.call_after_s)
        return wanted.masked_fill(hasty, world.wait)


def since(before_s: Tensor, at_s: Tensor, wanted: Tensor) -> Tensor:
    """Return [N]: since when something is wanted without a break, NEVER_S where it is not.

    Args:
        before_s: [N] what this returned last time, empty in the beginning; a later second was one of another episode.
        at_s: [N] now.
        wanted: [N] bool.
    """
    before_s = before_s if len(before_s) == len(at_s) else at_s
    return torch.where(wanted, torch.where(before_s <= at_s, before_s, at_s), NEVER_S)


def decide(probability: Tensor, care: Care) -> Tensor:
    """Return [n] int64 actions for [n, actions] probabilities, the last three of which are WAIT, STOP and ESCALATE."""
    wait = probability.shape[1] - OTHERS
    some = probability[:, :wait].sum(-1)
    best = probability[:, :wait].argmax(-1)
    other = probability[:, wait:].argmax(-1) + wait
    call = probability[:, wait + 2]
    calm = torch.where((other == wait + 2) & (call < care.call_min), wait, other)
    return torch.where((some >= care.repair_min) & (some >= call), best, calm)
