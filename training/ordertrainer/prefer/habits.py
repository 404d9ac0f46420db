"""Ways of keeping hosts in order that differ in what they cost. Pure; imports torch.

Good policies are alike, and nothing is learned from choosing between equals. So these differ in what they do: at once or late,
mildly or with the strongest remedy, by trying one thing after another, by calling a person early, late or never. Some know what
is wrong and what helps; others know only what looks broken. None of them is meant to be right everywhere.

Axes: N host, L lane, E slot, R repair.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import torch
from torch import Tensor

from ordertrainer.sim import Compiled, Levels, Observation, Simulator
from ordertrainer.sim.attempts import ATTEMPTS, How
from ordertrainer.sim.candidates import held, tried
from ordertrainer.sim.levels import NEVER_S
from ordertrainer.sim.state import State
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
        astray: it begins with something on the host that nothing is wrong with.
    """

    name: str
    way: Way
    after_s: float = 0.0
    tries: int = ATTEMPTS
    calls: bool = True
    fooled: bool = False
    astray: bool = False


HABITS: Final = (
    Habit(name="does nothing", way=Way.NOTHING, calls=False, fooled=True),
    Habit(name="calls at once", way=Way.NOTHING),
    Habit(name="calls late", way=Way.NOTHING, after_s=60.0),
    Habit(name="calls, elsewhere first", way=Way.NOTHING, after_s=8.0, astray=True),
    Habit(name="mild at once", way=Way.MILD),
    Habit(name="mild soon", way=Way.MILD, after_s=10.0),
    Habit(name="mild late", way=Way.MILD, after_s=45.0),
    Habit(name="mild very late", way=Way.MILD, after_s=120.0, calls=False),
    Habit(name="mild, elsewhere first", way=Way.MILD, astray=True),
    Habit(name="strong at once", way=Way.STRONG),
    Habit(name="strong late", way=Way.STRONG, after_s=25.0),
    *(Habit(name=f"one by one after {s:g} s", way=Way.LADDER, after_s=s, fooled=True) for s in (0.0, 5.0, 15.0, 30.0)),
    *(Habit(name=f"one at most after {s:g} s", way=Way.LADDER, after_s=s, tries=1, fooled=True) for s in (2.0, 12.0)),
    Habit(name="one by one, never calls", way=Way.LADDER, after_s=5.0, calls=False, fooled=True),
    Habit(name="anything once", way=Way.ANYTHING, tries=1),
    Habit(name="anything at all", way=Way.ANYTHING, tries=3, calls=False, fooled=True),
    *(Habit(name=f"calls after {s:g} s", way=Way.NOTHING, after_s=s, fooled=True) for s in (0.0, 12.0, 35.0)),
)
BLIND: Final = frozenset(habit.name for habit in HABITS if habit.fooled)
"""Habits that know what looks broken, but neither whether it is nor which repair helps: among such a policy has to choose."""


class Habits:
    """A policy that acts on each host by a habit."""

    def __init__(self, habits: Sequence[Habit], world: Compiled, levels: Levels) -> None:
        """Act by habits, one for each host.

        Args:
            habits: one for each host.
            world: the catalogue.
            levels: the hosts.
        """
        self._ways = {way: torch.tensor([habit.way is way for habit in habits]) for way in Way}
        self._after_s = torch.tensor([habit.after_s for habit in habits])
        self._tries = torch.tensor([habit.tries for habit in habits])
        self._calls = torch.tensor([habit.calls for habit in habits])
        self._fooled = torch.tensor([habit.fooled for habit in habits])
        self._astray = torch.tensor([habit.astray for habit in habits])
        mild = torch.tensor([habit.way is Way.MILD for habit in habits])
        self._elsewhere = _elsewhere(world, levels, mild)

    def act(self, sim: Simulator, seen: Observation) -> Tensor:
        """Return [N] int64 actions."""
        world, state = sim.compiled, sim.state
        lures = state.known.sick | (state.known.decoy & ~state.known.held & self._fooled)
        ripe = state.lanes.front & lures & (state.shows_s + self._after_s <= state.at_s)
        lane = ripe.to(torch.int8).argmax(0)[:, None]
        slot, fault = state.levels.slot.gather(1, lane)[:, 0], state.levels.fault.gather(1, lane)[:, 0]
        rank = self._rank(world, fault).masked_fill(~_usable(world, state, seen, slot), torch.inf)
        first, repair = rank.min(-1)
        left = ~torch.isinf(first) & (total(state.attempts.failed) < self._tries)
        called = torch.where(self._calls & state.idle, world.escalate, world.wait)
        acts = torch.where(left, slot * world.no_repair + repair, called)
        acts = torch.where(self._astray & (state.attempts.how == How.NONE).all(0), self._elsewhere, acts)
        return torch.where(some(ripe), acts, world.wait)

    def _rank(self, world: Compiled, fault: Tensor) -> Tensor:
        """Return [N, R]: which repair a habit would try first, the least first; infinite for those that it never would."""
        repairs, faults = world.repairs, world.faults
        rung, risk = repairs.rung[:-1].to(torch.float32), repairs.risk[:-1]
        cures, meant = faults.cures[fault][:, :-1], repairs.failures[:, faults.failure[fault]].T
        every = torch.ones_like(cures)
        # What only looks broken looks like something that any repair may be for.
        meant = meant | faults.decoy[fault][:, None]
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


def _usable(world: Compiled, state: State, seen: Observation, slot: Tensor) -> Tensor:
    """Return [N, R] bool: what may be tried on one slot of each host; what `candidates.usable` says of all slots, for less."""
    each = torch.arange(len(slot))
    may = seen.present[each, slot] & ~held(world, state)[each, slot] & state.idle
    kinds = world.slot_kind[slot, None] == world.repairs.kind[:-1]
    return world.repairs.preconditions.hold(seen.rows[each, slot, 0]) & kinds & may[:, None] & ~tried(world, state)[each, slot]


def _elsewhere(world: Compiled, levels: Levels, mild: Tensor) -> Tensor:
    """Return [N] int64: a repair of something on the host that nothing happens to, whatever its preconditions say.

    Args:
        world: the catalogue.
        levels: the hosts.
        mild: [N] bool, the least dangerous repair; else the most dangerous one.
    """
    begins = (levels.onset_s < NEVER_S).to(torch.float32)
    happens = torch.zeros(levels.there.shape).scatter_add_(1, levels.slot, begins) > 0
    kinds = world.slot_kind[:, None] == world.repairs.kind[:-1]
    may = (levels.there & ~happens)[..., None] & kinds & ~world.repairs.looks[:-1]
    risk = world.repairs.risk[:-1].expand(may.shape)
    rank = torch.where(mild[:, None, None], risk, -risk).masked_fill(~may, torch.inf).flatten(1)
    return rank.argmin(-1)
