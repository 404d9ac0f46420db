"""Chaos that keeps to the locked split, and refuses what no training may see. Imports torch.

Axes: N host, L lane, K fault.
"""

import torch
from torch import Tensor

from orderd.domain.signals import ENTITY_SIGNALS
from ordertrainer.heldout import HeldOut, Part
from ordertrainer.sim import Compiled, Levels, Shares, Uniform
from ordertrainer.sim.healthy import ENTITY


class Locked:
    """The locked split as tables of one catalogue.

    Attributes:
        held: what the file says.
        pairs: [K, K] bool, the pairs that are trained.
    """

    def __init__(self, world: Compiled, held: HeldOut) -> None:
        """Look every name up once."""
        self.world, self.held = world, held
        names = world.fault_names
        device = world.slot_kind.device
        self.pairs = torch.tensor([[not held.pair_is_held(one, other) for other in names] for one in names], device=device)

    def families(self, *parts: Part) -> Tensor:
        """Return [K] bool: the faults and decoys of some parts that a signal shows."""
        names = self.world.fault_names
        mine = torch.tensor([self.held.part(name) in parts for name in names], device=self.pairs.device)
        return mine & self.world.faults.visible[:-1]

    def signals(self) -> Tensor:
        """Return [F] bool: the entity signals that training shows moving, by a trained fault or by themselves."""
        moved = self.world.own.moved[:-1][self.families(Part.TRAIN)].any(0)
        healthy = [ENTITY[signal.name] for signal in ENTITY_SIGNALS]
        alive = torch.tensor([each.noise > 0.0 or each.low != each.high for each in healthy], device=moved.device)
        return moved | alive

    def refuse(self, levels: Levels) -> None:
        """Refuse levels that no training may see.

        Raises:
            HeldOutError: there is one; names what is held out of the first.
        """
        if (wrong := self._forbidden(levels).nonzero()[:, 0].tolist()) == []:
            return
        there = [lane for lane in range(levels.fault.shape[1]) if int(levels.fault[wrong[0], lane]) != self.world.no_fault]
        faults = [int(levels.fault[wrong[0], lane]) for lane in there]
        names = [self.world.fault_names[fault] for fault in faults]
        self.held.check(names, [float(levels.intensity[wrong[0], lane]) for lane in there])
        self.held.check_together([self.world.fault_names[fault] for fault in faults if bool(self.world.faults.sick[fault])])

    def _forbidden(self, levels: Levels) -> Tensor:
        """Return [N] bool, by tables: a training draws many thousands of levels."""
        none, fault = self.world.no_fault, levels.fault
        untrained = torch.cat((~self.families(Part.TRAIN), self.pairs.new_zeros(1)))[fault]
        low, high = self.held.intensity
        outside = ((levels.intensity < low) | (levels.intensity > high)) & (fault != none)
        sick = self.world.faults.sick[fault]
        apart = torch.nn.functional.pad(~self.pairs, (0, 1, 0, 1))
        held = apart[fault[:, :, None], fault[:, None, :]] & sick[:, :, None] & sick[:, None, :]
        held &= torch.ones_like(held[0]).triu(1)
        return (untrained | outside).any(-1) | held.flatten(1).any(-1) | (sick.sum(-1) > 2)  # noqa: PLR2004  a pair


class Trained(Uniform):
    """Draws what may be trained on, evenly, and proves it of every draw."""

    def __init__(self, world: Compiled, held: HeldOut, shares: Shares | None = None) -> None:
        """Draw from the trained families and pairs of a catalogue, at trained intensities.

        Args:
            world: the catalogue.
            held: the locked split.
            shares: of the kinds of levels; triples must have none.
        """
        self.locked = Locked(world, held)
        super().__init__(
            world,
            shares=shares,
            faults=self.locked.families(Part.TRAIN),
            pairs=self.locked.pairs,
            intensity=held.intensity,
        )

    def draw(self, count: int, generator: torch.Generator) -> Levels:
        """Draw levels; arguments as of ``Uniform.draw``.

        Raises:
            HeldOutError: what was drawn may not be trained on.
        """
        levels = super().draw(count, generator)
        self.locked.refuse(levels)
        return levels
