"""Moments to learn from, kept small. Values only; imports torch.

A window of 16 entities is mostly columns that its kinds do not have. They are left out while a moment waits, and put back as
missing when it is drawn: a quarter of the memory.

Axes: n moment, B of them drawn, E slot, S slot of the window, H host signal, F entity signal, Q column that some slot carries,
L lane, R repair.
"""

from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from ordertrainer.nets.policy import Inputs
from ordertrainer.policy.labels import Labels
from ordertrainer.sim.signals import Observation
from ordertrainer.sim.tables import Compiled, Tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions(Tensors):
    """What was seen, what might be done, and what was right.

    Attributes:
        host: [n, S, H] float32.
        columns: [n, S, Q] float32.
        present: [n, E] bool.
        tried: [n, E, R] int8, as in ``nets.policy.Inputs``.
        mask: [n, E * R + 3] bool.
        right: [n, L] int16 actions.
        failure: [n, E] int8.
        wrong: [n] bool.
        weight: [n] float32, how much it counts.
    """

    host: Tensor
    columns: Tensor
    present: Tensor
    tried: Tensor
    mask: Tensor
    right: Tensor
    failure: Tensor
    wrong: Tensor
    weight: Tensor

    def __len__(self) -> int:
        """Return n."""
        return len(self.weight)

    def take(self, where: Tensor) -> Self:
        """Return some of these, in that order: [B] int64 places."""
        return type(self)(**{f.name: getattr(self, f.name).index_select(0, where) for f in fields(self)})

    def first(self, count: int) -> Self:
        """Return at most so many, from the beginning; what is left out takes no memory any more."""
        if count >= len(self):
            return self
        return type(self)(**{f.name: getattr(self, f.name)[:count].clone() for f in fields(self)})


def concatenate(several: list[Decisions]) -> Decisions:
    """Return moments one after another."""
    return Decisions(**{f.name: torch.cat([getattr(each, f.name) for each in several]) for f in fields(Decisions)})


def keep(
    world: Compiled, where: Tensor, *, seen: Observation, tried: Tensor, mask: Tensor, told: Labels, weight: Tensor
) -> Decisions:
    """Keep some hosts of a moment.

    Args:
        world: the catalogue.
        where: [n] int64 hosts.
        seen: what orderd sees of all hosts.
        tried: [N, E, R] int64, `ordertrainer.sim.candidates.outcomes`.
        mask: [N, actions] bool.
        told: what is right and true.
        weight: [n] how much each counts.
    """
    rows = seen.rows.index_select(0, where).transpose(1, 2).flatten(2)
    return Decisions(
        host=seen.host.index_select(0, where),
        columns=rows[..., world.carried.flatten()],
        present=seen.present.index_select(0, where),
        tried=tried.index_select(0, where).to(torch.int8),
        mask=mask.index_select(0, where),
        right=told.right.index_select(0, where).to(torch.int16),
        failure=told.failure.index_select(0, where).to(torch.int8),
        wrong=told.wrong.index_select(0, where),
        weight=weight,
    )


def inputs(world: Compiled, contracts: Tensor, kept: Decisions) -> Inputs:
    """Return what a network saw at some moments."""
    count, slots = kept.columns.shape[:2]
    carried = world.carried
    rows = kept.columns.new_full((count, slots, carried.numel()), torch.nan)
    rows[..., carried.flatten()] = kept.columns
    entities = rows.unflatten(-1, carried.shape).transpose(1, 2)
    return Inputs(
        host=kept.host,
        entities=entities,
        kind=world.slot_kind.expand(count, -1),
        present=kept.present,
        tried=kept.tried.to(torch.int64),
        unmet=unmet(world, entities),
        contracts=contracts,
        mask=kept.mask,
    )


def unmet(world: Compiled, entities: Tensor) -> Tensor:
    """Return [B, E, R] bool for [B, E, S, F]: what the newest sample shows is not what a repair's contract calls healthy."""
    return ~world.repairs.healthy.hold(entities[:, :, 0])
