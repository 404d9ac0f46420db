"""Series that nobody measured, for signals without names. Pure; imports torch.

Telemetry of others is not what simulated hosts show: it drifts, swings, jumps, and comes in coarse steps. What is said of a
signal without a name shall not be what happens to be true of ours, so it is learned from series of many kinds too.

Axes: V series, S slot (newest first), T second.

    level        uniform over the codes
    movement     deviation log-uniform in MOVEMENT codes a second; of every two series one has rare large steps (Student's t, 3)
    memory       a third walk freely, a third come back (coefficient uniform in 0.5 to 1), a third forget at once
    swing        a third, with a period log-uniform in PERIOD_S, up to SWING codes
    still        a fifth do not move but for jumps, Bernoulli(0.02) a second
    steps        half come in multiples of a step drawn from STEPS
"""

import math
from typing import Final

import torch
from torch import Tensor

from orderd.domain.signals import SLOT_AGES_S
from ordertrainer.nets.codes import CODES

MOVEMENT: Final = (0.2, 30.0)
PERIOD_S: Final = (8.0, 600.0)
SWING: Final = 60.0
STEPS: Final = (1.0, 2.0, 2.55, 5.1, 12.75, 25.5)
_JUMPS: Final = 0.02
_AGES: Final = [int(age) for age in SLOT_AGES_S]
_SECONDS: Final = _AGES[-1] + 2
"""From the oldest slot to the next second."""


def drawn(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return [V, S] codes of slots and [V] codes of the next second."""

    def even(low: float = 0.0, high: float = 1.0, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    def wide(low: float, high: float) -> Tensor:
        return torch.exp(even(math.log(low), math.log(high)))

    pushes = torch.randn(count, _SECONDS, generator=generator)
    heavy = pushes / (torch.randn(count, _SECONDS, 3, generator=generator).square().mean(-1) + 0.05).sqrt()
    pushes = torch.where((even() < 1 / 2)[:, None], heavy, pushes) * wide(*MOVEMENT)[:, None]
    still = (even() < 1 / 5)[:, None]
    pushes = torch.where(still, pushes * (even(0.0, 1.0, _SECONDS) < _JUMPS), pushes)
    kinds = torch.stack((torch.ones(count), even(0.5, 1.0), torch.zeros(count)))
    memory = kinds.gather(0, torch.randint(0, len(kinds), (1, count), generator=generator))[0]
    memory = torch.where(still[:, 0], 1.0, memory)
    at, path = pushes[:, 0], [pushes[:, 0]]
    for push in pushes.T[1:]:
        at = memory * at + push
        path.append(at)
    turn = 2.0 * math.pi * (torch.arange(_SECONDS) / wide(*PERIOD_S)[:, None] + even()[:, None])
    swing = torch.sin(turn) * (even(0.0, SWING) * (even() < 1 / 3) * ~still[:, 0])[:, None]
    values = even(0.0, float(CODES))[:, None] + torch.stack(path, dim=1) + swing
    step = torch.tensor(STEPS)[torch.randint(0, len(STEPS), (count,), generator=generator)]
    step = torch.where(even() < 1 / 2, step, 1.0)[:, None]
    codes = ((values / step).round() * step).floor().clamp(0.0, CODES - 1.0)
    return codes[:, [_SECONDS - 2 - age for age in _AGES]], codes[:, -1]
