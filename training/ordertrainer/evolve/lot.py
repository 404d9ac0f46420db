"""The policy that is trained: the network's beliefs, drawn by lot and sharpened. Pure; imports torch.

A network is trained to say what is right with calibrated probabilities, and what acts on a host asks it once a second and does
the likeliest (`ordertrainer.policy.actor`). Drawing from those probabilities once a second would do all that is ever believed
with 0.02. So lots are drawn as the actor decides, in two steps and sharpened: first what kind of action (repair, wait, call),
then which repair. And as there, a repair has to be wanted for a while, and a person for longer: gates that are not open forbid.
STOP is forbidden: hosts live until the end.

Axes: B decision, A action: repairs on slots, then WAIT, STOP and ESCALATE.
"""

from typing import Final, NamedTuple

import torch
from torch import Tensor

from ordertrainer.nets.policy import FORBIDDEN, OTHERS

SHARPNESS: Final = 3.0
"""Beliefs to this power: 0.9 against 0.1 is drawn 729 times as often."""


class Gates(NamedTuple):
    """What is wanted for long enough.

    Attributes:
        repair: [B] bool.
        call: [B] bool.
    """

    repair: Tensor
    call: Tensor


def log_lots(logits: Tensor, gates: Gates, sharpness: float = SHARPNESS) -> Tensor:
    """Return [B, A] logarithms of the probabilities with which actions are drawn; FORBIDDEN or less where never.

    Args:
        logits: [B, A] of the network, FORBIDDEN where an action may not be taken.
        gates: what else may be taken.
        sharpness: the power to which beliefs are drawn.
    """
    wait = logits.shape[1] - OTHERS
    beliefs = torch.log_softmax(logits, -1)
    repairs, others = beliefs[:, :wait], beliefs[:, wait:]
    some = torch.logsumexp(repairs, -1)
    closed = torch.full_like(some, FORBIDDEN)
    kinds = torch.stack(
        (
            torch.where(gates.repair & (some > FORBIDDEN / 2), sharpness * some, closed),
            sharpness * others[:, 0],
            closed,
            torch.where(gates.call & (others[:, 2] > FORBIDDEN / 2), sharpness * others[:, 2], closed),
        ),
        -1,
    )
    kinds = torch.log_softmax(kinds, -1)
    which = torch.log_softmax(sharpness * (repairs - some.clamp(min=FORBIDDEN / 2)[:, None]), -1)
    return torch.cat((kinds[:, :1] + which, kinds[:, 1:]), -1)


def divergence(lots: Tensor, others: Tensor) -> Tensor:
    """Return [B]: Kullback-Leibler divergence of lots from others, both [B, A] logarithms."""
    drawn = lots.exp()
    return (drawn * (lots - others).masked_fill(drawn == 0.0, 0.0)).sum(-1)
