"""Chaos as a population, and the even chaos that it is held against. Imports torch.

    flat       40 %  every fault, place, moment and pair alike
    calm       15 %  quiet hosts and decoys, pinned: whatever is hard, most of a host's life is this
    replay     30 %  levels that were played, by learnability, half of them mutated; strata as flat chaos has them (`strata`)
    learned    15 %  chaos that learns what hurts, never below its entropy floor; a quarter of it as it was generations ago

Counts are exact in every iteration. All that is drawn is checked against the locked split, whoever drew it.

Axes: N drill, C choice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Protocol

import torch
from torch import Tensor

from ordertrainer.evolve.archive import Archive, mutated
from ordertrainer.evolve.learned import NAMES, Learned
from ordertrainer.evolve.strata import flat_rates, raked, spread, strata
from ordertrainer.heldout import HeldOut
from ordertrainer.policy.levels import Trained
from ordertrainer.sim import Compiled, Levels, Shares
from ordertrainer.sim.levels import concatenate

FLOOR: Final = 0.3
"""Of the learned chaos's entropy."""
FADES: Final = 0.9
GREED: Final = 2.0
"""Power of learnability with which is replayed."""
MUTATED: Final = 0.5
"""Share of what is replayed."""
PAST: Final = 0.25
"""Share of the learned chaos that is drawn by one of its past generations."""
GENERATIONS_MAX: Final = 8
"""That are drawn from; evenly spread over all there were."""


class Source(IntEnum):
    """Who drew a level."""

    FLAT = 0
    CALM = 1
    REPLAY = 2
    LEARNED = 3


SHARES: Final = {Source.FLAT: 0.40, Source.CALM: 0.15, Source.REPLAY: 0.30, Source.LEARNED: 0.15}
_NOTHING: Final = dict.fromkeys(("quiet", "decoy", "single", "pair", "buried"), 0.0)
_EVEN: Final = Shares()
_CALM: Final = _EVEN.quiet + _EVEN.decoy


@dataclass(frozen=True, slots=True, kw_only=True)
class Drills:
    """What is to be lived.

    Attributes:
        levels: N.
        source: [N] int64 of Source.
        chosen: [N, C] of the learned chaos, -1 elsewhere.
        place: [N] int64 in the archive, -1 for levels that are not in it.
    """

    levels: Levels
    source: Tensor
    chosen: Tensor
    place: Tensor


class Evolving(Protocol):
    """Chaos that may learn from drills."""

    def draw(self, count: int, generator: torch.Generator) -> Drills:
        """Draw an iteration's drills."""
        ...

    def learn(self, drills: Drills, settled: Tensor, regret_s: Tensor) -> None:
        """Learn how they ended; ``regret_s`` [n] is of what was drawn by the learned chaos."""
        ...

    def remember(self) -> None:
        """Keep a generation."""
        ...

    def state(self) -> dict[str, Any]:
        """Return everything that changes, as plain values and tensors."""
        ...

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        ...


class Even:
    """Flat chaos with its calm hosts, which learns nothing."""

    def __init__(self, world: Compiled, held: HeldOut) -> None:
        """Draw from a catalogue what may be trained on."""
        self._chaos = Trained(world, held)

    def draw(self, count: int, generator: torch.Generator) -> Drills:
        """Draw an iteration's drills, evenly."""
        return _drills(self._chaos.draw(count, generator), Source.FLAT)

    def learn(self, drills: Drills, settled: Tensor, regret_s: Tensor) -> None:
        """Learn nothing."""

    def remember(self) -> None:
        """Keep nothing: all generations are one."""

    def state(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on with nothing."""


class Population:
    """Chaos that evolves."""

    def __init__(self, world: Compiled, held: HeldOut) -> None:
        """Draw from a catalogue what may be trained on."""
        busy = 1.0 - _CALM
        shares = {"single": _EVEN.single / busy, "pair": _EVEN.pair / busy, "buried": _EVEN.buried / busy}
        calm = {"quiet": _EVEN.quiet / _CALM, "decoy": _EVEN.decoy / _CALM}
        self.flat = Trained(world, held, Shares(**{**_NOTHING, **shares}))
        self._calm = Trained(world, held, Shares(**{**_NOTHING, **calm}))
        self.archive, self.learned = Archive(world), Learned(self.flat, floor=FLOOR, fades=FADES)
        self.generations: list[dict[str, Any]] = []
        self._rates = flat_rates(self.flat)

    def draw(self, count: int, generator: torch.Generator) -> Drills:
        """Draw an iteration's drills.

        Args:
            count: how many.
            generator: source of all randomness, on the catalogue's device.

        Raises:
            HeldOutError: what was drawn may not be trained on.
        """
        counts = portions(count)
        parts = [
            _drills(self.flat.draw(counts[Source.FLAT], generator), Source.FLAT),
            _drills(self._calm.draw(counts[Source.CALM], generator), Source.CALM),
            self._replayed(counts[Source.REPLAY], generator),
            *self._hurting(counts[Source.LEARNED], generator),
        ]
        levels = concatenate([part.levels for part in parts])
        self.flat.locked.refuse(levels)
        each = {name: torch.cat([getattr(part, name) for part in parts]) for name in ("source", "chosen", "place")}
        return Drills(levels=levels, **each)

    def _replayed(self, count: int, generator: torch.Generator) -> Drills:
        """Draw from the archive, and from fresh levels where it has nothing of a stratum yet."""
        world, archive = self.flat.world, self.archive
        fresh = self.flat.draw(2 * count, generator)
        worth, place = archive.guess(fresh), torch.full((len(fresh),), -1, device=fresh.fault.device)
        pool = fresh
        if archive.levels is not None:
            pool = concatenate([archive.levels, fresh])
            worth = torch.cat((archive.learnability(), worth))
            place = torch.cat((torch.arange(len(archive), device=place.device), place))
        where = strata(world, pool)
        order = where[0].argsort(stable=True)
        weight = raked(worth**GREED, where, self._rates)[order]
        drawn = order[spread(weight, count, generator)]
        levels, place = pool.take(drawn), place[drawn]
        others = self.flat.dress(levels.fault, levels.behind, generator)
        mutant = torch.rand(count, generator=generator, device=place.device) < MUTATED
        changed = concatenate([levels, mutated(levels, others, generator)])
        levels = changed.take(torch.arange(count, device=place.device) + count * mutant)
        return _drills(levels, Source.REPLAY, place=place.masked_fill(mutant, -1))

    def _hurting(self, count: int, generator: torch.Generator) -> list[Drills]:
        """Draw by the learned chaos, now and as it was."""
        past = int(count * PAST) if self.generations else 0
        found = [self._by(self.learned, count - past, generator)]
        if past:
            which = int(torch.randint(0, len(self.generations), (), generator=generator, device=generator.device))
            former = Learned(self.flat, floor=FLOOR, fades=FADES)
            former.load(self.generations[which])
            found.append(self._by(former, past, generator))
        return found

    @staticmethod
    def _by(chaos: Learned, count: int, generator: torch.Generator) -> Drills:
        choices = chaos.choose(count, generator)
        return _drills(choices.levels, Source.LEARNED, chosen=choices.chosen)

    def learn(self, drills: Drills, settled: Tensor, regret_s: Tensor) -> None:
        """Learn how drills ended.

        Args:
            drills: of ``draw``.
            settled: [N] bool.
            regret_s: [n] seconds, of the drills of the learned chaos, in their order.
        """
        kept = (drills.source != Source.CALM).nonzero()[:, 0]
        self.archive.learn(drills.levels.take(kept), settled[kept], drills.place[kept])
        self.learned.learn(drills.chosen[drills.source == Source.LEARNED], regret_s)

    def remember(self) -> None:
        """Keep a generation of the learned chaos; of too many every other one goes."""
        self.generations.append({name: value.clone() for name, value in self.learned.state().items()})
        if len(self.generations) > GENERATIONS_MAX:
            del self.generations[1::2]

    def state(self) -> dict[str, Any]:
        """Return everything that changes, as plain values and tensors."""
        return {"archive": self.archive.state(), "learned": self.learned.state(), "generations": list(self.generations)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        self.archive.load(state["archive"])
        self.learned.load(state["learned"])
        self.generations = list(state["generations"])


ARMS: Final = {"population": Population, "uniform": Even}


def portions(count: int) -> dict[Source, int]:
    """Return how many drills each source draws: shares of a count, the largest remainders first."""
    whole = {source: int(share * count) for source, share in SHARES.items()}
    by_remainder = sorted(SHARES, key=lambda source: whole[source] - SHARES[source] * count)
    for source in by_remainder[: count - sum(whole.values())]:
        whole[source] += 1
    return whole


def _drills(levels: Levels, source: Source, *, chosen: Tensor | None = None, place: Tensor | None = None) -> Drills:
    count, device = len(levels), levels.fault.device
    return Drills(
        levels=levels,
        source=torch.full((count,), int(source), device=device),
        chosen=torch.full((count, len(NAMES)), -1, device=device) if chosen is None else chosen,
        place=torch.full((count,), -1, device=device) if place is None else place,
    )
