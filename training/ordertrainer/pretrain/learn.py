"""The training: one seeded, resumable loop. Imports torch; writes into one folder.

    OUT/last.pt        the whole state after the newest iteration; training goes on from here
    OUT/best.pt        the weights that charged least for hosts that no iteration learned from
    OUT/history.jsonl  one line an iteration

An iteration simulates other hosts, and learns from them and from recorded runs at once. What is kept is the running mean of
the weights, which needs no schedule, so that a training may be as long as somebody has time. Everything that an iteration draws
follows from the seed and its number: a training that was killed and goes on ends where an unbroken one does, on a CPU to the bit.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from ordertrainer.heldout import HeldOut
from ordertrainer.imitation.checkpoint import CheckpointError, commit
from ordertrainer.nets.mixture import bits
from ordertrainer.nets.next_sample import NextNet
from ordertrainer.nets.order import Shape
from ordertrainer.policy.imitate import PARTS
from ordertrainer.policy.iterations import BEST, LAST, Bounds, Watcher, average, over, write_history
from ordertrainer.policy.levels import Trained
from ordertrainer.policy.seeds import seed_of
from ordertrainer.pretrain.checkpoint import copy_of, read_pretrained, save_pretrained
from ordertrainer.pretrain.cost import mean_bits
from ordertrainer.pretrain.drawn import drawn
from ordertrainer.pretrain.hiding import Hiding, hide
from ordertrainer.pretrain.moments import Moments, concatenate
from ordertrainer.pretrain.simulated import Watch, simulated
from ordertrainer.sim import Compiled

_GRADIENT_NORM_MAX: Final = 1.0
_WARM_STEPS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to train; a folder belongs to one of these.

    Attributes:
        seed: of weights, hosts and draws.
        watch: how hosts are simulated.
        hiding: what the learner is not shown.
        steps: an iteration.
        batch: moments a step.
        from_recorded: share of every batch that comes from recorded runs, where there are any.
        drawn: series a step that nobody measured, for signals without names.
        drawn_weight: of their bits a value, beside those of hosts.
        learning_rate: after the first steps; falls with the root of the iteration.
        weight_decay: of AdamW.
        mean_of: steps over which weights are averaged.
        patience: iterations without a better one before training ends.
        shape: of the order model that shall begin with these weights.
    """

    seed: int = 0
    watch: Watch = field(default_factory=Watch)
    hiding: Hiding = field(default_factory=Hiding)
    steps: int = 60
    batch: int = 96
    from_recorded: float = 0.5
    drawn: int = 1024
    drawn_weight: float = 0.2
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    mean_of: int = 100
    patience: int = 10
    shape: Shape = field(default_factory=lambda: Shape(dropout=0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What is learned from.

    Attributes:
        world: the catalogue that is simulated.
        held: the locked split; nothing of it is drawn.
        recorded: of runs for training; None: only simulated hosts.
        tune: of runs for tuning, likewise.
        digest: sha256 of the data directory, empty without one.
    """

    world: Compiled
    held: HeldOut
    recorded: Moments | None = None
    tune: Moments | None = None
    digest: str = ""


@dataclass(slots=True, kw_only=True)
class _State:
    """Everything that changes while training; what ``last.pt`` holds."""

    net: NextNet
    mean: NextNet
    optimiser: torch.optim.Optimizer
    history: list[dict[str, Any]] = field(default_factory=list)
    step: int = 0

    @property
    def seconds(self) -> float:
        return sum(line["seconds"] for line in self.history)

    @property
    def iteration(self) -> int:
        return len(self.history)

    @property
    def best(self) -> dict[str, Any] | None:
        return min(self.history, key=lambda line: line["bits"], default=None)


def pretrain(
    sources: Sources,
    out: Path,
    settings: Settings,
    *,
    bounds: Bounds,
    watcher: Watcher,
    clock: Callable[[], float] = time.monotonic,
) -> Path:
    """Train, or go on training, until the bounds are reached or nothing gets better.

    Args:
        sources: what is learned from.
        out: folder of this training; made when it is missing.
        settings: how to train; must be those of a training that ``out`` holds.
        bounds: when to stop.
        watcher: told what happens.
        clock: monotonic seconds.

    Returns:
        Path of ``best.pt``.

    Raises:
        CheckpointError: ``out`` holds a training with other settings, data or split.
        HeldOutError: a draw broke the split.
    """
    out.mkdir(parents=True, exist_ok=True)
    about = {
        "seed": settings.seed,
        "settings": _plain(settings),
        "data_digest": sources.digest,
        "heldout": sources.held.sha256,
        "commit": commit(),
    }
    state = _begin_or_resume(out, settings, about)
    trained, tuning = Trained(sources.world, sources.held), _tuning(sources, settings)
    watcher.begin(bounds, state.seconds)
    while not over(state.history, bounds, state.best, settings.patience):
        began, number = clock(), state.iteration
        watcher.part(PARTS[0], number, 0.0)
        fresh = simulated(sources.world, trained, settings.watch, seed_of(settings.seed, "hosts", number))
        if not number:
            _scale(state, fresh, sources.recorded)
        loss = _fit(state, fresh, sources.recorded, settings, watcher)
        watcher.part(PARTS[2], number, 0.0)
        costs = {name: round(mean_bits(state.mean, moments), 5) for name, moments in tuning.items()}
        line = {"iteration": number, "learned_bits": loss, "bits": sum(costs.values()) / len(costs), "sets": costs}
        line["seconds"] = round(clock() - began, 2)
        _save(out, state, line, about)
        watcher.line(line)
    return out / BEST


def _tuning(sources: Sources, settings: Settings) -> dict[str, Moments]:
    """Return what chooses between iterations: hosts as trained on, but others."""
    chaos = Trained(sources.world, sources.held)
    others = {"simulated": simulated(sources.world, chaos, settings.watch, seed_of(settings.seed, "tuning"))}
    return others | ({"recorded": sources.tune} if sources.tune is not None else {})


def _plain(settings: Settings) -> dict[str, Any]:
    return {**asdict(settings), "shape": dict(settings.shape._asdict())}


def _begin_or_resume(out: Path, settings: Settings, about: dict[str, Any]) -> _State:
    torch.manual_seed(settings.seed)
    net = NextNet(settings.shape)
    optimiser = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    state = _State(net=net, mean=copy_of(net), optimiser=optimiser)
    if (out / LAST).exists():
        _resume(state, out / LAST, about)
    return state


def _resume(state: _State, path: Path, about: dict[str, Any]) -> None:
    content = read_pretrained(path)
    for key in ("settings", "data_digest", "heldout"):
        if content[key] != about[key]:
            msg = f"{path}: belongs to a training with other {key}; choose another --out or remove it"
            raise CheckpointError(msg)
    state.net.load_state_dict(content["learner"])
    state.mean.load_state_dict(content["weights"])
    state.optimiser.load_state_dict(content["optimiser"])
    state.history, state.step = content["history"], content["step"]


def _scale(state: _State, fresh: Moments, recorded: Moments | None) -> None:
    """Fit the normalisers, once: they say what a code means."""
    several = concatenate([fresh] if recorded is None else [fresh, recorded])
    net = state.net
    net.host.normaliser.fit(several.host.flatten(0, 1).numpy())
    net.entity.normaliser.fit(several.rows[several.present].flatten(0, 1).numpy())
    state.mean.load_state_dict(net.state_dict())


def _fit(state: _State, fresh: Moments, recorded: Moments | None, settings: Settings, watcher: Watcher) -> float:
    """Learn from moments; return what they cost on the way, in bits a value."""
    number, total = state.iteration, 0.0
    draws = torch.Generator().manual_seed(seed_of(settings.seed, "draws", number))
    torch.manual_seed(seed_of(settings.seed, "dropout", number))
    state.net.train()
    of_recorded = round(settings.batch * settings.from_recorded) if recorded is not None else 0
    for step in range(settings.steps):
        parts = [_draw(fresh, settings.batch - of_recorded, draws)]
        if recorded is not None and of_recorded:
            parts.append(_draw(recorded, of_recorded, draws))
        batch = hide(concatenate(parts), settings.hiding, draws)
        nameless = torch.rand(len(batch), generator=draws) < settings.hiding.names
        total += _step(state, batch, nameless, drawn(settings.drawn, draws), settings)
        watcher.part(PARTS[1], number, (step + 1) / settings.steps)
    return round(total / settings.steps, 5)


def _draw(moments: Moments, count: int, draws: torch.Generator) -> Moments:
    return moments.take(torch.randint(0, len(moments), (count,), generator=draws))


def _step(state: _State, batch: Moments, nameless: Tensor, others: tuple[Tensor, Tensor], settings: Settings) -> float:
    state.step += 1
    rate = settings.learning_rate * min(1.0, state.step / _WARM_STEPS) / (1.0 + state.iteration) ** 0.5
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    state.optimiser.zero_grad()
    cost = state.net(batch.seen, batch.next_host, batch.next_rows, nameless).mean()
    slots, nexts = others
    (cost + settings.drawn_weight * bits(state.net.nameless(slots), nexts).mean()).backward()
    torch.nn.utils.clip_grad_norm_(state.net.parameters(), _GRADIENT_NORM_MAX)
    state.optimiser.step()
    average(state.mean, state.net, step=state.step, mean_of=settings.mean_of)
    return float(cost.detach())


def _save(out: Path, state: _State, line: dict[str, Any], about: dict[str, Any]) -> None:
    best = state.best
    if best is None or line["bits"] < best["bits"]:
        save_pretrained(out / BEST, state.mean, **about, iteration=line["iteration"], tune=line)
    state.history.append(line)
    save_pretrained(
        out / LAST,
        state.mean,
        **about,
        learner=state.net.state_dict(),
        optimiser=state.optimiser.state_dict(),
        history=state.history,
        step=state.step,
    )
    write_history(out, state.history)
