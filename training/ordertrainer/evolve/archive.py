"""Levels that were played, kept for another time. Imports torch.

What is worth playing again is what is sometimes settled and sometimes not: p(1-p), p being how often a level was settled, with
what is known of its families as the first guess. What has always been settled teaches nothing, and what never is neither, yet.

Axes: N level, L lane.

References:
    Tzannetos et al. 2023, Proximal Curriculum for Reinforcement Learning Agents, for p(1-p).
    Jiang et al. 2021, Prioritized Level Replay, for levels played again, and what happens to base rates without strata.
"""

from dataclasses import fields, replace
from typing import Any, Final

import torch
from torch import Tensor

from ordertrainer.sim import Compiled, Levels
from ordertrainer.sim.levels import concatenate

SIZE: Final = 4096
LEAST: Final = 0.02
"""Of learnability, so that nothing is given up for good; 0.25 is the most."""
FADES: Final = 0.98
"""What was known of a family an iteration ago counts for so much now."""
_GUESSED: Final = 1.0
"""Plays that the first guess counts for."""


class Archive:
    """Levels, how often each was played and settled, and how often families are.

    Attributes:
        levels: None before the first.
        plays, settled: [N] float32.
    """

    def __init__(self, world: Compiled, size: int = SIZE) -> None:
        """Begin empty."""
        self._world, self._size = world, size
        device = world.slot_kind.device
        self.levels: Levels | None = None
        self.plays, self.settled = torch.zeros(0, device=device), torch.zeros(0, device=device)
        self._families = torch.ones(2, world.no_fault + 1, device=device)
        """Settled and not, of levels with each fault; every family begins with one of each."""

    def __len__(self) -> int:
        """Return how many levels are kept."""
        return len(self.plays)

    def learnability(self) -> Tensor:
        """Return [N]: p(1-p) of each level that is kept, at least LEAST."""
        return torch.zeros(0) if self.levels is None else self._learnability(self.levels, self.plays, self.settled)

    def guess(self, levels: Levels) -> Tensor:
        """Return [n]: p(1-p) of levels that nobody has played, at least LEAST."""
        none = torch.zeros(len(levels), device=self.plays.device)
        return self._learnability(levels, none, none)

    def _learnability(self, levels: Levels, plays: Tensor, settled: Tensor) -> Tensor:
        rate = self._families[0] / self._families.sum(0)
        guess = torch.where(self._world.faults.sick[levels.fault], rate[levels.fault], 1.0).amin(-1)
        share = (settled + _GUESSED * guess) / (plays + _GUESSED)
        return (share * (1.0 - share)).clamp(min=LEAST)

    def learn(self, levels: Levels, settled: Tensor, place: Tensor) -> None:
        """Note how drills ended.

        Args:
            levels: n that were played.
            settled: [n] bool.
            place: [n] int64 in the archive, -1 for levels that are not in it.
        """
        counts = settled.to(torch.float32)
        self._families *= FADES
        sick = self._world.faults.sick[levels.fault]
        for row, happened in enumerate((counts, 1.0 - counts)):
            self._families[row].index_add_(0, levels.fault[sick], happened[:, None].expand_as(sick)[sick])
        known = place >= 0
        self.plays.index_add_(0, place[known], torch.ones_like(counts[known]))
        self.settled.index_add_(0, place[known], counts[known])
        new = (~known).nonzero()[:, 0]
        self.levels = levels.take(new) if self.levels is None else concatenate([self.levels, levels.take(new)])
        self.plays = torch.cat((self.plays, torch.ones_like(counts[new])))
        self.settled = torch.cat((self.settled, counts[new]))
        self._bound()

    def _bound(self) -> None:
        """Keep the most learnable; of equals the newest."""
        if self.levels is None or len(self) <= self._size:
            return
        best = self.learnability().flip(0).argsort(descending=True, stable=True)[: self._size]
        kept = (len(self) - 1 - best).sort().values
        self.levels, self.plays, self.settled = self.levels.take(kept), self.plays[kept], self.settled[kept]

    def state(self) -> dict[str, Any]:
        """Return everything that changes, as tensors."""
        levels = {} if self.levels is None else {f.name: getattr(self.levels, f.name) for f in fields(Levels)}
        return {"levels": levels, "plays": self.plays, "settled": self.settled, "families": self._families}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        device = self._world.slot_kind.device
        self.levels = Levels(**state["levels"]).to(device) if state["levels"] else None
        self.plays, self.settled = state["plays"].to(device), state["settled"].to(device)
        self._families = state["families"].to(device)


GROUPS: Final = (
    ("seed",),
    ("slot", "there", "rests_on"),
    ("intensity", "onset_s", "ends_s"),
    ("cores", "noise", "flaky", "pace", "slow", "seen_from_s"),
)
"""What of a level changes together: its host, its places, its course, its host's traits. What happens to it never changes."""
CHANGES: Final = 0.35
"""Probability that a group changes; 0.82 that any does."""


def mutated(levels: Levels, others: Levels, generator: torch.Generator) -> Levels:
    """Return levels of which some traits are those of others.

    Args:
        levels: n.
        others: n to which the same faults happen in the same lanes (``Uniform.dress``).
        generator: draws which traits.
    """
    changed: dict[str, Tensor] = {}
    for names in GROUPS:
        change = torch.rand(len(levels), generator=generator, device=levels.fault.device) < CHANGES
        for name in names:
            mine, theirs = getattr(levels, name), getattr(others, name)
            changed[name] = torch.where(change.view(-1, *[1] * (mine.ndim - 1)), theirs, mine)
    return replace(levels, **changed)
