"""Any policy on the same hosts: what was settled, and what it cost. Imports torch.

A host is *settled* when nothing is wrong with it at the end, or a person was rightly called; never when somebody was called for
what could have been repaired, or it was said that all is well before all had happened. Nothing here rewards a policy for ending
early: hosts live on to their horizon, and what is repaired then counts as what it is.

Every score is a sum over hosts divided by another one, so that one bootstrap over hosts gives all intervals.

Axes: N host.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from ordertrainer.policy.suites import Suite
from ordertrainer.sim import Compiled, Outcome, Simulator
from ordertrainer.sim.levels import NEVER_S
from ordertrainer.sim.policies import Policy
from ordertrainer.sim.tables import Tensors

REPAIRS_MAX: Final = 3
"""As many may touch a host for it to count as repaired within few."""
RESAMPLES: Final = 1000
QUANTILES: Final = (0.025, 0.975)
HOUR_S: Final = 3600.0

Tick = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played(Tensors):
    """What became of each host; all [N], float32 unless said otherwise.

    Attributes:
        fault: int64 row of the fault in front, K where there is none.
        broken: bool, something was wrong with it at some time.
        curable: bool, and all of it can be repaired.
        settled: bool, see above.
        repaired: bool, curable, and all of it was repaired.
        called_wrongly: bool, a person was called for nothing, or for what could have been repaired.
        called: bool, a person was called.
        repairs: that touched it.
        looks: repairs that found that their cause is not there.
        harmful: that did harm.
        touched_healthy: bool, something was touched with which nothing was wrong.
        lived_s: seconds until its end.
    """

    fault: Tensor
    broken: Tensor
    curable: Tensor
    settled: Tensor
    repaired: Tensor
    called_wrongly: Tensor
    called: Tensor
    repairs: Tensor
    looks: Tensor
    harmful: Tensor
    touched_healthy: Tensor
    lived_s: Tensor

    def __len__(self) -> int:
        """Return N."""
        return len(self.fault)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One figure.

    Attributes:
        value: NaN where there is no host for it.
        low, high: 95 % interval.
        hosts: that count.
    """

    value: float
    low: float
    high: float
    hosts: int


def play(policy: Policy, world: Compiled, suite: Suite, *, hosts: int, seed: int, tick: Tick = lambda _share: None) -> Played:
    """Let a policy keep some hosts in order until their horizon.

    Args:
        policy: what acts; it must be new, or without a memory.
        world: the catalogue.
        suite: what is asked.
        hosts: how many.
        seed: of their levels; equal seeds are equal hosts.
        tick: told the share that is done.
    """
    sim = Simulator(world, hosts=hosts, seed=seed, chaos=suite.chaos, device=world.slot_kind.device)
    tally = Tally(sim)
    horizon_s = float(sim.state.levels.horizon_s.max())
    while not bool(tally.over.all()):
        outcome = sim.step(policy.act(sim, sim.observe()))
        tally.add(outcome)
        # Who is over is never idle again: nobody decides for it any more.
        sim.state.busy_until_s.masked_fill_(tally.over, NEVER_S)
        tick(float(sim.state.at_s.max()) / horizon_s)
    tick(1.0)  # all may be over before their horizon
    return tally.played()


class Tally:
    """Counts what happens to hosts until each is over.

    Attributes:
        over: [N] bool, whose episode has ended; who plays may end one earlier.
    """

    def __init__(self, sim: Simulator) -> None:
        """Count from the beginning of an episode on every host."""
        self._world, self._levels = sim.compiled, sim.state.levels
        device = sim.state.at_s.device
        self.over = torch.zeros(len(sim.state), dtype=torch.bool, device=device)
        self._sums = torch.zeros(5, len(sim.state), device=device)
        self._flags = torch.zeros(4, len(sim.state), dtype=torch.bool, device=device)
        self._sick = torch.zeros(len(sim.state), device=device)

    def add(self, outcome: Outcome) -> None:
        """Count one second."""
        lives = ~self.over
        touched = outcome.ended & ~outcome.not_the_case
        sums = (lives, touched, outcome.not_the_case, outcome.harmful, outcome.landed)
        self._sums += torch.stack([each.to(torch.float32) for each in sums]) * lives
        rightly, wrongly = outcome.escalated_rightly, outcome.escalated_wrongly
        flags = (rightly, wrongly | outcome.stopped_wrongly, rightly | wrongly, outcome.touched_healthy)
        self._flags |= torch.stack(flags) & lives
        self._sick = torch.where(lives, outcome.sick.to(torch.float32), self._sick)
        self.over |= outcome.done

    def in_order(self) -> Tensor:
        """Return [N] bool: all has happened, nothing is wrong, and nobody was told what is not so."""
        sick, landed, wrongly = self._world.faults.sick[self._levels.fault], self._sums[4], self._flags[1]
        return (self._sick == 0) & (landed == _lands(self._levels.onset_s, sick)) & ~wrongly

    def rightly_called(self) -> Tensor:
        """Return [N] bool: a person was rightly called."""
        return self._flags[0]

    def played(self) -> Played:
        """Return what became of them."""
        faults, fault = self._world.faults, self._levels.fault
        sick, in_order = faults.sick[fault], self.in_order()
        lived_s, repairs, looks, harmful, _ = self._sums.unbind()
        rightly, wrongly, called, healthy = self._flags.unbind()
        broken, curable = sick.any(-1), sick.any(-1) & ((faults.cure_count[fault] > 0) | ~sick).all(-1)
        return Played(
            fault=torch.where(sick.any(-1), fault.gather(1, sick.to(torch.int8).argmax(-1, keepdim=True))[:, 0], fault[:, 0]),
            broken=broken,
            curable=curable,
            settled=(in_order | rightly) & broken,
            repaired=in_order & curable,
            called_wrongly=wrongly,
            called=called,
            repairs=repairs,
            looks=looks,
            harmful=harmful,
            touched_healthy=healthy,
            lived_s=lived_s,
        )


def _lands(onset_s: Tensor, sick: Tensor) -> Tensor:
    """Return [N]: how many faults there are to land."""
    return ((onset_s < NEVER_S) & sick).sum(-1)


def scores(played: Played, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Score]:
    """Return every figure of some hosts.

    Args:
        played: what became of them.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    broken, curable, calm = (each.to(torch.float64) for each in (played.broken, played.curable, ~played.broken))
    every = torch.ones_like(broken)
    few = played.repaired & (played.repairs <= REPAIRS_MAX)
    ratios = {
        "settled": (played.settled, broken),
        "repaired": (played.repaired, curable),
        "repaired_within_3": (few, curable),
        "called_wrongly": (played.called_wrongly & played.broken, broken),
        "repairs_per_host": (played.repairs * broken, broken),
        "harmful_per_host": (played.harmful, every),
        "hosts_touched_healthy": (played.touched_healthy, every),
        "false_repairs_per_calm_host": (played.repairs * calm, calm),
        "calm_hosts_touched": ((played.repairs > 0) & ~played.broken, calm),
        "calm_hosts_called": (played.called_wrongly & ~played.broken, calm),
    }
    over, under = (torch.stack([ratio[place].to(torch.float64) for ratio in ratios.values()]) for place in (0, 1))
    return dict(zip(ratios, _bootstrap(over.cpu(), under.cpu(), resamples, seed), strict=True))


def _bootstrap(over: Tensor, under: Tensor, resamples: int, seed: int) -> list[Score]:
    """Return the scores of [X, N] sums over [X, N] sums, with intervals from hosts drawn again with replacement."""
    count = over.shape[1]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(0, count, (resamples, count), generator=generator)
    times = torch.zeros(resamples, count, dtype=torch.float64).scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
    again = (times @ over.T) / (times @ under.T)
    low, high = torch.nanquantile(again, torch.tensor(QUANTILES, dtype=torch.float64), dim=0)
    values = over.sum(1) / under.sum(1)
    numbers = zip(values.tolist(), low.tolist(), high.tolist(), (under > 0).sum(1).tolist(), strict=True)
    return [Score(value=value, low=below, high=above, hosts=hosts) for value, below, above, hosts in numbers]


def by_group(world: Compiled, groups: Mapping[str, str], played: Played) -> dict[str, dict[str, float]]:
    """Return settled hosts by family group and by family, without intervals: there are few of each.

    Args:
        world: the catalogue.
        groups: group of each fault by name.
        played: what became of hosts.
    """
    found: dict[str, dict[str, float]] = {}
    for fault in sorted(set(played.fault.tolist()) - {world.no_fault}):
        name, mine = world.fault_names[fault], played.fault == fault
        for key in (f"group {groups[name]}", name):
            row = found.setdefault(key, {"hosts": 0, "settled": 0, "harmful": 0.0})
            row["hosts"] += int(mine.sum())
            row["settled"] += int((played.settled & mine).sum())
            row["harmful"] += float((played.harmful * mine).sum())
    return found


def plain(scored: Mapping[str, Score]) -> dict[str, Any]:
    """Return figures as JSON wants them, None where there is no number."""
    return {
        name: {"value": _number(s.value), "low": _number(s.low), "high": _number(s.high), "hosts": s.hosts}
        for name, s in scored.items()
    }


def _number(value: float) -> float | None:
    return None if value != value else round(value, 6)  # noqa: PLR0124  NaN alone is not itself
