"""Stage 2: DAgger on the expert that knows every fault; one seeded, resumable loop. Imports torch; writes into one folder.

    OUT/last.pt          the whole state after the newest iteration; training goes on from here
    OUT/best.pt          the weights that did best on hosts that no iteration learned from
    OUT/moments-NNN.pt   what iteration NNN kept of its roll-out
    OUT/history.jsonl    one line an iteration

An iteration: hosts live on under expert and learner, the expert says of each moment what would have been right, and the learner
is fitted to all moments so far. What acts and is examined is the running mean of the weights, which needs no schedule, so that a
training may be as long as somebody has time. Everything that an iteration draws follows from the seed and its number: a training
that was killed and goes on ends where an unbroken one does, on a CPU to the bit.

References:
    Ross et al. 2011, A Reduction of Imitation Learning and Structured Prediction to No-Regret Online Learning.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch

from ordertrainer.heldout import HeldOut
from ordertrainer.imitation.checkpoint import CheckpointError, commit
from ordertrainer.nets.policy import PolicyNet, PolicyShape
from ordertrainer.policy.actor import Network
from ordertrainer.policy.checkpoint import (
    catalogue_digest,
    copy_of,
    read_moments,
    read_policy,
    save_moments,
    save_policy,
)
from ordertrainer.policy.decisions import Decisions, concatenate, inputs
from ordertrainer.policy.iterations import BEST, LAST, Bounds, Watcher, average, over, write_history
from ordertrainer.policy.levels import Trained
from ordertrainer.policy.objective import losses
from ordertrainer.policy.playbooks import Playbooks
from ordertrainer.policy.rollout import Rollout, Watch
from ordertrainer.policy.seeds import seed_of
from ordertrainer.policy.suites import Suite
from ordertrainer.policy.tuning import tried, tuning
from ordertrainer.pretrain.checkpoint import begin_with, sha256_of
from ordertrainer.sim import Simulator

PARTS: Final = ("watching hosts", "learning", "examining")
"""Of an iteration."""
FEW_REPAIRS: Final = 3
_GRADIENT_NORM_MAX: Final = 1.0
_WARM_STEPS: Final = 50
_NORMALISER_MOMENTS: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to train; a folder belongs to one of these.

    Attributes:
        seed: of weights, hosts and draws.
        rollout: how hosts are watched.
        expert_decay: of the share of episodes in which the expert acts: ``decay ** iteration``.
        moments_max: kept in memory at most; every iteration so far gives an equal share.
        steps: an iteration.
        batch: moments a step.
        learning_rate: after the first steps; falls with the root of the iteration.
        weight_decay: of AdamW.
        hide: share of the signals that few repairs ask for, hidden from the learner in every other step.
        mean_of: steps over which weights are averaged.
        tune_hosts: of each suite that chooses between iterations.
        patience: iterations without a better one before training ends.
        shape: of the network.
    """

    seed: int = 0
    rollout: Rollout = field(default_factory=Rollout)
    expert_decay: float = 0.5
    moments_max: int = 60_000
    steps: int = 150
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    hide: float = 0.15
    mean_of: int = 100
    tune_hosts: int = 128
    patience: int = 10
    shape: PolicyShape = field(default_factory=PolicyShape)


@dataclass(slots=True, kw_only=True)
class _State:
    """Everything that changes while training; what ``last.pt`` holds, but for the moments."""

    net: PolicyNet
    mean: PolicyNet
    optimiser: torch.optim.Optimizer
    moments: list[Decisions] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    step: int = 0
    scaled: bool = False

    @property
    def seconds(self) -> float:
        return sum(line["seconds"] for line in self.history)

    @property
    def iteration(self) -> int:
        return len(self.history)

    @property
    def best(self) -> dict[str, Any] | None:
        return max(self.history, key=lambda line: line["worth"], default=None)


def imitate(
    playbooks: Playbooks,
    held: HeldOut,
    out: Path,
    settings: Settings,
    *,
    bounds: Bounds,
    watcher: Watcher,
    pretrained: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Path:
    """Train, or go on training, until the bounds are reached or nothing gets better.

    Args:
        playbooks: the catalogue, on the device to train on.
        held: the locked split; nothing of it is drawn.
        out: folder of this training; made when it is missing.
        settings: how to train; must be those of a training that ``out`` holds.
        bounds: when to stop.
        watcher: told what happens.
        pretrained: checkpoint of `ordertrainer pretrain` to begin with: encoders, blocks and scales, of these sizes.
        clock: monotonic seconds.

    Returns:
        Path of ``best.pt``.

    Raises:
        CheckpointError: ``out`` holds a training with other settings, playbooks or split, or ``pretrained`` cannot be used.
        HeldOutError: a draw broke the split.
    """
    out.mkdir(parents=True, exist_ok=True)
    about = {
        "seed": settings.seed,
        "settings": _plain(settings),
        "catalogue": catalogue_digest(playbooks),
        "heldout": held.sha256,
        "pretrained": "" if pretrained is None else sha256_of(pretrained),
        "commit": commit(),
    }
    state = _begin_or_resume(playbooks, out, settings, about, pretrained=pretrained)
    trained, asked = Trained(playbooks.world, held), tuning(playbooks, held)
    watcher.begin(bounds, state.seconds)
    while not over(state.history, bounds, state.best, settings.patience):
        began = clock()
        iteration = _Iteration(playbooks, state, settings, watcher)
        iteration.roll_out(trained, out)
        loss = iteration.fit(trained)
        line = {"iteration": state.iteration, "moments": sum(map(len, state.moments)), **loss, **iteration.examine(asked)}
        line["seconds"] = round(clock() - began, 2)
        _save(out, state, line, about)
        watcher.line(line)
    return out / BEST


def _plain(settings: Settings) -> dict[str, Any]:
    return {**asdict(settings), "shape": dict(settings.shape._asdict())}


def _begin_or_resume(
    playbooks: Playbooks, out: Path, settings: Settings, about: dict[str, Any], *, pretrained: Path | None
) -> _State:
    torch.manual_seed(settings.seed)
    net = PolicyNet(settings.shape).to(playbooks.contracts.device)
    if pretrained is not None:
        begin_with(net, pretrained)
    optimiser = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    state = _State(net=net, mean=copy_of(net), optimiser=optimiser, scaled=pretrained is not None)
    if (out / LAST).exists():
        _resume(state, out, settings, about)
    return state


def _resume(state: _State, out: Path, settings: Settings, about: dict[str, Any]) -> None:
    content = read_policy(out / LAST)
    for key in ("settings", "catalogue", "heldout", "pretrained"):
        if content.get(key, "") != about[key]:
            msg = f"{out / LAST}: belongs to a training with other {key}; choose another --out or remove it"
            raise CheckpointError(msg)
    state.net.load_state_dict(content["learner"])
    state.mean.load_state_dict(content["weights"])
    state.optimiser.load_state_dict(content["optimiser"])
    state.history, state.step = content["history"], content["step"]
    state.moments = [read_moments(_moments(out, number)) for number in range(state.iteration)]
    _bound(state, settings, state.iteration)


def _moments(out: Path, iteration: int) -> Path:
    return out / f"moments-{iteration:03d}.pt"


def _bound(state: _State, settings: Settings, iterations: int) -> None:
    """Keep an equal share of every iteration; moments are in random order, so that any first ones are a fair draw."""
    if iterations:
        state.moments = [moments.first(settings.moments_max // iterations) for moments in state.moments]


def _save(out: Path, state: _State, line: dict[str, Any], about: dict[str, Any]) -> None:
    best = state.best
    if best is None or line["worth"] > best["worth"]:
        save_policy(out / BEST, state.mean, **about, iteration=line["iteration"], tune=line)
    state.history.append(line)
    save_policy(
        out / LAST,
        state.mean,
        **about,
        learner=state.net.state_dict(),
        optimiser=state.optimiser.state_dict(),
        history=state.history,
        step=state.step,
    )
    write_history(out, state.history)


class _Iteration:
    """One iteration."""

    def __init__(self, playbooks: Playbooks, state: _State, settings: Settings, watcher: Watcher) -> None:
        self._playbooks, self._state, self._settings, self._watcher = playbooks, state, settings, watcher
        self._number = state.iteration

    def roll_out(self, trained: Trained, out: Path) -> None:
        """Let hosts live and keep what is to be learned from them."""
        playbooks, state, settings = self._playbooks, self._state, self._settings
        sim = Simulator(
            playbooks.world,
            hosts=settings.rollout.hosts,
            seed=seed_of(settings.seed, "hosts", self._number),
            chaos=trained,
            device=playbooks.contracts.device,
        )
        learner = Network(state.mean, playbooks.contracts) if self._number else None
        watch = Watch(sim, settings.rollout, learner, settings.expert_decay**self._number)
        kept = watch.decisions(self._tick(PARTS[0])).to("cpu").first(settings.moments_max)
        save_moments(_moments(out, self._number), kept)
        state.moments.append(kept)
        _bound(state, settings, self._number + 1)

    def fit(self, trained: Trained) -> dict[str, float]:
        """Fit the learner to all moments so far; return mean losses."""
        state, settings = self._state, self._settings
        torch.manual_seed(seed_of(settings.seed, "dropout", self._number))
        draws = torch.Generator().manual_seed(seed_of(settings.seed, "draws", self._number))
        moments = concatenate(state.moments)
        if not self._number:
            self._scale(moments, trained)
        state.net.train()
        tick, sums = self._tick(PARTS[1]), torch.zeros(3)
        rare, device = _rarely_asked_for(self._playbooks).cpu(), self._playbooks.contracts.device
        for step in range(settings.steps):
            batch = moments.take(torch.randint(0, len(moments), (settings.batch,), generator=draws))
            hidden = torch.rand(rare.shape, generator=draws) < settings.hide * (step % 2)
            sums += self._step(batch.to(device), (hidden & rare).to(device, torch.float32))
            tick((step + 1) / settings.steps)
        action, failure, wrong = (sums / settings.steps).tolist()
        return {"loss_action": round(action, 5), "loss_failure": round(failure, 5), "loss_wrong": round(wrong, 5)}

    def _scale(self, moments: Decisions, trained: Trained) -> None:
        """Fit the normalisers, once: later moments must look to the network as the first ones did; pretrained ones are kept."""
        self._state.net.known.copy_(trained.locked.signals())
        net, world = self._state.net, self._playbooks.world
        if self._state.scaled:
            self._state.mean.load_state_dict(net.state_dict())
            return
        seen = inputs(world, self._playbooks.contracts, moments.first(_NORMALISER_MOMENTS).to(self._playbooks.contracts.device))
        net.host.normaliser.fit(seen.host.flatten(0, 1).cpu().numpy())
        net.entity.normaliser.fit(seen.entities[seen.present].flatten(0, 1).cpu().numpy())
        self._state.mean.load_state_dict(net.state_dict())

    def _step(self, batch: Decisions, hidden: torch.Tensor) -> torch.Tensor:
        state, settings = self._state, self._settings
        state.step += 1
        rate = settings.learning_rate * min(1.0, state.step / _WARM_STEPS) / (1.0 + self._number) ** 0.5
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        state.optimiser.zero_grad()
        parts = losses(state.net.logits(inputs(self._playbooks.world, self._playbooks.contracts, batch), hidden), batch)
        parts.total().backward()
        torch.nn.utils.clip_grad_norm_(state.net.parameters(), _GRADIENT_NORM_MAX)
        state.optimiser.step()
        average(state.mean, state.net, step=state.step, mean_of=settings.mean_of)
        return torch.stack([part.detach().cpu() for part in parts])

    def examine(self, asked: tuple[Suite, ...]) -> dict[str, Any]:
        """Let the mean of the weights keep hosts in order that no iteration learns from."""
        settings = self._settings
        return tried(
            self._playbooks,
            lambda: Network(self._state.mean, self._playbooks.contracts),
            asked,
            hosts=settings.tune_hosts,
            seed=settings.seed,
            tick=self._tick(PARTS[2]),
        )

    def _tick(self, what: str) -> Callable[[float], None]:
        return lambda share: self._watcher.part(what, self._number, share)


def _rarely_asked_for(playbooks: Playbooks) -> torch.Tensor:
    """Return [F] bool: the signals that some repair needs, and few do; the others tell what is in order at all."""
    asked = playbooks.world.repairs.preconditions
    used = (asked.alternatives @ asked.needed) > 0
    count = torch.zeros(playbooks.world.carried.shape[1], len(playbooks.repairs), device=used.device)
    count.index_add_(0, asked.column, used.to(count.dtype))
    repairs = (count > 0).sum(-1)
    return (repairs > 0) & (repairs <= FEW_REPAIRS)
