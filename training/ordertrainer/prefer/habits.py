"""Ways of keeping hosts in order that differ in what they cost. Pure; imports torch.

Good policies are alike, and nothing is learned from choosing between equals. So these know what is wrong, and differ in what they
do about it: at once or late, mildly or with the strongest remedy, by trying one thing after another, by calling a person early,
late or never, and by being fooled by what only looks broken. None of them is meant to be right everywhere.

Axes: N host, L lane, E slot, R repair.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import torch
from torch import Tensor

from ordertrainer.sim import Compiled, Observation, Simulator
from ordertrainer.sim.attempts import ATTEMPTS
from ordertrainer.sim.tables import some, total

_FAR: Final = 100.0
"""More than any rung."""


class Way(StrEnum):
    """What is tried on what fails."""

    NOTHING = "nothing"
    MILD = "mild"
    STRONG = "strong"
    LADDER = "ladder"
    ANYTHING = "anything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """One way.

    Attributes:
        name: of it.
        way: NOTHING; of what cures it the least or the most dangerous repair first; every repair that is for such a failure, rung
            by rung; or whatever may be used there, the most dangerous first.
        after_s: how long it lets things be.
        tries: in vain, after which it calls a person.
        calls: it calls a person when nothing is left to try.
        fooled: it takes for broken what only looks so.
    """

    name: str
    way: Way
    after_s: float = 0.0
    tries: int = ATTEMPTS
    calls: bool = True
    fooled: bool = False


HABITS: Final = (
    Habit(name="does nothing", way=Way.NOTHING, calls=False),
    Habit(name="calls at once", way=Way.NOTHING),
    Habit(name="calls soon", way=Way.NOTHING, after_s=15.0),
    Habit(name="calls late", way=Way.NOTHING, after_s=60.0),
    Habit(name="calls for anything", way=Way.NOTHING, fooled=True),
    Habit(name="mild at once", way=Way.MILD),
    Habit(name="mild soon", way=Way.MILD, after_s=10.0),
    Habit(name="mild late", way=Way.MILD, after_s=45.0),
    Habit(name="mild very late", way=Way.MILD, after_s=120.0, calls=False),
    Habit(name="strong at once", way=Way.STRONG),
    Habit(name="strong late", way=Way.STRONG, after_s=25.0),
    Habit(name="one by one", way=Way.LADDER),
    Habit(name="one by one, two at most", way=Way.LADDER, tries=2, after_s=3.0),
    Habit(name="one by one, never calls", way=Way.LADDER, calls=False),
    Habit(name="anything once", way=Way.ANYTHING, tries=1),
    Habit(name="anything", way=Way.ANYTHING, tries=3, fooled=True, calls=False),
    Habit(name="anything late", way=Way.ANYTHING, tries=2, fooled=True, after_s=5.0),
)


class Habits:
    """A policy that acts on each host by a habit."""

    def __init__(self, habits: Sequence[Habit]) -> None:
        """Act by habits, one for each host."""
        self._ways = {way: torch.tensor([habit.way is way for habit in habits]) for way in Way}
        self._after_s = torch.tensor([habit.after_s for habit in habits])
        self._tries = torch.tensor([habit.tries for habit in habits])
        self._calls = torch.tensor([habit.calls for habit in habits])
        self._fooled = torch.tensor([habit.fooled for habit in habits])

    def act(self, sim: Simulator, seen: Observation) -> Tensor:
        """Return [N] int64 actions."""
        world, state = sim.compiled, sim.state
        lures = state.known.sick | (state.known.decoy & ~state.known.held & self._fooled)
        ripe = state.lanes.front & lures & (state.shows_s + self._after_s <= state.at_s)
        lane = ripe.to(torch.int8).argmax(0)[:, None]
        slot, fault = state.levels.slot.gather(1, lane)[:, 0], state.levels.fault.gather(1, lane)[:, 0]
        may = sim.usable(seen)[torch.arange(len(slot)), slot]
        rank = self._rank(world, fault).masked_fill(~may, torch.inf)
        first, repair = rank.min(-1)
        left = ~torch.isinf(first) & (total(state.attempts.failed) < self._tries)
        called = torch.where(self._calls & state.idle, world.escalate, world.wait)
        acts = torch.where(left, slot * world.no_repair + repair, called)
        return torch.where(some(ripe), acts, world.wait)

    def _rank(self, world: Compiled, fault: Tensor) -> Tensor:
        """Return [N, R]: which repair a habit would try first, the least first; infinite for those that it never would."""
        repairs, faults = world.repairs, world.faults
        rung, risk = repairs.rung[:-1].to(torch.float32), repairs.risk[:-1]
        cures, meant = faults.cures[fault][:, :-1], repairs.failures[:, faults.failure[fault]].T
        every = torch.ones_like(cures)
        wanted = {
            Way.NOTHING: (~every, rung),
            Way.MILD: (cures, _FAR * risk + rung),
            Way.STRONG: (cures, rung - _FAR * risk),
            Way.LADDER: (meant, rung),
            Way.ANYTHING: (every, rung - _FAR * risk),
        }
        rank = torch.full(cures.shape, torch.inf)
        for way, (allowed, order) in wanted.items():
            rank = torch.where(self._ways[way][:, None] & allowed, order, rank)
        return rank
