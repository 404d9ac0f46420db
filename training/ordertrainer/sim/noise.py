"""Noise without a memory: a number that follows from where and when it is asked for. Pure; imports torch.

A window shows the same second of a host eight times, from one step to the next at another age, and it has to show the same
value. So noise is hashed from seed, slot and second instead of drawn: nothing is kept, and a CPU and a GPU agree to the bit.

References:
    The mixing function is the 32-bit finaliser "lowbias32", https://nullprogram.com/blog/2018/07/31/.
"""

from functools import cache
from statistics import NormalDist
from typing import Final

import torch
from torch import Tensor

_FIRST: Final = 0x7FEB352D
_SECOND: Final = 0x846CA68B - (1 << 32)
_SLOT: Final = 0x27D4EB2F
_TIME: Final = 0x165667B1
_COLUMN: Final = 0x9E3779B1 - (1 << 32)
_BITS: Final = 22
_MASK: Final = (1 << _BITS) - 1
_UNIT_DEVIATION: Final = 12.0**0.5
_NORMAL_BITS: Final = 12
"""Normal numbers are looked up, not computed: a table has the same bits on every device."""


def mix(x: Tensor) -> Tensor:
    """Scatter the bits of int32 numbers; multiplication wraps, shifts are made logical by masking."""
    x = x ^ ((x >> 16) & 0xFFFF)
    x = x * _FIRST
    x = x ^ ((x >> 15) & 0x1FFFF)
    x = x * _SECOND
    return x ^ ((x >> 16) & 0xFFFF)


def hashed(seed: Tensor, slot: Tensor | int = 0, at: Tensor | int = 0) -> Tensor:
    """Return an int32 hash of seed, slot and second, in the shape they broadcast to."""
    return mix(seed ^ (slot * _SLOT)) if isinstance(at, int) and at == 0 else mix(mix(seed ^ (slot * _SLOT)) + at * _TIME)


def column(hashes: Tensor, number: int) -> Tensor:
    """Return a number in [0, 1) for one column of what was hashed: one multiplication instead of another hash."""
    return _unit(hashes * _wrapped(_COLUMN * (2 * number + 1)))


def columns(hashes: Tensor, count: int) -> Tensor:
    """Return numbers in [0, 1) for the first ``count`` columns, in a new last dimension; well mixed, for what is drawn once."""
    odd = torch.arange(1, 2 * count, 2, dtype=torch.int32, device=hashes.device) * _COLUMN
    return _unit(mix(hashes.unsqueeze(-1) ^ odd))


def odd(number: Tensor | int) -> Tensor | int:
    """Return the odd factor of a column, or of [C] int32 columns."""
    return _wrapped(_COLUMN * (2 * number + 1)) if isinstance(number, int) else (2 * number + 1) * _COLUMN


def normal(hashes: Tensor) -> Tensor:
    """Turn hashes into numbers of a normal distribution, of which there are 4096 different ones."""
    return _normals(hashes.device)[((hashes >> (32 - _NORMAL_BITS)) & ((1 << _NORMAL_BITS) - 1)).to(torch.int64)]


@cache
def _normals(device: torch.device) -> Tensor:
    count = 1 << _NORMAL_BITS
    return torch.tensor([NormalDist().inv_cdf((place + 0.5) / count) for place in range(count)], device=device)


def centred(unit: Tensor) -> Tensor:
    """Turn uniform numbers into ones of mean 0 and deviation 1."""
    return (unit - 0.5) * _UNIT_DEVIATION


def _unit(x: Tensor) -> Tensor:
    return ((x >> (32 - _BITS)) & _MASK).to(torch.float32) * (1.0 / (1 << _BITS))


def _wrapped(x: int) -> int:
    """Return an int as int32 arithmetic would have it."""
    return ((x + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
