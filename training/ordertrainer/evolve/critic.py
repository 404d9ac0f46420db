"""A critic that sees the true faults: it says what is still to come, in training only. Imports torch.

It never sees a window. It sees what no host tells: which faults are where, hidden or not, and what is left to be tried. So it is
small, and asked at every second of every host. It is kept beside the training's own state and in no checkpoint that is examined
or exported.

Axes: T step, N host, L lane, Q truth.

References:
    Pinto et al. 2018, Asymmetric Actor Critic for Image-Based Robot Learning.
"""

from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from ordertrainer.sim import State
from ordertrainer.sim.levels import LANES, NEVER_S
from ordertrainer.sim.world import hopeless

FAULT_WIDTH: Final = 16
WIDTH: Final = 96
SCALE_S: Final = 60.0
"""Rewards and what is expected of them are told to networks in minutes."""
OF_A_LANE: Final = 11
OF_A_HOST: Final = 9
_SOON_S: Final = 30.0


class Truths(NamedTuple):
    """What the critic sees.

    Attributes:
        fault: [..., L] int64 row of the catalogue.
        truth: [..., Q] float32.
    """

    fault: Tensor
    truth: Tensor


class Critic(nn.Module):
    """What is still to come on a host, in minutes of trouble."""

    def __init__(self, faults: int) -> None:
        """Build for a catalogue of so many faults, "no fault" not counted."""
        super().__init__()
        self.fault = nn.Embedding(faults + 1, FAULT_WIDTH)
        inputs = LANES * (FAULT_WIDTH + OF_A_LANE) + OF_A_HOST
        self.value = nn.Sequential(nn.Linear(inputs, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, 1))

    def forward(self, seen: Truths) -> Tensor:
        """Return [...]."""
        return self.value(torch.cat((self.fault(seen.fault).flatten(-2), seen.truth), -1)).squeeze(-1)


def truths(state: State) -> Truths:
    """Return what is true of N hosts now."""
    known, lanes, levels, at_s = state.known, state.lanes, state.levels, state.at_s
    mine = known.slot == state.target
    flags = (
        lanes.front,
        lanes.sick,
        lanes.breaks,
        known.decoy,
        known.behind,
        known.held,
        state.cures_left > 0,
        mine & ~state.idle,
    )
    ages = (at_s - state.shows_s, known.onset_s - at_s, state.ended_s - at_s)
    of_lanes = [*(flag.to(torch.float32) for flag in flags), *(_soon(age_s) for age_s in ages)]
    of_host = (
        hopeless(state),
        state.idle,
        _soon(state.runs_until_s - at_s),
        _soon(state.busy_until_s - at_s),
        at_s / levels.horizon_s,
        levels.slow,
        levels.noise,
        levels.flaky > 0,
        state.attempts.failed.sum(0),
    )
    each = torch.cat([torch.stack(of_lanes).flatten(0, 1), torch.stack([one.to(torch.float32) for one in of_host])])
    return Truths(fault=levels.fault, truth=each.T)


def _soon(seconds: Tensor) -> Tensor:
    """Squash seconds, of which only the near ones matter, to between -1 and 1."""
    return torch.tanh(seconds.clamp(-NEVER_S, NEVER_S) / _SOON_S)
