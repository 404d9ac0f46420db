"""What each host measures while it is in order, drawn from its level's seed. Pure; imports torch.

Axes: N host, E slot, e slot of one kind, L lane, F entity signal, H host signal, C signal that a kind of entity has.
"""

from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

from orderd.domain.faults import KINDS, EntityKind
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from ordertrainer.sim.courses import own
from ordertrainer.sim.healthy import Share
from ordertrainer.sim.levels import Levels
from ordertrainer.sim.noise import columns, hashed
from ordertrainer.sim.tables import Compiled

HOST_PLACE: Final = 1 << 16
"""Where hashes of the host itself are taken from: no slot."""
MISSING_PLACE: Final = 1 << 17
"""Where it is drawn what a host or a slot cannot measure."""
WAY_PLACE: Final = HOST_PLACE + 1
"""Where it is drawn which way of `courses` a host has."""
_SHARES: Final = tuple(Share)
_PROBE: Final = _SHARES.index(Share.PROBE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draw:
    """What all signals of a host are drawn with.

    Attributes:
        way: [N] int64.
        unit: [N, Share] numbers between 0 and 1: what is missing with one share is missing together.
        needed: [N, Share] bool, a fault on the host needs it.
    """

    way: Tensor
    unit: Tensor
    needed: Tensor

    @classmethod
    def of(cls, world: Compiled, levels: Levels) -> Self:
        return cls(
            way=ways(world, levels.seed),
            unit=columns(hashed(levels.seed, MISSING_PLACE), len(_SHARES)),
            needed=world.faults.needs[levels.fault].any(1),
        )


def ways(world: Compiled, seed: Tensor) -> Tensor:
    """Return [N] int64 for [N] seeds: 1 where a host measures what recorded ones do, 0 where its values are drawn widely."""
    return (columns(hashed(seed, WAY_PLACE), 1)[..., 0] < world.recorded_share).to(torch.int64)


def draw(world: Compiled, levels: Levels) -> tuple[Tensor, Tensor]:
    """Return ``base`` [N, E, F] and ``host_base`` [N, H], without noise; NaN where it cannot be measured.

    What a fault needs to be seen and repaired is measured where it happens, whatever was drawn.
    """
    drawn = _Draw.of(world, levels)
    base = torch.full((len(levels), world.layout.slots, len(ENTITY_SIGNALS)), torch.nan, device=levels.seed.device)
    for kind in KINDS:
        columns_of = [number for number, signal in enumerate(ENTITY_SIGNALS) if kind in signal.kinds]
        base[:, world.layout.span(kind), columns_of] = _of_kind(world, levels, drawn, kind)
    return base, _of_host(world, levels, drawn)


def _of_host(world: Compiled, levels: Levels, drawn: _Draw) -> Tensor:
    """Return [N, H]."""
    names = torch.arange(len(HOST_SIGNALS), device=levels.seed.device)
    part = world.hosts.part(drawn.way[:, None], names)
    values = world.hosts.at(part.row, part.own * own(levels.seed[:, None], HOST_PLACE, names.to(torch.int32)))
    share = world.hosts.share
    return values.masked_fill((drawn.unit[:, share] < world.hosts.missing[part.row]) & ~drawn.needed[:, share], torch.nan)


def _of_kind(world: Compiled, levels: Levels, drawn: _Draw, kind: EntityKind) -> Tensor:
    """Return [N, e, C]; of recorded hosts each entity lacks signals for itself, of others only units lack their probe so."""
    device, span = levels.seed.device, world.layout.span(kind)
    names = torch.tensor([n for n, signal in enumerate(ENTITY_SIGNALS) if kind in signal.kinds], device=device)
    slots = torch.arange(span.start, span.stop, dtype=torch.int32, device=device)[:, None]
    seed, way = levels.seed[:, None, None], drawn.way[:, None, None]
    column = KINDS.index(kind) * len(ENTITY_SIGNALS) + names
    part, share = world.entities.part(way, column), world.entities.share[column]
    values = world.entities.at(part.row, part.own * own(seed, slots, names.to(torch.int32)))
    alone = columns(hashed(levels.seed[:, None], slots[:, 0] + MISSING_PLACE), len(_SHARES))[..., share]
    unit = torch.where((share == _PROBE) | (way > 0), alone, drawn.unit[:, None, share])
    needed = torch.where(share == _PROBE, _probed(world, levels)[:, span, None], drawn.needed[:, None, share])
    return values.masked_fill((unit < world.entities.missing[part.row]) & ~needed, torch.nan)


def _probed(world: Compiled, levels: Levels) -> Tensor:
    """Return [N, E] bool: what happens there is seen by a probe only."""
    needs = world.faults.needs[levels.fault, _PROBE].to(torch.int64)
    return torch.zeros_like(levels.rests_on).scatter_add_(1, levels.slot, needs) > 0
