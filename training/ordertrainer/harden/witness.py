"""Windows of drills while they are lived, with what is true of them. Imports torch.

Axes: N host.
"""

from typing import Final

import torch
from torch import Tensor

from ordertrainer.dataset import LabelledWindow
from ordertrainer.imitation.told import labelled
from ordertrainer.sim import Observation, Simulator
from ordertrainer.sim.levels import NEVER_S
from ordertrainer.sim.policies import Policy
from ordertrainer.sim.truth import truth

KEPT_FAILING: Final = 0.2
KEPT_CALM: Final = 0.03
"""Shares of the seconds that are kept. What is not repaired is seen for longer, so it is seen more often."""


class Witness:
    """Lets a policy act, and keeps some of what it saw."""

    def __init__(self, policy: Policy, *, name: str, seed: int) -> None:
        """Stand beside a policy.

        Args:
            policy: acts.
            name: of these drills, in the names of their runs.
            seed: of which seconds are kept.
        """
        self._policy, self._name, self._seed = policy, name, seed
        self._generator = torch.Generator().manual_seed(seed)
        self.windows: list[LabelledWindow] = []

    def act(self, sim: Simulator, seen: Observation) -> Tensor:
        """Keep some of what is seen; do what the policy does."""
        told = truth(sim.compiled, sim.state, seen)
        drawn = torch.rand(len(sim.state), generator=self._generator).to(told.wrong.device)
        lives = sim.state.busy_until_s < NEVER_S
        for host in ((drawn < torch.where(told.wrong, KEPT_FAILING, KEPT_CALM)) & lives).nonzero()[:, 0].tolist():
            window = labelled(sim, seen, told, host, run=f"{self._name}-{host}", seed=self._seed)
            if window is not None:
                self.windows.append(window)
        return self._policy.act(sim, seen)
