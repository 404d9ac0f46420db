"""Hosts that live on under expert and learner, and what is kept of them. Imports torch.

DAgger asks the expert what would be right wherever the learner comes to. Of every episode one of the two acts, drawn when it
begins; some learners act by lot, in proportion to what they believe, so that wrong turns are seen too. Most seconds of most hosts
are calm and alike: few of them are kept, and those that are count for more, so that what is learned are probabilities. Seconds in
which something could be repaired that looks unhealthy, and nothing should be, are the ones to learn patience from.

Axes: N host.

References:
    Ross et al. 2011, A Reduction of Imitation Learning and Structured Prediction to No-Regret Online Learning, algorithm 3.1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ordertrainer.policy.actor import Network
from ordertrainer.policy.decisions import Decisions, concatenate, keep, unmet
from ordertrainer.policy.labels import Labels, labels
from ordertrainer.sim import Simulator
from ordertrainer.sim.candidates import outcomes
from ordertrainer.sim.policies import expert
from ordertrainer.sim.signals import Observation

Tick = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """How hosts are watched.

    Attributes:
        hosts: at once.
        seconds: of each.
        by_lot: share of the learner's episodes in which it draws its actions.
        keep_act: share of moments kept in which something is to be done.
        keep_tempting: of those in which nothing is to be done, and some repair is called for by its contract.
        keep_tense: of the others on a host with a fault or decoy.
        keep_calm: of all others.
    """

    hosts: int = 192
    seconds: int = 120
    by_lot: float = 0.3
    keep_act: float = 0.7
    keep_tempting: float = 0.7
    keep_tense: float = 0.2
    keep_calm: float = 0.05


class Watch:
    """One roll-out."""

    def __init__(self, sim: Simulator, settings: Rollout, learner: Network | None, expert_share: float) -> None:
        """Begin.

        Args:
            sim: hosts at the beginning of their episodes; its generator draws everything.
            settings: how hosts are watched.
            learner: who acts where the expert does not; None: the expert acts everywhere.
            expert_share: of episodes in which the expert acts.
        """
        self._sim, self._settings, self._learner, self._expert_share = sim, settings, learner, expert_share
        every = torch.ones(len(sim.state), dtype=torch.bool, device=sim.state.at_s.device)
        self._by_expert, self._by_lot = torch.zeros_like(every), torch.zeros_like(every)
        self._cast(every)

    def decisions(self, tick: Tick) -> Decisions:
        """Let hosts live and return what was kept, shuffled.

        Args:
            tick: told the share that is done.
        """
        kept: list[Decisions] = []
        for second in range(self._settings.seconds):
            kept.append(self._second())
            tick((second + 1) / self._settings.seconds)
        every = concatenate(kept)
        return every.take(torch.randperm(len(every), generator=self._sim.generator, device=every.weight.device))

    def _second(self) -> Decisions:
        sim, world = self._sim, self._sim.compiled
        seen = sim.observe()
        mask = sim.masks(seen)
        may = mask[:, : world.wait].unflatten(1, (world.layout.slots, world.no_repair))
        told = labels(world, sim.state, seen, may)
        kept = self._keep(seen, mask, told)
        actions = expert(world, sim.state, may)
        if self._learner is not None:
            self._let_learn(self._learner, seen, mask, actions)
        done = sim.step(actions).done
        sim.reset(done)
        self._cast(done)
        return kept

    def _keep(self, seen: Observation, mask: Tensor, told: Labels) -> Decisions:
        sim, settings = self._sim, self._settings
        acts = told.right[:, 0] != sim.compiled.wait
        share = torch.where(_something_shows(sim), settings.keep_tense, settings.keep_calm)
        share = torch.where(_tempting(sim, seen, mask), settings.keep_tempting, share)
        share = torch.where(acts, settings.keep_act, share)
        where = ((self._rand() < share) & sim.state.idle).nonzero()[:, 0]
        return keep(
            sim.compiled,
            where,
            seen=seen,
            tried=outcomes(sim.compiled, sim.state),
            mask=mask,
            told=told,
            weight=1.0 / share[where],
        )

    def _let_learn(self, learner: Network, seen: Observation, mask: Tensor, actions: Tensor) -> None:
        """Overwrite the actions of hosts on which the learner acts."""
        beliefs = learner.believe(self._sim, seen, mask)
        if not len(beliefs.where):
            return
        chosen = learner.choose(self._sim, beliefs)
        lot = torch.multinomial(beliefs.probability, 1, generator=self._sim.generator)[:, 0]
        chosen[beliefs.where] = torch.where(self._by_lot[beliefs.where], lot, chosen[beliefs.where])
        actions[:] = torch.where(self._by_expert, actions, chosen)

    def _cast(self, done: Tensor) -> None:
        """Draw who acts in the episodes that begin now."""
        by_expert = (self._rand() < self._expert_share) if self._learner is not None else torch.ones_like(done)
        self._by_expert = torch.where(done, by_expert, self._by_expert)
        self._by_lot = torch.where(done, self._rand() < self._settings.by_lot, self._by_lot)

    def _rand(self) -> Tensor:
        return torch.rand(len(self._sim.state), generator=self._sim.generator, device=self._sim.state.at_s.device)


def _tempting(sim: Simulator, seen: Observation, mask: Tensor) -> Tensor:
    """Tell where some repair may be tried on what does not look as its contract says healthy things do: [N] bool."""
    return (mask[:, : sim.compiled.wait] & unmet(sim.compiled, seen.rows).flatten(1)).any(-1)


def _something_shows(sim: Simulator) -> Tensor:
    """Tell where there is, or lately was, a fault or a decoy: [N] bool."""
    some = (sim.state.levels.fault != sim.compiled.no_fault).T
    begun = some & (sim.state.known.onset_s <= sim.state.at_s)
    over = sim.state.at_s - sim.state.ended_s > _LATELY_S
    return (begun & ~over).any(0)


_LATELY_S = 20.0
