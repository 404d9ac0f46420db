"""What training minimises. Pure; imports torch.

Axes: B moment, E slot, L lane.
"""

from typing import Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf

from ordertrainer.nets.policy import PolicyLogits
from ordertrainer.policy.decisions import Decisions
from ordertrainer.sim.truth import IGNORE

FAILURE_WEIGHT: Final = 0.5
WRONG_WEIGHT: Final = 0.1
OK_WEIGHT: Final = 0.2
"""Of entities with which nothing is wrong: there are many more of them."""


class Losses(NamedTuple):
    """Parts of the loss, each a mean over moments by their weight."""

    action: Tensor
    failure: Tensor
    wrong: Tensor

    def total(self) -> Tensor:
        """Return what is minimised."""
        return self.action + FAILURE_WEIGHT * self.failure + WRONG_WEIGHT * self.wrong


def losses(logits: PolicyLogits, told: Decisions) -> Losses:
    """Return the parts of the loss."""
    weight = told.weight / told.weight.sum()
    wrong = nnf.binary_cross_entropy_with_logits(logits.wrong, told.wrong.to(logits.wrong.dtype), reduction="none")
    return Losses(
        action=(_action(logits.action, told.right.to(torch.int64)) * weight).sum(),
        failure=_failure(logits.failure, told.failure.to(torch.int64)),
        wrong=(wrong * weight).sum(),
    )


def _action(logits: Tensor, right: Tensor) -> Tensor:
    """Return [B]: minus the logarithm of the probability of doing any of what is right."""
    wanted = torch.zeros_like(logits, dtype=torch.bool).scatter(1, right, torch.ones_like(right, dtype=torch.bool))
    hit = torch.logsumexp(logits.masked_fill(~wanted, -torch.inf), -1)
    return torch.logsumexp(logits, -1) - hit


def _failure(logits: Tensor, failure: Tensor) -> Tensor:
    each = nnf.cross_entropy(logits.flatten(0, 1), failure.flatten(), reduction="none", ignore_index=IGNORE)
    weight = torch.where(failure.flatten() > 0, 1.0, OK_WEIGHT) * (failure.flatten() != IGNORE)
    return (each * weight).sum() / weight.sum().clamp(min=1.0)
