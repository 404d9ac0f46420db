"""Kinds of levels, families, and how often flat chaos draws them. Imports torch.

A *stratum* is what a lane of a level of some kind holds. Replay keeps every level's weight such that all strata come as often as
flat chaos would draw them, whatever is hard at the moment: so base rates of kinds, of families and of decoys beside them never
drift. That is raking: weights are scaled lane by lane until all margins are right.

Axes: N level, L lane, Y kind of level, K fault.

References:
    Deming and Stephan 1940, On a Least Squares Adjustment of a Sampled Frequency Table When the Expected Marginal Totals are
    Known.
"""

from typing import Final

import torch
from torch import Tensor

from ordertrainer.sim import Compiled, Levels, Uniform
from ordertrainer.sim.chaos import KIND_NAMES
from ordertrainer.sim.levels import LANES

QUIET, DECOY, SINGLE, PAIR, BURIED, TRIPLE = (
    KIND_NAMES.index(n) for n in ("quiet", "decoy", "single", "pair", "buried", "triple")
)
ROUNDS: Final = 30
"""Of raking; margins are then right to a thousandth wherever there is a level for each."""


def kinds_of(world: Compiled, levels: Levels) -> Tensor:
    """Return [N] int64: index in KIND_NAMES."""
    sick, none = world.faults.sick[levels.fault].sum(-1), levels.fault == world.no_fault
    hidden = (levels.behind & ~none).any(-1)
    calm = torch.where(none.all(-1), QUIET, DECOY)
    of_two = torch.where(hidden, BURIED, PAIR)
    several = torch.where(sick == 2, of_two, TRIPLE)  # noqa: PLR2004  two faults
    return torch.where(sick == 0, calm, torch.where(sick == 1, SINGLE, several))


def strata(world: Compiled, levels: Levels) -> Tensor:
    """Return [L, N] int64: a number for what each lane of each level holds."""
    width = world.no_fault + 1
    lane = torch.arange(LANES, device=levels.fault.device)[:, None] * (len(KIND_NAMES) * width)
    return lane + kinds_of(world, levels) * width + levels.fault.T


def flat_rates(chaos: Uniform) -> Tensor:
    """Return [L * Y * (K+1)]: how often flat chaos draws each stratum; each lane's rates add up to 1.

    Follows from its tables, as ``Uniform.draw`` combines them.
    """
    first = chaos.first / chaos.first.sum(-1, keepdim=True)
    apart, buried = (table / table.sum(-1, keepdim=True) for table in (chaos.apart, chaos.buried))
    decoys = chaos.decoys[0] / chaos.decoys[0].sum()
    none = torch.nn.functional.one_hot(torch.tensor(chaos.world.no_fault), len(decoys)).to(first)
    beside = chaos.shares.beside * decoys + (1.0 - chaos.shares.beside) * none
    rates = torch.zeros(LANES, len(KIND_NAMES), len(none), device=first.device)
    for kind, share in enumerate(chaos.shares.kinds):
        second = first[kind] @ apart if kind in {PAIR, TRIPLE} else none
        hidden = first[kind] @ buried if kind in {BURIED, TRIPLE} else none
        third = hidden if kind in {BURIED, TRIPLE} else beside if kind in {SINGLE, PAIR} else none
        rates[:, kind] = share * torch.stack((first[kind], second, third))
    return rates.flatten()


def raked(weight: Tensor, place: Tensor, rates: Tensor) -> Tensor:
    """Return [N] weights that add up to 1, with margins as wanted and otherwise in proportion to those given.

    Args:
        weight: [N] above 0.
        place: [L, N] of ``strata``.
        rates: [L * Y * (K+1)] of ``flat_rates``.
    """
    weight = weight / weight.sum()
    for _ in range(ROUNDS):
        for lane in place:
            there = torch.zeros_like(rates).scatter_add_(0, lane, weight)
            weight = weight * (rates / there.clamp(min=1e-12))[lane]
    return weight / weight.sum()


def spread(weight: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return [count] int64 places drawn in proportion to weights that add up to 1, evenly spread.

    One random number places all draws at equal distances, so that what comes first, sorted by kind, comes as often as it should
    and not only on average.
    """
    start = torch.rand(1, generator=generator, device=weight.device)
    at = (torch.arange(count, device=weight.device) + start) / count
    # The sum of many weights is 1 up to rounding only.
    return torch.searchsorted(weight.cumsum(0), at).clamp(max=len(weight) - 1)
