"""Chaos that is drawn evenly: every fault, place, intensity, moment and combination alike. Imports torch.

    kind of level        drawn with
    quiet                nothing happens at all
    decoy                something that looks broken and is fine
    single               one fault
    pair                 two faults on two entities, the second within OVERLAP_S of the first
    buried               two faults on one entity: the second shows when the first has been repaired
    triple               a pair, and one fault buried under its first; never trained, only examined

Shares are exact in expectation and pinned: however chaos evolves, base rates of quiet hosts and decoys stay what they are.
"""

from dataclasses import dataclass, fields
from typing import Final, Protocol

import torch
from torch import Tensor

from orderd.domain.faults import KINDS, EntityKind
from ordertrainer.sim.levels import LANES, NEVER_S, Levels
from ordertrainer.sim.tables import Compiled

ONSET_S: Final = (3.0, 30.0)
OVERLAP_S: Final = 20.0
TRAINED_X: Final = (0.4, 0.8)
"""Intensities that training sees, as a share of the contract's range; the exam asks outside."""
HORIZON_S: Final = 120.0
CORES: Final = (1.0, 2.0, 2.0, 4.0, 4.0, 8.0)
NOISE: Final = (0.3, 2.0)
PACE: Final = (0.5, 2.0)
SLOW: Final = (0.8, 3.0)
FLAKY_MAX: Final = 0.01
FLAKY_SHARE: Final = 0.2
YOUNG_SHARE: Final = 0.2
"""Hosts whose orderd has only just begun to measure."""
RESTS_SHARE: Final = 0.4
"""Services whose data lies on a watched mount."""
OWN_NAMES_SHARE: Final = 0.5
"""Hosts that ask a name server of their own."""
UNIT_SHARE: Final = (0.3, 1.0)
"""Slots of services that are taken on a host: from three to ten, of the layout that is simulated by default."""
MOUNT_SHARE: Final = 0.7
"""Mounts beside the first one that are declared."""
LINK_SHARE: Final = 0.5
"""Links beside the first one."""
STANDS_OUT_SHARE: Final = 0.15
"""Process slots in which a healthy process stands out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How often each kind of level is drawn; they add up to 1.

    Attributes:
        quiet, decoy, single, pair, buried, triple: see above.
        beside: share of levels with one or two faults that have a decoy beside them.
    """

    quiet: float = 0.08
    decoy: float = 0.07
    single: float = 0.45
    pair: float = 0.30
    buried: float = 0.10
    triple: float = 0.0
    beside: float = 0.15

    def __post_init__(self) -> None:
        """Refuse shares that do not add up.

        Raises:
            ValueError: they do not add up to 1.
        """
        if abs(sum(self.kinds) - 1.0) > 1e-6:  # noqa: PLR2004  of rounding
            raise ValueError(f"shares of levels add up to {sum(self.kinds):g}, want 1")

    @property
    def kinds(self) -> tuple[float, ...]:
        """Return the shares of the kinds of levels, in the order of KIND_NAMES."""
        return tuple(getattr(self, name) for name in KIND_NAMES)


KIND_NAMES: Final = tuple(f.name for f in fields(Shares) if f.name != "beside")
_SINGLE, _PAIR, _BURIED, _TRIPLE = (KIND_NAMES.index(name) for name in ("single", "pair", "buried", "triple"))


class Chaos(Protocol):
    """What draws levels."""

    def draw(self, count: int, generator: torch.Generator) -> Levels:
        """Return so many levels; all randomness is the generator's."""
        ...


class Uniform:
    """Draws levels.

    Attributes:
        first: [kind of level, K+1] weights of the first fault, or of the decoy; all on "no fault" where there is none.
        apart: [K+1, K+1] weights of what stands on another entity beside a first fault, by row.
        buried: [K+1, K+1] weights of what lies hidden behind one.
        decoys: [2, K+1] weights of what stands beside faults and is fine, in its first row.
    """

    def __init__(
        self,
        world: Compiled,
        *,
        shares: Shares | None = None,
        faults: Tensor | None = None,
        pairs: Tensor | None = None,
        intensity: tuple[float, float] = TRAINED_X,
        horizon_s: float = HORIZON_S,
    ) -> None:
        """Draw from a catalogue.

        Args:
            world: the catalogue.
            shares: of the kinds of levels.
            faults: [K] bool, the only faults and decoys to draw; by default every one that some signal shows.
            pairs: [K, K] bool, the only pairs to draw, buried ones included; all by default.
            intensity: as a share of each contract's range.
            horizon_s: length of an episode.

        Raises:
            ValueError: there is no fault for a kind of level of which there shall be a share.
        """
        self.world = world
        self.shares = shares or Shares()
        self.intensity = intensity
        self.horizon_s = horizon_s
        device = world.slot_kind.device
        allowed = world.faults.visible[:-1] if faults is None else faults.to(device)
        together = torch.ones(len(allowed), len(allowed), dtype=torch.bool, device=device) if pairs is None else pairs.to(device)
        sick, decoys = allowed & world.faults.sick[:-1], allowed & world.faults.decoy[:-1]
        apart = together & _may_stand_apart(world) & sick
        buried = together & _may_be_buried(world) & sick
        paired, above = sick & apart.any(-1), sick & buried.any(-1)
        firsts = {"decoy": decoys, "single": sick, "pair": paired, "buried": above, "triple": paired & above}
        for name, some in firsts.items():
            if getattr(self.shares, name) > 0.0 and not some.any():
                raise ValueError(f"share of levels of the kind {name!r} is not 0, and no fault that is allowed makes one")
        quiet = torch.zeros_like(sick)
        self.first = _weights(torch.stack([quiet, *(firsts[name] for name in KIND_NAMES[1:])]))
        self.apart, self.buried, self.decoys = (_weights(_with_none(some)) for some in (apart, buried, decoys[None]))

    def draw(self, count: int, generator: torch.Generator) -> Levels:
        """Draw levels.

        Args:
            count: how many.
            generator: source of all randomness, on the catalogue's device.
        """
        draw = _Draw(count, generator, self.world.slot_kind.device)
        kind = torch.multinomial(
            torch.tensor(self.shares.kinds, dtype=torch.float32, device=draw.device), count, replacement=True, generator=generator
        )
        return self._dress(*self._combine(kind, draw), draw)

    def dress(self, fault: Tensor, behind: Tensor, generator: torch.Generator) -> Levels:
        """Draw everything else of hosts to which given faults happen.

        Args:
            fault: [N, L] int64 rows of the catalogue; of those that may be drawn, or nothing that is promised of draws holds.
            behind: [N, L] bool, as of `Levels`.
            generator: as of ``draw``.
        """
        return self._dress(fault, behind, _Draw(len(fault), generator, self.world.slot_kind.device))

    def _dress(self, fault: Tensor, behind: Tensor, draw: "_Draw") -> Levels:
        count, generator = draw.count, draw.generator
        slot = self._place(fault, behind, draw)
        onset_s, ends_s, intensity = self._when(fault, behind, draw)
        there, rests_on = self._host(fault, slot, draw)
        return Levels(
            seed=torch.randint(0, 1 << 31, (count,), generator=generator, dtype=torch.int32, device=draw.device),
            fault=fault,
            slot=slot,
            intensity=intensity,
            onset_s=onset_s,
            ends_s=ends_s,
            behind=behind,
            there=there,
            rests_on=rests_on,
            cores=torch.tensor(CORES, device=draw.device)[draw.whole(len(CORES))],
            noise=draw.between(*NOISE),
            flaky=draw.between(0.0, FLAKY_MAX) * (draw.between(0.0, 1.0) < FLAKY_SHARE),
            pace=draw.between(*PACE),
            slow=draw.between(*SLOW),
            seen_from_s=torch.where(draw.between(0.0, 1.0) < YOUNG_SHARE, torch.floor(draw.between(-64.0, 0.0)), -NEVER_S),
            horizon_s=torch.full((count,), self.horizon_s, device=draw.device),
        )

    def _combine(self, kind: Tensor, draw: "_Draw") -> tuple[Tensor, Tensor]:
        """Draw which faults: uniform over those allowed, the second uniform over what may stand beside or behind the first."""
        buries = (kind == _BURIED) | (kind == _TRIPLE)
        first = draw.one_of(self.first[kind])
        none = torch.full_like(first, self.world.no_fault)
        second = torch.where((kind == _PAIR) | (kind == _TRIPLE), draw.one_of(self.apart[first]), none)
        beside = (draw.between(0.0, 1.0) < self.shares.beside) & ((kind == _SINGLE) | (kind == _PAIR))
        decoy = torch.where(beside, draw.one_of(self.decoys[torch.zeros_like(first)]), none)
        third = torch.where(buries, draw.one_of(self.buried[first]), decoy)
        behind = torch.stack((torch.zeros_like(buries), torch.zeros_like(buries), buries), -1)
        return torch.stack((first, second, third), -1), behind

    def _place(self, fault: Tensor, behind: Tensor, draw: "_Draw") -> Tensor:
        """Draw where: uniform over the slots of its kind, two of one kind on two; a name server's faults on the name server."""
        layout, kinds = self.world.layout, self.world.faults.kind[fault].clamp(min=0)
        first = torch.tensor([layout.first(kind) for kind in KINDS], device=draw.device)[kinds]
        count = torch.tensor([layout.count(kind) for kind in KINDS], device=draw.device)[kinds]
        serves = self.world.faults.serves_names[fault]
        ordinary = (self.world.faults.kind[fault] == KINDS.index(EntityKind.UNIT)) & ~serves
        count = count - (ordinary & serves.any(-1, keepdim=True)).to(count.dtype)
        # Neighbouring lanes take neighbouring slots, so that two of one kind never meet.
        at = draw.whole(1 << 20)[:, None] + torch.arange(LANES, device=draw.device)
        slot = torch.where(serves, layout.resolver_unit, first + at % count)
        return torch.where(behind, slot[:, :1], slot)

    def _when(self, fault: Tensor, behind: Tensor, draw: "_Draw") -> tuple[Tensor, Tensor, Tensor]:
        """Draw when and how strong: onsets uniform in ONSET_S, later ones uniform in OVERLAP_S after the first."""
        some = fault != self.world.no_fault
        begins = torch.floor(draw.between(*ONSET_S))[:, None]
        later = torch.stack([torch.floor(draw.between(0.0, OVERLAP_S)) for _ in range(LANES - 1)], -1)
        onset_s = torch.cat((begins, begins + later), -1)
        onset_s = torch.where(some, torch.where(behind, begins, onset_s), NEVER_S)
        intensity = torch.stack([draw.between(*self.intensity) for _ in range(LANES)], -1)
        lasts = self.world.faults.lasts_s[fault]
        lasts_s = torch.ceil(lasts[..., 0] + (lasts[..., 1] - lasts[..., 0]) * intensity)
        return onset_s, torch.clamp(onset_s + lasts_s, max=NEVER_S), intensity

    def _host(self, fault: Tensor, slot: Tensor, draw: "_Draw") -> tuple[Tensor, Tensor]:
        """Draw what is there and what rests on what; where a fault happens there is something for it to happen to."""
        layout, slots = self.world.layout, self.world.layout.slots
        there = torch.ones(len(fault), slots, dtype=torch.bool, device=draw.device)
        units, processes = layout.span(EntityKind.UNIT), layout.span(EntityKind.PROCESS)
        spare = slice(layout.first(EntityKind.MOUNT) + 1, layout.span(EntityKind.MOUNT).stop)
        there[:, units] = draw.each(layout.units) < draw.between(*UNIT_SHARE)[:, None]
        links = slice(layout.first(EntityKind.NIC) + 1, layout.span(EntityKind.NIC).stop)
        there[:, spare] = draw.each(layout.mounts - 1) < MOUNT_SHARE
        there[:, links] = draw.each(layout.nics - 1) < LINK_SHARE
        there[:, processes] = draw.each(layout.processes) < STANDS_OUT_SHARE
        there = there.scatter(1, slot, ~self.world.faults.starts[fault] | (fault == self.world.no_fault))
        rests_on = torch.full((len(fault), slots), slots, device=draw.device)
        mounts = layout.first(EntityKind.MOUNT) + (draw.each(layout.units) * layout.mounts).to(torch.int64)
        rests_on[:, units] = torch.where(draw.each(layout.units) < RESTS_SHARE, mounts, slots)
        serves = self.world.faults.serves_names[fault].any(-1)
        own_names = (draw.between(0.0, 1.0) < OWN_NAMES_SHARE) | serves
        names = torch.where(own_names, layout.resolver_unit, layout.first(EntityKind.NIC))
        rests_on[:, layout.first(EntityKind.RESOLVER)] = names
        there[:, layout.resolver_unit] |= own_names
        return there, rests_on


def _with_none(allowed: Tensor) -> Tensor:
    """Return [K+1, K] bool: nothing is allowed with "no fault", the row of which comes last."""
    return torch.cat((allowed, torch.zeros_like(allowed[:1])))


def _weights(allowed: Tensor) -> Tensor:
    """Return equal weights for what is allowed, and all weight on "no fault", which is put last, where nothing is."""
    return torch.cat((allowed, ~allowed.any(-1, keepdim=True)), -1).to(torch.float32)


def _may_stand_apart(world: Compiled) -> Tensor:
    """Return [K, K] bool: pairs for which there are two entities."""
    kinds, serves = world.faults.kind[:-1], world.faults.serves_names[:-1]
    counts = torch.tensor([world.layout.count(kind) for kind in KINDS], device=kinds.device)[kinds]
    alone = (kinds[:, None] == kinds) & (counts < 2)  # noqa: PLR2004  two of a kind
    return ~alone & ~(serves[:, None] & serves)


def _may_be_buried(world: Compiled) -> Tensor:
    """Return [K, K] bool: what may lie hidden behind what, by row.

    What the repair of the first ends as well is no second fault; a process of a fault's own making is no place for another; and
    not every unit is a name server.
    """
    faults = world.faults
    kinds, starts = faults.kind[:-1], faults.starts[:-1]
    cures = faults.cures[:-1].to(torch.float32)
    same = (kinds[:, None] == kinds) & ~torch.eye(len(kinds), dtype=torch.bool, device=kinds.device)
    return same & ((cures @ cures.T) == 0) & ~starts & ~faults.serves_names[:-1]


class _Draw:
    """One generator, and the shapes that are drawn from it."""

    def __init__(self, count: int, generator: torch.Generator, device: torch.device) -> None:
        self.count = count
        self.device = device
        self.generator = generator

    def between(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self.count, generator=self.generator, device=self.device)

    def each(self, width: int) -> Tensor:
        return torch.rand(self.count, width, generator=self.generator, device=self.device)

    def whole(self, below: int) -> Tensor:
        return torch.randint(0, below, (self.count,), generator=self.generator, device=self.device)

    def one_of(self, weights: Tensor) -> Tensor:
        """Draw a row of the catalogue for each host, from [N, K+1] weights."""
        return torch.multinomial(weights, 1, generator=self.generator)[:, 0]
