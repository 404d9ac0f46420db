"""Levels: settings of the simulator, one for each host. Values only; imports torch.

A level is small and says everything: the same level is always the same host with the same troubles at the same seconds. So
levels can be kept, played again and mutated, which is what chaos that evolves needs.

Axes: N host, L lane (a place for one fault or decoy), E slot.
"""

from dataclasses import dataclass, fields, replace
from typing import Final, Self

import torch
from torch import Tensor

from orderd.domain.faults import KINDS
from ordertrainer.sim.tables import Compiled, Tensors

LANES: Final = 3
"""Two faults that overlap, and a third: behind the first on its slot, or a decoy beside them."""
NEVER_S: Final = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels(Tensors):
    """One host each.

    Attributes:
        seed: [N] int32, of all that the host measures while it is in order, and of its noise.
        fault: [N, L] int64 row of the catalogue, K for none.
        slot: [N, L] int64 where.
        intensity: [N, L] 0 to 1 of the contract's range.
        onset_s: [N, L] when it lands, NEVER_S for none.
        ends_s: [N, L] when it ends by itself, NEVER_S for what somebody has to end.
        behind: [N, L] bool, hidden for as long as lane 0 is there, which happens to the same slot.
        there: [N, E] bool, an entity is in that slot from the beginning.
        rests_on: [N, E] int64 slot without which this one cannot work; E: on none.
        cores: [N] of the host.
        noise: [N] factor of how much its signals vary.
        flaky: [N] probability that a probe fails in a second for no reason.
        pace: [N] factor of how fast things fill up: a small disk is full sooner.
        slow: [N] factor of how long its repairs take.
        seen_from_s: [N] when orderd began to measure; before 0, windows are whole from the start.
        horizon_s: [N] when the episode is cut off.
    """

    seed: Tensor
    fault: Tensor
    slot: Tensor
    intensity: Tensor
    onset_s: Tensor
    ends_s: Tensor
    behind: Tensor
    there: Tensor
    rests_on: Tensor
    cores: Tensor
    noise: Tensor
    flaky: Tensor
    pace: Tensor
    slow: Tensor
    seen_from_s: Tensor
    horizon_s: Tensor

    def __len__(self) -> int:
        """Return N."""
        return len(self.seed)

    def take(self, where: Tensor) -> Self:
        """Return some of these, in that order: [n] int64 places."""
        return replace(self, **{f.name: getattr(self, f.name).index_select(0, where) for f in fields(self)})


def afflict(world: Compiled, levels: Levels, fault: str, *, lane: int = 0, slot: int | None = None, **of_lane: float) -> Levels:
    """Return levels in which a fault happens besides.

    Args:
        world: the catalogue.
        levels: to begin with.
        fault: its name, or a decoy's.
        lane: where it is kept; what was there is gone.
        slot: where it happens; by default the first one of its kind, or the host's own name server.
        of_lane: other fields of the lane: ``onset_s``, ``ends_s``, ``intensity``, ``behind``.
    """
    row = world.fault_names.index(fault)
    kind = KINDS[int(world.faults.kind[row])]
    by_default = world.layout.resolver_unit if world.faults.serves_names[row] else world.layout.first(kind)
    slot = by_default if slot is None else slot
    values = {"fault": row, "slot": slot, "intensity": 0.5, "onset_s": 0.0, "ends_s": NEVER_S, "behind": False, **of_lane}
    changed = {name: getattr(levels, name).clone() for name in (*values, "there")}
    for name, value in values.items():
        changed[name][:, lane] = value
    changed["there"][:, slot] = ~world.faults.starts[row]
    return replace(levels, **changed)


def concatenate(several: list[Levels]) -> Levels:
    """Return levels one after another."""
    return Levels(**{f.name: torch.cat([getattr(levels, f.name) for levels in several]) for f in fields(Levels)})
