"""What drills are worth while they are lived, in seconds of trouble. Imports torch.

    reward of a second = - trouble, repairs and calls, by `ordertrainer.costs`
    at the end         + GOAL_S where all is in order, or a person was rightly called

The goal is sparse: it is paid once, for a host that is healthy and stays healthy, and stands for all the seconds after the end.
So nothing has to be guessed about those, and an episode that its horizon cuts off has ended as the exam's has.

A drill ends by what is done, by its horizon, or (while training) once nothing has been left to happen for a while: no policy
learns anything from the second minute of a host in order.

Axes: N host.
"""

from typing import Final

import torch
from torch import Tensor

from ordertrainer.costs import Costs
from ordertrainer.policy.exam import Played, Tally
from ordertrainer.sim import Outcome, Simulator, State
from ordertrainer.sim.chaos import ONSET_S
from ordertrainer.sim.levels import NEVER_S

GOAL_S: Final = 60.0
"""Worth of a host that is left in order, as much as touching a healthy one costs."""
CALM_S: Final = 10.0
"""After the last thing that could happen."""


class Ledger:
    """Counts what drills cost.

    Attributes:
        tally: what becomes of the hosts.
        returned: [N] float32 sum of all rewards so far, seconds.
        healthy: [N] float32 times that something was touched with which nothing was wrong.
    """

    def __init__(self, sim: Simulator, costs: Costs, *, whole: bool) -> None:
        """Count from the beginning of an episode on every host.

        Args:
            sim: the hosts.
            costs: weights.
            whole: every drill lasts until its horizon, as in an exam.
        """
        self.tally = Tally(sim)
        self.returned = torch.zeros(len(sim.state), device=sim.state.at_s.device)
        self.healthy = torch.zeros_like(self.returned)
        self._sim, self._costs, self._whole = sim, costs, whole

    def add(self, outcome: Outcome) -> Tensor:
        """Count one second and return its reward, [N] float32; 0 where a drill is over."""
        lives = ~self.tally.over
        self.tally.add(outcome)
        if not self._whole:
            self.tally.over |= spent(self._sim)
        goal = GOAL_S * (self.tally.in_order() | self.tally.rightly_called()) * self.tally.over
        reward = (goal - cost_s(outcome, self._costs)) * lives
        self.returned += reward
        self.healthy += outcome.touched_healthy * lives
        # Who is over is never idle again: nobody decides for it any more.
        self._sim.state.busy_until_s.masked_fill_(self.tally.over, NEVER_S)
        return reward

    @property
    def lives(self) -> Tensor:
        """Return [N] bool: whose drill goes on."""
        return ~self.tally.over

    def played(self) -> Played:
        """Return what became of them."""
        return self.tally.played()


def cost_s(outcome: Outcome, costs: Costs) -> Tensor:
    """Return [N] float32: what a second cost, in seconds of trouble."""
    touched = outcome.ended & ~outcome.not_the_case
    repair = costs.repair + costs.risk * outcome.risk + costs.host_wide * outcome.host_wide
    wrongly = outcome.escalated_wrongly | outcome.stopped_wrongly
    return (
        (outcome.sick > 0)
        + touched * repair
        + costs.healthy * outcome.touched_healthy
        + costs.harm * outcome.harmful
        + costs.call * outcome.escalated_rightly
        + costs.false_call * wrongly
    )


def spent(sim: Simulator) -> Tensor:
    """Tell where nothing is left to happen, for CALM_S already: [N] bool."""
    state: State = sim.state
    ended_s = state.ended_s.masked_fill((state.levels.fault == sim.compiled.no_fault).T, 0.0)
    last_s = ended_s.amax(0).clamp(min=ONSET_S[1])
    return state.idle & (state.at_s - last_s >= CALM_S)
