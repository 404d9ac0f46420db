"""Chaos that learns what hurts: a model of regret, and draws in proportion to what it expects. Imports torch.

A level is a row of choices: its kind, its faults, how strong, how far apart, and what kind of host. The model says that regret
is a sum of what was chosen, which ridge regression learns from every drill; old drills fade. Choices are drawn with
exp(expected regret / TEMPERATURE_S), mixed with even draws. The mixture is the entropy floor: of n choices a share ``floor`` of
log n at the least, as entropy is concave. So it never draws one thing alone, and never forgets to look at what is harmless now.

What it draws keeps to the locked split: faults and pairs come from the tables of `ordertrainer.policy.levels.Trained`.

Axes: N level, L lane, C choice, D column of the regression, K fault.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor

from ordertrainer.evolve.strata import BURIED, PAIR, SINGLE
from ordertrainer.sim import Levels, Uniform
from ordertrainer.sim.chaos import NOISE, OVERLAP_S, PACE, SLOW
from ordertrainer.sim.levels import LANES, NEVER_S

KINDS_DRAWN: Final = (SINGLE, PAIR, BURIED)
TEMPERATURE_S: Final = 8.0
PRIOR: Final = 2.0
"""Drills that "no difference" counts for."""
BINS: Final = {"strength": 4, "gap": 4, "noise": 3, "pace": 3, "slow": 3, "young": 2}
"""Choices beside kind and faults; equal parts of the range that flat chaos draws from."""
NAMES: Final = ("kind", "first", "second", *BINS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What was drawn.

    Attributes:
        levels: N.
        chosen: [N, C] int64 column of the regression for each choice, -1 where there was none to make.
    """

    levels: Levels
    chosen: Tensor


class Learned:
    """Draws levels that it expects to hurt."""

    def __init__(self, flat: Uniform, *, floor: float, fades: float) -> None:
        """Begin with no expectation.

        Args:
            flat: whose levels may be drawn.
            floor: of the entropy of each choice, as a share of the most there can be.
            fades: what a drill before the last lesson counts for.
        """
        self._flat, self._floor, self._fades = flat, floor, fades
        world = flat.world
        self._device = world.slot_kind.device
        widths = {"kind": len(KINDS_DRAWN), "first": world.no_fault + 1, "second": world.no_fault + 1, **BINS}
        self._begins = {name: sum([*widths.values()][:place]) for place, name in enumerate(widths)}
        self._widths, size = widths, sum(widths.values()) + 1
        self._square = torch.zeros(size, size, dtype=torch.float64)
        self._product = torch.zeros(size, dtype=torch.float64)

    def expected_s(self) -> dict[str, Tensor]:
        """Return seconds of regret that each choice adds, by name."""
        ridge = self._square + PRIOR * torch.eye(len(self._square), dtype=torch.float64)
        # What is the same whatever is chosen is a column of its own, and hardly held back.
        ridge[-1, -1] = self._square[-1, -1] + 1e-3
        adds = torch.linalg.solve(ridge, self._product).to(self._device, torch.float32)
        return {name: adds[begin : begin + self._widths[name]] for name, begin in self._begins.items()}

    def probability(self, adds_s: Tensor, allowed: Tensor) -> Tensor:
        """Return [..., X] with which each of [..., X] choices is drawn, of those that are allowed.

        Args:
            adds_s: [X] seconds.
            allowed: [..., X] bool, at least one.
        """
        wanted = (adds_s / TEMPERATURE_S).expand_as(allowed).masked_fill(~allowed, -torch.inf).softmax(-1)
        even = allowed / allowed.sum(-1, keepdim=True)
        return (1.0 - self._floor) * wanted + self._floor * even

    def draw(self, count: int, generator: torch.Generator) -> Levels:
        """Draw levels; arguments as of ``Uniform.draw``."""
        return self.choose(count, generator).levels

    def choose(self, count: int, generator: torch.Generator) -> Choices:
        """Draw levels, and say what was chosen.

        Args:
            count: how many.
            generator: source of all randomness, on the catalogue's device.
        """
        adds_s, flat, none = self.expected_s(), self._flat, self._flat.world.no_fault
        draw = _Draw(self, adds_s, count, generator)
        shares = torch.tensor([flat.shares.kinds[kind] for kind in KINDS_DRAWN], device=self._device)
        which = draw.one_of("kind", (shares > 0).expand(count, -1))
        kind = torch.tensor(KINDS_DRAWN, device=self._device)[which]
        first = draw.one_of("first", flat.first[kind] > 0)
        buries, pairs = kind == BURIED, kind == PAIR
        beside = torch.where(buries[:, None], flat.buried[first], flat.apart[first]) > 0
        alone = torch.nn.functional.one_hot(torch.full_like(first, none), none + 1).bool()
        second = draw.one_of("second", torch.where((buries | pairs)[:, None], beside, alone))
        nothing = torch.full_like(first, none)
        fault = torch.stack((first, torch.where(pairs, second, nothing), torch.where(buries, second, nothing)), -1)
        behind = torch.zeros_like(fault, dtype=torch.bool)
        behind[:, LANES - 1] = buries
        bins = {
            name: draw.one_of(name, torch.ones(count, width, dtype=torch.bool, device=self._device))
            for name, width in BINS.items()
        }
        levels = self._shaped(flat.dress(fault, behind, generator), bins, draw)
        picks = {"kind": which, "first": first, "second": second, **bins}
        chosen = torch.stack([picks[name] + self._begins[name] for name in NAMES], -1)
        chosen[:, NAMES.index("second")].masked_fill_(~(buries | pairs), -1)
        chosen[:, NAMES.index("gap")].masked_fill_(~pairs, -1)
        return Choices(levels=levels, chosen=chosen)

    def _shaped(self, levels: Levels, bins: Mapping[str, Tensor], draw: "_Draw") -> Levels:
        """Return levels with traits from the chosen parts of their ranges."""
        low, high = self._flat.intensity
        strength = draw.within(bins["strength"], BINS["strength"], low, high)
        gap_s = torch.floor(draw.within(bins["gap"], BINS["gap"], 0.0, OVERLAP_S))
        onset_s = levels.onset_s.clone()
        onset_s[:, 1] = torch.where(onset_s[:, 1] < NEVER_S, onset_s[:, 0] + gap_s, NEVER_S)
        started = torch.floor(-64.0 * draw.even())
        return replace(
            levels,
            intensity=strength[:, None].expand(-1, LANES).clamp(low, high).contiguous(),
            onset_s=onset_s,
            noise=draw.within(bins["noise"], BINS["noise"], *NOISE),
            pace=draw.within(bins["pace"], BINS["pace"], *PACE),
            slow=draw.within(bins["slow"], BINS["slow"], *SLOW),
            seen_from_s=torch.where(bins["young"] == 1, started, -NEVER_S),
        )

    def learn(self, chosen: Tensor, regret_s: Tensor) -> None:
        """Learn from drills.

        Args:
            chosen: [n, C] of ``Choices``.
            regret_s: [n] seconds.
        """
        rows = torch.zeros(len(chosen), len(self._product), dtype=torch.float64)
        picked, regret = chosen.cpu(), regret_s.cpu().to(torch.float64)
        rows.scatter_add_(1, picked.clamp(min=0), (picked >= 0).to(torch.float64))
        rows[:, -1] = 1.0
        self._square = self._fades * self._square + rows.T @ rows
        self._product = self._fades * self._product + rows.T @ regret

    def state(self) -> dict[str, Any]:
        """Return everything that changes, as tensors."""
        return {"square": self._square, "product": self._product}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        self._square, self._product = state["square"].clone(), state["product"].clone()


class _Draw:
    """One generator, and choices drawn with it."""

    def __init__(self, chaos: Learned, adds_s: Mapping[str, Tensor], count: int, generator: torch.Generator) -> None:
        self._chaos, self._adds_s, self._count, self._generator = chaos, adds_s, count, generator

    def one_of(self, name: str, allowed: Tensor) -> Tensor:
        probability = self._chaos.probability(self._adds_s[name], allowed)
        return torch.multinomial(probability, 1, generator=self._generator)[:, 0]

    def even(self) -> Tensor:
        return torch.rand(self._count, generator=self._generator, device=self._generator.device)

    def within(self, place: Tensor, parts: int, low: float, high: float) -> Tensor:
        return low + (high - low) * (place + self.even()) / parts
