"""What was tried on each host in an episode, and how it ended. Pure; imports torch.

Axes: A attempt, N host.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final, Self

import torch
from torch import Tensor

from orderd.config.schema import DecisionConfig
from ordertrainer.sim.levels import NEVER_S
from ordertrainer.sim.tables import Compiled, Tensors, some

ATTEMPTS: Final = DecisionConfig().repairs_per_incident
"""Remembered for each host; orderd itself calls a person after as many."""


class How(IntEnum):
    """How an attempt ended."""

    NONE = 0
    HELPED = 2
    IN_VAIN = 3
    NOT_THE_CASE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts(Tensors):
    """The last attempts of each host that have ended; the oldest makes room.

    Attributes:
        slot: [A, N] int8, E where there is none.
        repair: [A, N] int8, R where there is none.
        how: [A, N] int8, see How.
        failed: [A, N] bool, it did not help, and no fault of its entity was ended since.
        killed: [A, N] bool, it stopped a process that should have been left alone.
        ended_s: [A, N] when the playbook ended, NEVER_S where there is none.
        next: [N] int8 place of the next one.
    """

    HOSTS: ClassVar[int] = -1

    slot: Tensor
    repair: Tensor
    how: Tensor
    failed: Tensor
    killed: Tensor
    ended_s: Tensor
    next: Tensor

    @classmethod
    def none(cls, world: Compiled, count: int, device: torch.device) -> Self:
        """Return those of hosts on which nothing was tried."""
        shape = (ATTEMPTS, count)
        return cls(
            slot=torch.full(shape, world.layout.slots, dtype=torch.int8, device=device),
            repair=torch.full(shape, world.no_repair, dtype=torch.int8, device=device),
            how=torch.full(shape, int(How.NONE), dtype=torch.int8, device=device),
            failed=torch.zeros(shape, dtype=torch.bool, device=device),
            killed=torch.zeros(shape, dtype=torch.bool, device=device),
            ended_s=torch.full(shape, NEVER_S, device=device),
            next=torch.zeros(count, dtype=torch.int8, device=device),
        )

    def add(
        self, ended: Tensor, slot: Tensor, repair: Tensor, *, how: Tensor, clears: Tensor, kills: Tensor, at_s: Tensor
    ) -> Self:
        """Return them with one more on some hosts, all [N].

        Args:
            ended: hosts on which one ended.
            slot: where it was tried.
            repair: what was tried.
            how: it ended.
            clears: it ended a fault, so that whatever fails on its entity from now on is a matter of its own.
            kills: it stopped a process that should have been left alone.
            at_s: now.
        """
        here = (_places(self.next) == self.next) & ended
        kept = self.failed & ~((self.slot == slot) & clears)
        following = self.next + ended.view(torch.int8)
        return type(self)(
            slot=torch.where(here, slot, self.slot),
            repair=torch.where(here, repair, self.repair),
            how=torch.where(here, how, self.how),
            failed=torch.where(here, (how >= How.IN_VAIN) & ~clears, kept),
            killed=torch.where(here, kills, self.killed),
            ended_s=torch.where(here, at_s, self.ended_s),
            next=following * (following < ATTEMPTS),
        )

    def tried(self, slot: Tensor, repair: Tensor) -> Tensor:
        """Tell whether a repair was tried in vain on a slot, for what fails there now: [N] for [N] slots and repairs."""
        return some(self.failed & (self.slot == slot) & (self.repair == repair))

    def emptied(self, slot: Tensor) -> Tensor:
        """Tell whether the process was stopped that was in a slot from the beginning: [N] for [N] slots."""
        return some(self.killed & (self.slot == slot))


def _places(like: Tensor) -> Tensor:
    return torch.arange(ATTEMPTS, dtype=like.dtype, device=like.device)[:, None]
