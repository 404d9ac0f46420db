"""Lets different habits keep the same simulated hosts in order: plans to choose from. Imports torch.

Hosts are drawn as a training draws them (`ordertrainer.policy.levels`), quiet ones left out, on which nothing has to be chosen.
After ``horizon_s`` somebody looks at the host anyway: so even to leave a host broken has an end, and how much a call is worth can
be said in seconds.

Axes: N host, C column (`bills.COLUMNS`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from ordertrainer.heldout import HeldOut
from ordertrainer.policy.levels import Trained
from ordertrainer.prefer.bills import COLUMNS, Bill
from ordertrainer.prefer.habits import HABITS, Habit, Habits
from ordertrainer.prefer.scenes import Deed, Plan, Scene, Trouble
from ordertrainer.sim import Compiled, Levels, Outcome, Shares, Simulator, begin, observe
from ordertrainer.sim.levels import NEVER_S

SHARES: Final = Shares(quiet=0.0, decoy=0.25, single=0.5, pair=0.15, buried=0.1, beside=0.3)
HORIZON_S: Final = (40.0, 180.0)
"""Even on a logarithmic scale: what is worth a call within a minute is another thing than within three."""
DEEDS_MAX: Final = 4
"""Nobody compares longer stories than this many repairs."""
NEWEST: Final = (0.0,)
"""What habits look at: whether a repair may be tried depends on the newest sample alone."""

Tick = Callable[[float], None]


def draw_scenes(world: Compiled, held: HeldOut, count: int, seed: int, tick: Tick = lambda _share: None) -> list[Scene]:
    """Draw hosts and let every habit keep them in order.

    Args:
        world: the catalogue.
        held: the locked split.
        count: hosts; those on which every habit comes to the same are left out.
        seed: of all that is drawn.
        tick: told the share that is done.
    """
    generator = torch.Generator().manual_seed(seed)
    levels = Trained(world, held, SHARES).draw(count, generator)
    low, high = HORIZON_S
    horizon_s = torch.floor(low * (high / low) ** torch.rand(count, generator=generator))
    levels = replace(levels, horizon_s=levels.onset_s.amin(-1).clamp(max=low) + horizon_s)
    each = torch.arange(count).repeat_interleave(len(HABITS))
    plans = _live(world, levels.take(each), HABITS * count, tick)
    scenes = [
        Scene(
            troubles=_troubles(world, levels, host),
            horizon_s=float(levels.horizon_s[host]),
            plans=_different(lived),
            bills={plan.habit: plan.bill for plan in lived},
        )
        for host in range(count)
        for lived in [plans[host * len(HABITS) : (host + 1) * len(HABITS)]]
    ]
    return [scene for scene in scenes if len(scene.plans) > 1]


def _different(plans: Sequence[Plan]) -> tuple[Plan, ...]:
    """Return one plan for each bill, of those that are short enough to be told."""
    found: dict[Bill, Plan] = {}
    for plan in plans:
        if len(plan.deeds) <= DEEDS_MAX:
            found.setdefault(plan.bill, plan)
    return tuple(found.values())


def _troubles(world: Compiled, levels: Levels, host: int) -> tuple[Trouble, ...]:
    found = [
        Trouble(
            fault=world.fault_names[fault],
            slot=int(levels.slot[host, lane]),
            onset_s=float(levels.onset_s[host, lane]),
            ends_s=float(levels.ends_s[host, lane]),
            decoy=bool(world.faults.decoy[fault]),
            behind=bool(levels.behind[host, lane]),
        )
        for lane, fault in enumerate(levels.fault[host].tolist())
        if fault != world.no_fault
    ]
    return tuple(sorted(found, key=lambda trouble: (trouble.onset_s, trouble.behind)))


def _live(world: Compiled, levels: Levels, habits: Sequence[Habit], tick: Tick) -> list[Plan]:
    """Let habits keep hosts in order, one each, until a person is called or the horizon has come."""
    sim = Simulator(world, hosts=1, seed=0)
    sim.state = begin(world, levels)
    policy, notes, horizon_s = Habits(habits, world, levels), _Notes(world, len(levels)), float(levels.horizon_s.max())
    while not bool(notes.over.all()):
        notes.add(sim, sim.step(policy.act(sim, observe(world, sim.state, NEWEST))))
        # Who is over is never idle again: nobody decides for it any more.
        sim.state.busy_until_s.masked_fill_(notes.over, NEVER_S)
        tick(float(sim.state.at_s.max()) / horizon_s)
    return notes.plans(habits)


class _Notes:
    """What happens to hosts until each is over."""

    def __init__(self, world: Compiled, count: int) -> None:
        self._world = world
        self.over = torch.zeros(count, dtype=torch.bool)
        self._bills = torch.zeros(count, len(COLUMNS))
        self._deeds: list[list[Deed]] = [[] for _ in range(count)]
        self._end_s = torch.zeros(count)
        self._broken = torch.zeros(count, dtype=torch.bool)

    def add(self, sim: Simulator, outcome: Outcome) -> None:
        """Note one second."""
        lives = ~self.over
        self._bills += bill_of(outcome) * lives[:, None]
        for host in (outcome.ended & lives).nonzero()[:, 0].tolist():
            self._deeds[host].append(self._deed(sim, outcome, host))
        self._end_s = torch.where(lives, sim.state.at_s, self._end_s)
        self._broken = torch.where(lives, outcome.sick > 0, self._broken)
        self.over |= outcome.done

    def _deed(self, sim: Simulator, outcome: Outcome, host: int) -> Deed:
        state = sim.state
        return Deed(
            began_s=float(state.began_s[host]),
            seconds=float(outcome.seconds[host]),
            slot=int(state.target[host]),
            repair=self._world.repair_names[int(state.repair[host])],
            helped=bool(outcome.cured[host] > 0),
            looked=bool(outcome.not_the_case[host]),
            healthy=bool(outcome.touched_healthy[host]),
            harmful=bool(outcome.harmful[host]),
        )

    def plans(self, habits: Sequence[Habit]) -> list[Plan]:
        """Return what was done on each host, by which habit."""
        return [
            Plan(
                habit=habit.name,
                bill=Bill(**dict(zip(COLUMNS, self._bills[host].tolist(), strict=True))),
                deeds=tuple(self._deeds[host]),
                end_s=float(self._end_s[host]),
                broken=bool(self._broken[host]),
            )
            for host, habit in enumerate(habits)
        ]


def bill_of(outcome: Outcome) -> Tensor:
    """Return [N, C] float32: what one second adds to the bill of each host.

    A repair that looked and found that its cause is not there has touched nothing, and so has risked nothing; to say wrongly that
    all is well counts as a false call, as it does in training.
    """
    touched = outcome.ended & ~outcome.not_the_case
    columns = {
        "trouble_s": outcome.sick > 0,
        "repair": touched,
        "risk": outcome.risk * touched,
        "host_wide": outcome.host_wide & touched,
        "healthy": outcome.touched_healthy,
        "harm": outcome.harmful,
        "call": outcome.escalated_rightly,
        "false_call": outcome.escalated_wrongly | outcome.stopped_wrongly,
    }
    return torch.stack([columns[name].to(torch.float32) for name in COLUMNS], -1)
