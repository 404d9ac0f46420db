"""One iteration of PPO: what drills taught. Imports torch.

    loss = clipped loss + kl * KL(lots, lots of the imitated policy) + teach * loss of imitation
    critic: squared error of its expectation, on every second step that was lived

The simulator's expert says of each kept decision what would have been right, as in imitation; it costs nothing, and keeps what
the network says probabilities, which the thresholds on a host rely on. How far the policy moves in an iteration is bounded
thrice: by the clip, by the distance to what was imitated, and by ending the passes once the newest lots are too far from those
drawn.

Axes: T step, N host, n decision, B of them.

References:
    Schmitt et al. 2018, Kickstarting Deep Reinforcement Learning, for a teacher beside PPO.
    Huang et al. 2022, CleanRL, for the shape of the loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ordertrainer.evolve.advantages import advantages, clipped
from ordertrainer.evolve.critic import Critic, Truths
from ordertrainer.evolve.drilling import Chosen, Drilled, values
from ordertrainer.evolve.lot import SHARPNESS, Gates, divergence, log_lots
from ordertrainer.nets.policy import PolicyNet
from ordertrainer.policy.decisions import Decisions, inputs
from ordertrainer.policy.objective import losses
from ordertrainer.policy.playbooks import Playbooks

GRADIENT_NORM_MAX = 0.5
_CHUNK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """How to learn from drills.

    Attributes:
        gamma: discount of a step of drilling.PACE_S seconds.
        decay: lambda of the advantages.
        clip: of the ratio of probabilities.
        passes: over an iteration's decisions, at most.
        batch: decisions a step.
        learning_rate: of the policy.
        critic_rate: of the critic.
        kl: weight of the distance to the imitated policy.
        teach: weight of imitation.
        far: mean distance from the lots drawn at which an iteration's passes end.
        sharpness: see `lot`.
        mean_of: steps over which weights are averaged.
    """

    gamma: float = 0.995
    decay: float = 0.95
    clip: float = 0.2
    passes: int = 2
    batch: int = 256
    learning_rate: float = 5e-4
    critic_rate: float = 2e-3
    kl: float = 0.02
    teach: float = 0.5
    far: float = 0.1
    sharpness: float = SHARPNESS
    mean_of: int = 60


class _Before(NamedTuple):
    """What held when the drills were drilled.

    Attributes:
        lots: [n] of what was done.
        imitated: [n, A] of the imitated policy.
        advantage: [n].
    """

    lots: Tensor
    imitated: Tensor
    advantage: Tensor


class Learner:
    """Policy, critic and their optimisers.

    Attributes:
        net: acts and learns.
        mean: running mean of its weights: what is examined and kept.
        imitated: where it began; is kept as it is.
        critic: see `critic`.
    """

    def __init__(self, playbooks: Playbooks, net: PolicyNet, mean: PolicyNet, imitated: PolicyNet, settings: Learning) -> None:
        """Begin with three networks of the same weights, all in evaluation mode: nothing is dropped out here."""
        self.net, self.mean, self.imitated = net, mean, imitated
        self.critic = Critic(len(playbooks.world.fault_names)).to(playbooks.contracts.device)
        self._playbooks, self._settings = playbooks, settings
        self._optimiser = torch.optim.Adam(net.parameters(), lr=settings.learning_rate, eps=1e-5)
        self._critics = torch.optim.Adam(self.critic.parameters(), lr=settings.critic_rate)

    def learn(self, drilled: Drilled, draws: torch.Generator) -> dict[str, float]:
        """Learn from an iteration's drills; return means of the losses over its steps.

        Args:
            drilled: the drills.
            draws: shuffles decisions, on the CPU.
        """
        expected = values(self.critic, drilled)
        better = advantages(
            drilled.reward,
            expected[:-1],
            expected[1:],
            terminated=drilled.over,
            truncated=torch.zeros_like(drilled.over),
            gamma=self._settings.gamma,
            decay=self._settings.decay,
        )
        found = self.criticise(drilled.seen, better + expected[:-1], drilled.lived, draws)
        return found | self._improve(drilled, better, draws)

    def criticise(self, seen: Truths, returns: Tensor, lived: Tensor, draws: torch.Generator) -> dict[str, float]:
        """Let the critic learn what came, [T, N] minutes where drills were lived; return its mean error."""
        where = lived.flatten().nonzero()[:, 0].cpu()
        fault, truth = seen.fault[:-1].flatten(0, 1), seen.truth[:-1].flatten(0, 1)
        returns, total, count = returns.flatten(), 0.0, 0
        for _ in range(self._settings.passes):
            for place in where[torch.randperm(len(where), generator=draws)].split(4 * self._settings.batch):
                at = place.to(returns.device)
                loss = (self.critic(Truths(fault=fault[at], truth=truth[at])) - returns[at]).square().mean()
                self._critics.zero_grad()
                loss.backward()
                self._critics.step()
                total, count = total + float(loss.detach()), count + 1
        return {"loss_critic": round(total / max(count, 1), 5)}

    def _improve(self, drilled: Drilled, better: Tensor, draws: torch.Generator) -> dict[str, float]:
        chosen, decisions = drilled.chosen, drilled.decisions
        before = self._before(decisions, chosen, better[chosen.step, chosen.host])
        sums, steps, moved = torch.zeros(4), 0, 0.0
        for _ in range(self._settings.passes):
            for place in torch.randperm(len(decisions), generator=draws).split(self._settings.batch):
                parts = self._step(decisions, chosen, before, place.to(better.device))
                sums, steps, moved = sums + parts, steps + 1, float(parts[3])
                if moved > self._settings.far:
                    break
            if moved > self._settings.far:
                break
        names = ("loss_clipped", "kl_imitated", "loss_taught", "kl_moved")
        means = (sums / max(steps, 1)).tolist()
        return {"decisions": float(len(decisions)), "steps": float(steps)} | {
            name: round(mean, 5) for name, mean in zip(names, means, strict=True)
        }

    @torch.no_grad()
    def _before(self, decisions: Decisions, chosen: Chosen, advantage: Tensor) -> _Before:
        lots: list[Tensor] = []
        imitated: list[Tensor] = []
        for place in torch.arange(len(decisions), device=advantage.device).split(_CHUNK):
            batch, gates = decisions.take(place), _of(chosen.gates, place)
            drawn = self._lots(self.net, batch, gates)
            lots.append(drawn.gather(1, chosen.action[place, None])[:, 0])
            imitated.append(self._lots(self.imitated, batch, gates))
        weight = decisions.weight / decisions.weight.sum()
        mean = (advantage * weight).sum()
        deviation = ((advantage - mean).square() * weight).sum().sqrt()
        return _Before(lots=torch.cat(lots), imitated=torch.cat(imitated), advantage=(advantage - mean) / (deviation + 1e-6))

    def _lots(self, net: PolicyNet, batch: Decisions, gates: Gates) -> Tensor:
        logits = net.logits(inputs(self._playbooks.world, self._playbooks.contracts, batch)).action
        return log_lots(logits, gates, self._settings.sharpness)

    def _step(self, decisions: Decisions, chosen: Chosen, before: _Before, place: Tensor) -> Tensor:
        settings, batch = self._settings, decisions.take(place)
        logits = self.net.logits(inputs(self._playbooks.world, self._playbooks.contracts, batch))
        lots = log_lots(logits.action, _of(chosen.gates, place), settings.sharpness)
        now, then = lots.gather(1, chosen.action[place, None])[:, 0], before.lots[place]
        gain = clipped(now, then, before.advantage[place], batch.weight, settings.clip)
        weight = batch.weight / batch.weight.sum()
        near = (divergence(lots, before.imitated[place]) * weight).sum()
        taught = losses(logits, batch).total()
        self._optimiser.zero_grad()
        (gain + settings.kl * near + settings.teach * taught).backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), GRADIENT_NORM_MAX)
        self._optimiser.step()
        self._average()
        # Schulman's estimate of the distance from what was drawn: never below 0, and little noise.
        log_ratio = (now - then).detach()
        moved = ((log_ratio.exp() - 1.0 - log_ratio) * weight).sum()
        return torch.stack([gain.detach(), near.detach(), taught.detach(), moved]).cpu()

    @torch.no_grad()
    def _average(self) -> None:
        for mean, now in zip(self.mean.parameters(), self.net.parameters(), strict=True):
            mean.lerp_(now, 1.0 / self._settings.mean_of)

    def state(self) -> dict[str, Any]:
        """Return everything that changes but for the mean, which is the checkpoint's own."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load(self, state: Mapping[str, Any], mean: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned, and the mean of that moment."""
        self.mean.load_state_dict(mean)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {
            "learner": self.net,
            "imitated": self.imitated,
            "critic": self.critic,
            "optimiser": self._optimiser,
            "critics": self._critics,
        }


def _of(gates: Gates, place: Tensor) -> Gates:
    return Gates(repair=gates.repair[place], call=gates.call[place])
