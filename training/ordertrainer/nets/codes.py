"""Signals in 8 bits, and what a signal's own slots say of its next value. Pure; imports torch.

Axes: S slot (newest first), C signal. A code is one of 256 steps of the normalised value, 16 to a standard deviation.
"""

from typing import Final, NamedTuple

import torch
from torch import Tensor

from ordertrainer.nets.normaliser import CLAMP, Normaliser
from ordertrainer.nets.order import SLOTS

CODES: Final = 256
PER_UNIT: Final = CODES / (2.0 * CLAMP)
"""Codes a standard deviation: all codes together span what the normaliser lets through."""
FAR: Final = 8.0
"""Multiples of a signal's usual movement beyond which all is equally far."""
SERIES: Final = 2 * SLOTS + 2
SPREAD_MIN: Final = 0.25
SPREAD_UNKNOWN: Final = 16.0
"""Codes that a signal is taken to move when there are no two slots to compare."""


class Series(NamedTuple):
    """What a signal's own slots say.

    Attributes:
        base: [..., C] its newest code that was measured, the middle where there is none.
        spread: [..., C] codes, mean step between neighbouring slots.
        features: [..., C, SERIES].
    """

    base: Tensor
    spread: Tensor
    features: Tensor


def codes_of(positions: Tensor) -> Tensor:
    """Return the codes, 0 to 255, of positions on the axis from 0 to 256; NaN stays NaN."""
    return positions.floor().clamp(0.0, CODES - 1.0)


def positions_of(normaliser: Normaliser, raw: Tensor) -> Tensor:
    """Return [..., C] positions from 0 to 256 of raw signals, NaN where missing."""
    scaled, measured = normaliser(raw).chunk(2, dim=-1)
    return torch.where(measured > 0, (scaled + CLAMP) * PER_UNIT, torch.nan)


def series(codes: Tensor) -> Series:
    """Return what slots say: [..., S, C] codes, NaN where missing."""
    measured = ~torch.isnan(codes)
    centres = torch.where(measured, codes + 0.5, 0.0)
    newest = measured.to(torch.uint8).argmax(dim=-2, keepdim=True)
    base = torch.where(measured.any(dim=-2), centres.gather(-2, newest).squeeze(-2), CODES / 2.0)
    both = measured[..., 1:, :] & measured[..., :-1, :]
    steps = (centres[..., 1:, :] - centres[..., :-1, :]).abs() * both
    count = both.sum(dim=-2)
    spread = torch.where(count > 0, steps.sum(dim=-2) / count.clamp(min=1), SPREAD_UNKNOWN).clamp(min=SPREAD_MIN)
    back = ((base.unsqueeze(-2) - centres) / spread.unsqueeze(-2)).clamp(-FAR, FAR) * measured
    where = torch.stack((spread.log() / 4.0, base / (CODES / 2.0) - 1.0), dim=-2)
    features = torch.cat((back, measured.to(back.dtype), where), dim=-2)
    return Series(base=base, spread=spread, features=features.transpose(-1, -2))
