"""Mixtures of logistic distributions, cut into the 256 codes of a signal. Pure; imports torch.

Axes: K component.

References:
    Salimans et al. 2017, PixelCNN++, section 2.1.
"""

import math
from typing import Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf

from ordertrainer.nets.codes import CODES

FLAT: Final = 1e-3
"""Share of every distribution that is even over all codes: no single value costs more than 18 bits."""


class Mixture(NamedTuple):
    """Distributions of values; each [..., K].

    Attributes:
        log_weight: normalised.
        mean: in codes.
        log_scale: of codes.
    """

    log_weight: Tensor
    mean: Tensor
    log_scale: Tensor


def bits(mixture: Mixture, code: Tensor) -> Tensor:
    """Return [...], what it costs to say [...] codes; the first and the last one stand for all beyond them."""
    low = (code.unsqueeze(-1) - mixture.mean) * torch.exp(-mixture.log_scale)
    wide = torch.exp(-mixture.log_scale)
    high = low + wide
    below, above = nnf.logsigmoid(high), nnf.logsigmoid(-low)
    # sigmoid(high) - sigmoid(low), which no tail rounds to zero.
    between = below + above + torch.log(-torch.expm1(-wide))
    inside = torch.where(code.unsqueeze(-1) <= 0, below, torch.where(code.unsqueeze(-1) >= CODES - 1, above, between))
    said = torch.logsumexp(inside + mixture.log_weight, dim=-1)
    flat = torch.full_like(said, math.log(FLAT / CODES))
    return torch.logaddexp(said + math.log1p(-FLAT), flat) / -math.log(2.0)


def probabilities(mixture: Mixture) -> Tensor:
    """Return [..., 256], the probability of every code."""
    edges = torch.arange(1, CODES, dtype=mixture.mean.dtype, device=mixture.mean.device)
    scaled = (edges[:, None] - mixture.mean.unsqueeze(-2)) * torch.exp(-mixture.log_scale).unsqueeze(-2)
    below = (torch.sigmoid(scaled) @ mixture.log_weight.exp().unsqueeze(-1)).squeeze(-1)
    cut = nnf.pad(nnf.pad(below, (0, 1), value=1.0), (1, 0), value=0.0).diff(dim=-1).clamp(min=0.0)
    return (1.0 - FLAT) * cut + FLAT / CODES
