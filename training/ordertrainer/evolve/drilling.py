"""Drills that a policy learns from: hosts live by lot, and what was decided is kept. Imports torch.

All drills of an iteration begin together and each is lived to its end, so that an iteration is so many drills, none half, and
nothing of a simulator has to be kept between two. A decision stands for PACE_S seconds: a host is asked half as often as when it
is examined, which is half the windows.

Few of the decisions to wait are kept, and those that are count for more (`ordertrainer.policy.rollout` keeps moments likewise).
The critic is asked everywhere: it is cheap.

Axes: T step of PACE_S seconds, N host, n decision kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from ordertrainer.costs import Costs
from ordertrainer.evolve.critic import SCALE_S, Critic, Truths, truths
from ordertrainer.evolve.ledger import Ledger
from ordertrainer.evolve.limits import Prices
from ordertrainer.evolve.lot import Gates, log_lots
from ordertrainer.nets.policy import FORBIDDEN
from ordertrainer.policy.actor import Care, Network, since
from ordertrainer.policy.decisions import Decisions, concatenate, keep, unmet
from ordertrainer.policy.labels import labels
from ordertrainer.sim import Observation, Outcome, Simulator
from ordertrainer.sim.candidates import outcomes
from ordertrainer.sim.levels import NEVER_S
from ordertrainer.sim.tables import Tensors

PACE_S: Final = 2
EAGER: Final = Care(repair_min=0.1, repair_after_s=1.0, call_min=0.4, call_after_s=14.0)
"""How sure a network has to be before a lot may fall on it: less sure than on a host, so that something is found out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Which decisions to wait are learned from; all others are.

    Attributes:
        tempting: share of those to wait where a repair might have been tried on what looks unhealthy.
        calm: share of all others.
    """

    tempting: float = 0.5
    calm: float = 0.08


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen(Tensors):
    """What was done, beside the decisions that were kept; all [n].

    Attributes:
        step, host: int64 where in the grid.
        action: int64.
        repair, call: bool, gates.
    """

    step: Tensor
    host: Tensor
    action: Tensor
    repair: Tensor
    call: Tensor

    @property
    def gates(self) -> Gates:
        """Return what might be done."""
        return Gates(repair=self.repair, call=self.call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """An iteration's drills.

    Attributes:
        decisions, chosen: what was kept.
        reward: [T, N] minutes, prices of limits included.
        lived: [T, N] bool, the drill was not over before the step.
        over: [T, N] bool, it was after it.
        seen: truths [T + 1, N, ...] before each step, and after the last one.
        ledger: what became of the drills, and what they cost.
    """

    decisions: Decisions
    chosen: Chosen
    reward: Tensor
    lived: Tensor
    over: Tensor
    seen: Truths
    ledger: Ledger


@dataclass(slots=True, kw_only=True)
class _Grid:
    """Grows a step at a time."""

    decisions: list[Decisions] = field(default_factory=list[Decisions])
    chosen: list[Chosen] = field(default_factory=list[Chosen])
    reward: list[Tensor] = field(default_factory=list[Tensor])
    lived: list[Tensor] = field(default_factory=list[Tensor])
    over: list[Tensor] = field(default_factory=list[Tensor])
    seen: list[Truths] = field(default_factory=list[Truths])


class Drilling:
    """One iteration's drills."""

    def __init__(self, sim: Simulator, network: Network, costs: Costs, prices: Prices, *, kept: Kept, sharpness: float) -> None:
        """Begin.

        Args:
            sim: hosts at the beginning of their episodes; its generator draws all lots.
            network: whose beliefs are drawn from.
            costs: weights.
            prices: of coming near a limit.
            kept: which decisions are learned from.
            sharpness: see `lot`.
        """
        self._sim, self._network, self._kept, self._sharpness = sim, network, kept, sharpness
        self._prices, self._ledger = prices, Ledger(sim, costs, whole=False)
        self._repair_since_s = self._call_since_s = torch.zeros(0)

    def lived(self, tick: Callable[[float], None]) -> Drilled:
        """Let every drill come to its end.

        Args:
            tick: told the share that is done.
        """
        grid, ledger = _Grid(), self._ledger
        while bool(ledger.lives.any()):
            grid.seen.append(truths(self._sim.state))
            grid.lived.append(ledger.lives)
            actions = self._decide(grid)
            grid.reward.append(self._pass(actions) / SCALE_S)
            grid.over.append(~ledger.lives)
            tick(1.0 - float(ledger.lives.to(torch.float32).mean()))
        grid.seen.append(truths(self._sim.state))
        return Drilled(
            decisions=concatenate(grid.decisions),
            chosen=_concatenate(grid.chosen),
            reward=torch.stack(grid.reward),
            lived=torch.stack(grid.lived),
            over=torch.stack(grid.over),
            seen=Truths(*map(torch.stack, zip(*grid.seen, strict=True))),
            ledger=ledger,
        )

    def _decide(self, grid: _Grid) -> Tensor:
        """Return [N] actions by lot, and keep some of the decisions."""
        sim, world = self._sim, self._sim.compiled
        seen = sim.observe()
        mask = sim.masks(seen)
        where, probability = self._network.believe(sim, seen, mask)
        actions = torch.full_like(sim.state.at_s, world.wait, dtype=torch.int64)
        if not len(where):
            self._want(where, probability)
            return actions
        gates = self._want(where, probability)
        lots = log_lots(torch.where(probability > 0.0, probability.log(), FORBIDDEN), gates, self._sharpness)
        drawn = torch.multinomial(lots.exp(), 1, generator=sim.generator)[:, 0]
        actions[where] = drawn
        may = mask[:, : world.wait].unflatten(1, (world.layout.slots, world.no_repair))
        tempting = (may & unmet(world, seen.rows)).flatten(1).any(-1)[where]
        share = torch.where(tempting, self._kept.tempting, self._kept.calm)
        share = torch.where(drawn == world.wait, share, 1.0)
        kept = torch.rand(len(where), generator=sim.generator, device=share.device) < share
        self._keep(grid, where, kept, seen=seen, mask=mask, may=may, share=share)
        grid.chosen.append(
            Chosen(
                step=torch.full_like(where[kept], len(grid.seen) - 1),
                host=where[kept],
                action=drawn[kept],
                repair=gates.repair[kept],
                call=gates.call[kept],
            )
        )
        return actions

    def _keep(
        self, grid: _Grid, where: Tensor, kept: Tensor, *, seen: Observation, mask: Tensor, may: Tensor, share: Tensor
    ) -> None:
        sim, world = self._sim, self._sim.compiled
        grid.decisions.append(
            keep(
                world,
                where[kept],
                seen=seen,
                tried=outcomes(world, sim.state),
                mask=mask,
                told=labels(world, sim.state, seen, may),
                weight=1.0 / share[kept],
            )
        )

    def _want(self, where: Tensor, probability: Tensor) -> Gates:
        """Return what is wanted for long enough on hosts that are decided on."""
        world, at_s = self._sim.compiled, self._sim.state.at_s
        repairs, calls = torch.zeros_like(at_s), torch.zeros_like(at_s)
        repairs[where] = probability[:, : world.wait].sum(-1)
        calls[where] = probability[:, world.escalate]
        self._repair_since_s = since(self._repair_since_s, at_s, repairs >= EAGER.repair_min)
        self._call_since_s = since(self._call_since_s, at_s, calls >= EAGER.call_min)
        repair = (self._repair_since_s < NEVER_S) & (at_s - self._repair_since_s >= EAGER.repair_after_s)
        call = (self._call_since_s < NEVER_S) & (at_s - self._call_since_s >= EAGER.call_after_s)
        return Gates(repair=repair[where], call=call[where])

    def _pass(self, actions: Tensor) -> Tensor:
        """Let PACE_S seconds pass; return [N] seconds of reward, prices included."""
        reward = torch.zeros_like(self._sim.state.at_s)
        for second in range(PACE_S):
            lives = self._ledger.lives
            outcome = self._sim.step(actions if second == 0 else torch.full_like(actions, self._sim.compiled.wait))
            reward += self._ledger.add(outcome) - self._priced(outcome) * lives
        return reward

    def _priced(self, outcome: Outcome) -> Tensor:
        prices = self._prices.now_s
        return prices["healthy"] * outcome.touched_healthy + prices["harmful"] * outcome.harmful


def _concatenate(several: list[Chosen]) -> Chosen:
    names = ("step", "host", "action", "repair", "call")
    return Chosen(**{name: torch.cat([getattr(each, name) for each in several]) for name in names})


def values(critic: Critic, drilled: Drilled) -> Tensor:
    """Return [T + 1, N]: what the critic expects, nothing where a drill is over."""
    with torch.no_grad():
        found = critic(drilled.seen)
    return torch.cat((found[:-1] * drilled.lived, torch.zeros_like(found[:1])))
