"""A network with orderd's rules as its floor, as hosts would have it. Imports torch.

A model never silences a rule: where the network waits, and the rules have named something for a while, they act. What the network
has tried in vain is not tried again by them, because nothing is.

Axes: N host.
"""

from copy import copy
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from orderd.diagnosis import by_rules
from ordertrainer.policy.actor import Network, since
from ordertrainer.sim.levels import NEVER_S
from ordertrainer.sim.policies import Rules
from ordertrainer.sim.signals import Observation
from ordertrainer.sim.simulator import Simulator
from ordertrainer.sim.windows import window_of

FLOOR_AFTER_S: Final = 10.0
"""The rules wait for this long: less than the network takes to call a person, and more than it takes to repair."""


class Floored:
    """A network, and the rules where it waits for too long."""

    def __init__(self, network: Network, rules: Rules, floor_after_s: float = FLOOR_AFTER_S) -> None:
        """Put rules below a network; both must be new.

        Args:
            network: acts first.
            rules: act where it waits.
            floor_after_s: for which they must have named something.
        """
        self._network, self._rules, self._floor_after_s = network, rules, floor_after_s
        self._since_s = torch.zeros(0)

    def act(self, sim: Simulator, seen: Observation) -> Tensor:
        """Do what the network does, and where it waits what the rules do."""
        actions, at_s = self._network.act(sim, seen), sim.state.at_s
        named = self._named(sim, seen, sim.state.idle & (actions == sim.compiled.wait))
        self._since_s = since(self._since_s, at_s, named)
        floor = named & (at_s - self._since_s >= self._floor_after_s)
        if not floor.any():
            return actions
        return torch.where(floor, self._rules.act(_only(sim, floor), seen), actions)

    @staticmethod
    def _named(sim: Simulator, seen: Observation, where: Tensor) -> Tensor:
        """Return [N] bool: hosts among those on which the rules name something."""
        named = torch.zeros_like(where)
        for host in where.nonzero()[:, 0].tolist():
            named[host] = bool(by_rules(window_of(seen, host, sim.compiled.layout)))
        return named


def _only(sim: Simulator, some: Tensor) -> Simulator:
    """Return the same hosts, of which all but some are busy: nobody decides on those."""
    few = copy(sim)
    few.state = replace(sim.state, busy_until_s=torch.where(some, sim.state.at_s, NEVER_S))
    return few
