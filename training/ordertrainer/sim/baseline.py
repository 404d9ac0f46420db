"""What each host measures while it is in order, drawn from its level's seed. Pure; imports torch.

Axes: N host, E slot, L lane, F entity signal, H host signal.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

import torch
from torch import Tensor

from orderd.domain.faults import KINDS
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, Signal
from ordertrainer.sim.healthy import EITHER, ENTITY, HOST, MISSING, PROBED_KINDS, Healthy, Share
from ordertrainer.sim.levels import Levels
from ordertrainer.sim.noise import columns, hashed
from ordertrainer.sim.tables import Compiled

HOST_PLACE: Final = 1 << 16
"""Where hashes of the host itself are taken from: no slot."""
MISSING_PLACE: Final = 1 << 17
"""Where it is drawn what a host or a slot cannot measure."""
_SHARES: Final = tuple(Share)
_PROBE: Final = _SHARES.index(Share.PROBE)
_MIDDLE: Final = 0.5
_LEAST: Final = 1e-9


class _Ranges(NamedTuple):
    """One number a column."""

    low: Tensor
    high: Tensor
    spread: Tensor
    either: Tensor
    share: Tensor


def draw(world: Compiled, levels: Levels) -> tuple[Tensor, Tensor]:
    """Return ``base`` [N, E, F] and ``host_base`` [N, H]; NaN where it cannot be measured.

    What a fault needs to be seen and repaired is measured where it happens, whatever was drawn.
    """
    device = levels.seed.device
    slots = torch.arange(world.layout.slots, dtype=torch.int32, device=device)
    of_entity, of_host = _entity_ranges(device), _host_ranges(device)
    lacks = _host_lacks(world, levels)
    base = _values(columns(hashed(levels.seed[:, None], slots), len(ENTITY_SIGNALS)), of_entity)
    unmeasured = lacks[:, None, :].repeat(1, world.layout.slots, 1)
    unmeasured[..., _PROBE] = _unprobed(world, levels, slots)
    base = base.masked_fill(unmeasured[..., of_entity.share] | ~world.carried, torch.nan)
    host = _values(columns(hashed(levels.seed, HOST_PLACE), len(HOST_SIGNALS)), of_host)
    return base, host.masked_fill(lacks[:, of_host.share], torch.nan)


def _values(unit: Tensor, ranges: _Ranges) -> Tensor:
    low, high = ranges.low, ranges.high
    even = low + (high - low) * unit
    wide = torch.exp(torch.log(low.clamp(min=_LEAST)) * (1 - unit) + torch.log(high.clamp(min=_LEAST)) * unit)
    return torch.where(ranges.either, (unit > _MIDDLE).to(torch.float32), torch.where(ranges.spread, wide, even))


def _host_lacks(world: Compiled, levels: Levels) -> Tensor:
    """Return [N, Share] bool: what a host cannot measure."""
    unit = columns(hashed(levels.seed, MISSING_PLACE), len(_SHARES))
    needed = world.faults.needs[levels.fault].any(1)
    return (unit < torch.tensor([MISSING[share] for share in _SHARES], device=unit.device)) & ~needed


def _unprobed(world: Compiled, levels: Levels, slots: Tensor) -> Tensor:
    """Return [N, E] bool: units without a probe."""
    lacks = columns(hashed(levels.seed[:, None], slots + MISSING_PLACE), 1)[..., 0] < MISSING[Share.PROBE]
    needs = world.faults.needs[levels.fault, _PROBE].to(torch.int64)
    needed = torch.zeros_like(lacks, dtype=torch.int64).scatter_add_(1, levels.slot, needs) > 0
    may_lack = torch.isin(world.slot_kind, torch.tensor([KINDS.index(kind) for kind in PROBED_KINDS], device=slots.device))
    return lacks & may_lack & ~needed


@cache
def _entity_ranges(device: torch.device) -> _Ranges:
    return _ranges(ENTITY, ENTITY_SIGNALS, device)


@cache
def _host_ranges(device: torch.device) -> _Ranges:
    return _ranges(HOST, HOST_SIGNALS, device)


def _ranges(table: Mapping[str, Healthy], signals: Sequence[Signal], device: torch.device) -> _Ranges:
    rows = [table[signal.name] for signal in signals]
    return _Ranges(
        low=torch.tensor([row.low for row in rows], device=device),
        high=torch.tensor([row.high for row in rows], device=device),
        spread=torch.tensor([row.spread for row in rows], device=device),
        either=torch.tensor([signal.name in EITHER for signal in signals], device=device),
        share=torch.tensor([_SHARES.index(row.share) for row in rows], device=device),
    )
