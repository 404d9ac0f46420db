"""Supervised training of the order model: one seeded, resumable loop. Imports torch; writes checkpoints into one folder.

    OUT/last.pt        the whole state after the newest epoch; training goes on from here
    OUT/best.pt        the weights that did best on the tune split, calibrated when training ends
    OUT/history.jsonl  one line an epoch

Axes: N example, B window, E entity, S slot, H host signal, F entity signal, C failure class.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from orderd.domain.faults import FAILURES, Failure
from ordertrainer.dataset import Examples
from ordertrainer.dataset.examples import joined
from ordertrainer.evaluation.predictions import Predictions, by_network
from ordertrainer.evaluation.scores import Judge, confusion_per_run, false_alarms, macro_f1
from ordertrainer.imitation.augment import Augmentation, Batch, augment
from ordertrainer.imitation.calibrate import calibrate
from ordertrainer.imitation.checkpoint import CheckpointError, commit, net_of, read, save
from ordertrainer.imitation.objective import class_weights, draw_weights, loss
from ordertrainer.imitation.views import check_separate
from ordertrainer.nets.order import OrderNet, Shape
from ordertrainer.pretrain.checkpoint import begin_with, sha256_of

LAST: Final = "last.pt"
BEST: Final = "best.pt"
HISTORY: Final = "history.jsonl"
_NORMALISER_WINDOWS: Final = 4000
_GRADIENT_NORM_MAX: Final = 1.0
_EVALUATION_BATCH: Final = 512
DRILLED_F1: Final = "drilled_macro_f1"
NOTHING: Final[Mapping[str, Any]] = {"windows": 0, "share": 0.0, "drills": 0}

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to train.

    Attributes:
        seed: of weights, draws and augmentation.
        epochs: at most.
        patience: epochs without a better one on the tune split before training ends.
        batch: windows a step.
        steps: steps an epoch.
        learning_rate: peak; warmed up over the first epoch, then a cosine to a hundredth.
        weight_decay: of AdamW.
        augmentation: how often each change is made.
        shape: of the network.
    """

    seed: int = 0
    epochs: int = 40
    patience: int = 8
    batch: int = 192
    steps: int = 150
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    augmentation: Augmentation = field(default_factory=Augmentation)
    shape: Shape = field(default_factory=Shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What else is fitted to.

    Attributes:
        examples: windows of simulated drills.
        share: of the windows of a step.
        drills: of which they are; not of each is one kept.
    """

    examples: Examples
    share: float
    drills: int

    def plain(self) -> dict[str, Any]:
        """Return what is kept of it with the weights."""
        return {"windows": len(self.examples), "share": self.share, "drills": self.drills}


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What a training learns from.

    Attributes:
        train: what the weights are fitted to.
        tune: other runs; chooses the epoch and the temperature.
        digest: sha256 of the data directory, recorded with the weights.
        simulated: drills of even chaos, fitted to as well.
        drilled: drills of chaos that met an earlier state of the network, fitted to as well.
        tune_drilled: other drills of that chaos; where there are any, they choose the epoch too.
    """

    train: Examples
    tune: Examples
    digest: str
    simulated: Beside | None = None
    drilled: Beside | None = None
    tune_drilled: Examples | None = None

    def beside(self) -> dict[str, Beside | None]:
        """Return what is not recorded, by name."""
        return {"simulated": self.simulated, "drilled": self.drilled}

    def every(self) -> tuple[Examples, NDArray[np.float64]]:
        """Return everything that is fitted to, and how probably each example is drawn."""
        beside = [each for each in self.beside().values() if each is not None and each.share > 0.0]
        examples, drawn = self.train, [draw_weights(self.train) * (1.0 - sum(each.share for each in beside))]
        for each in beside:
            examples = joined(examples, each.examples)
            drawn.append(draw_weights(each.examples) * each.share)
        return examples, np.concatenate(drawn)


class _State:
    """Everything that changes while training; what ``last.pt`` holds."""

    def __init__(self, net: OrderNet, settings: Settings) -> None:
        self.net = net
        self.optimiser = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.epoch = 0
        self.best_worth = (-math.inf, -math.inf)
        self.best_epoch = 0


def train(
    data: Data,
    out: Path,
    settings: Settings,
    say: Progress,
    device: str = "cpu",
    *,
    pretrained: Path | None = None,
    start: Path | None = None,
    command: str = "",
    told: Callable[[dict[str, Any]], None] = lambda _line: None,
) -> Path:
    """Train until the tune split shows no better epoch, and return the calibrated best checkpoint.

    Args:
        data: what is learned from.
        out: folder of checkpoints; an unfinished training in it is continued.
        settings: how to train.
        say: called with one line an epoch.
        device: torch device.
        pretrained: checkpoint of `ordertrainer pretrain` to begin with: encoders, blocks and scales.
        start: checkpoint of an earlier training to go on from, whole: it is a candidate itself, so that what comes out is never
            worse on the tune split, and what it was taught stays taught.
        command: what a person would type to do it again; kept with the weights, after those that made ``start``.
        told: called with each line of the history.

    Returns:
        Path of ``best.pt``.

    Raises:
        ValueError: the splits share a run.
        CheckpointError: ``out`` holds a training with other settings or data, or ``pretrained`` or ``start`` cannot be used.
    """
    check_separate(train=data.train, tune=data.tune)
    if data.drilled is not None and data.tune_drilled is not None:
        check_separate(drilled=data.drilled.examples, tune_drilled=data.tune_drilled)
    out.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = {"seed": settings.seed, "settings": _plain(settings), "data_digest": data.digest, "commit": commit()}
    about |= {name: NOTHING if beside is None else beside.plain() for name, beside in data.beside().items()}
    about["recorded"] = {"windows": len(data.train), "drills": len(np.unique(data.train.run_id))}
    about["pretrained"] = "" if pretrained is None else sha256_of(pretrained)
    about["start"] = "" if start is None else sha256_of(start)
    about["commands"] = commands(start, command)
    examples, drawn = data.every()
    state = _State(net=_network(examples, settings, pretrained, start).to(device), settings=settings)
    about["never_trained"] = untaught(state.net)
    if about["never_trained"]:
        say(f"no training example of: {', '.join(about['never_trained'])}; the rules alone will name these")
    if (out / LAST).exists():
        _resume(state, out / LAST, about)
    weights = class_weights(examples).to(device)
    draws = torch.from_numpy(drawn)
    if start is not None and not state.epoch:
        line = {"epoch": 0, **_tune(state.net, data, weights)}
        about["as_it_was"], state.best_worth = line, worth(line)
        save(out / BEST, state.net, **about, epoch=0, tune=line, calibrated=False)
        say(f"as it was: tune {line['tune_loss']:.4f}  macro-F1 {_f1s(line)}")
    while state.epoch < settings.epochs and state.epoch - state.best_epoch < settings.patience:
        line = _epoch(state, examples, data, weights=weights, draws=draws, settings=settings)
        if worth(line) > state.best_worth:
            state.best_worth, state.best_epoch = worth(line), state.epoch
            save(out / BEST, state.net, **about, epoch=state.epoch, tune=line, calibrated=False)
        _save_last(out / LAST, state, about)
        with (out / HISTORY).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        told(line)
        say(_progress(line, state, settings))
    return _finish(out / BEST, data.tune, say)


def worth(line: dict[str, Any]) -> tuple[float, float]:
    """Return what an epoch is chosen by: its macro-F1 on the tune split, and of equal ones the least loss.

    The loss alone is ruled by a few verdicts of which the network is sure and wrong, on families that no training sees; how sure
    it may be, the temperature says afterwards. Where drills of a chaos are learned from, others of them count as much.
    """
    scores = [line[name] if math.isfinite(line[name]) else 0.0 for name in ("tune_macro_f1", DRILLED_F1) if name in line]
    return (sum(scores) / len(scores), -line["tune_loss"])


def commands(start: Path | None, command: str) -> list[str]:
    """Return what was typed to make a network, oldest first; generations of one command are told once."""
    before = [] if start is None else read(start).get("commands", [])
    return [*before, command] if command and command not in before[-1:] else before


def never_trained(examples: Examples) -> list[str]:
    """Return the failure classes of which there is no example."""
    return [str(failure) for c, failure in enumerate(FAILURES) if not (examples.failure == c).any()]


def untaught(net: OrderNet) -> list[str]:
    """Return the failure classes that a network gives no probability on any kind of entity."""
    return [str(failure) for c, failure in enumerate(FAILURES) if not net.possible[:, c].any()]


def _finish(path: Path, tune_split: Examples, say: Progress) -> Path:
    content = read(path)
    net = net_of(content)
    net.temperature.fill_(1.0)
    temperature = calibrate(net, tune_split)
    about = {key: value for key, value in content.items() if key not in {"format", "schema_digest", "shape", "weights"}}
    save(path, net, **{**about, "calibrated": True, "temperature": temperature})
    say(f"best epoch {content['epoch']}, temperature {temperature:.2f}: {path}")
    return path


def _plain(settings: Settings) -> dict[str, Any]:
    return {**asdict(settings), "shape": dict(settings.shape._asdict())}


def _network(examples: Examples, settings: Settings, pretrained: Path | None, start: Path | None) -> OrderNet:
    """Return what training begins with.

    What was never shown gets no probability at all: that is how orderd knows that the rules alone can name it.
    """
    torch.manual_seed(settings.seed)
    net = OrderNet(settings.shape)
    unseen = [FAILURES.index(Failure(name)) for name in never_trained(examples)]
    if start is None:
        _fit_normalisers(net, examples, settings.seed)
        if pretrained is not None:
            begin_with(net, pretrained)
        net.possible[:, unseen] = 0.0
        return net
    known = net_of(read(start))
    if known.shape != settings.shape:
        raise CheckpointError(f"{start}: has another shape, {known.shape}; go on with {settings.shape} or train anew")
    unseen = [c for c in unseen if not known.possible[:, c].any()]
    net.possible[:, unseen] = 0.0
    net.load_state_dict(known.state_dict() | {"possible": net.possible, "temperature": torch.ones(())})
    return net


def _fit_normalisers(net: OrderNet, examples: Examples, seed: int) -> None:
    """Fit on a bounded draw of windows: scales need thousands of values, not all of them."""
    rng = np.random.default_rng(seed)
    some = rng.permutation(len(examples.host))[:_NORMALISER_WINDOWS]
    rows = examples.rows[some][examples.present[some]]
    net.host.normaliser.fit(examples.host[some].reshape(-1, examples.host.shape[-1]))
    net.entity.normaliser.fit(rows.reshape(-1, rows.shape[-1]))


def _save_last(path: Path, state: _State, about: dict[str, Any]) -> None:
    progress = {"epoch": state.epoch, "best_worth": list(state.best_worth), "best_epoch": state.best_epoch}
    randomness = {"generator": state.generator.get_state(), "torch_random": torch.get_rng_state()}
    save(path, state.net, **about, **progress, **randomness, optimiser=state.optimiser.state_dict())


def _resume(state: _State, path: Path, about: dict[str, Any]) -> None:
    content = read(path)
    for key in ("settings", "data_digest", "simulated", "drilled", "pretrained", "start"):
        if content.get(key, "") != about[key]:
            msg = f"{path}: belongs to a training with other {key}; choose another --out or remove it"
            raise CheckpointError(msg)
    if "as_it_was" in content:
        about["as_it_was"] = content["as_it_was"]
    state.net.load_state_dict(content["weights"])
    state.optimiser.load_state_dict(content["optimiser"])
    state.generator.set_state(content["generator"])
    torch.set_rng_state(content["torch_random"])
    state.epoch, state.best_epoch = content["epoch"], content["best_epoch"]
    state.best_worth = (content["best_worth"][0], content["best_worth"][1])


def _epoch(
    state: _State, examples: Examples, data: Data, *, weights: Tensor, draws: Tensor, settings: Settings
) -> dict[str, Any]:
    began = time.monotonic()
    state.net.train()
    total = 0.0
    for step in range(settings.steps):
        picked = torch.multinomial(draws, settings.batch, replacement=True, generator=state.generator)
        batch = augment(batch_of(examples, picked.numpy(), weights.device), settings.augmentation, state.generator)
        total += _step(state, batch, weights, learning_rate(settings, state.epoch * settings.steps + step))
    state.epoch += 1
    return {
        "epoch": state.epoch,
        "train_loss": total / settings.steps,
        **_tune(state.net, data, weights),
        "seconds": round(time.monotonic() - began, 2),
    }


def _step(state: _State, batch: Batch, weights: Tensor, rate: float) -> float:
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    state.optimiser.zero_grad()
    value = loss(state.net.logits(batch.host, batch.rows, batch.kind, batch.present), batch, weights)
    value.backward()
    torch.nn.utils.clip_grad_norm_(state.net.parameters(), _GRADIENT_NORM_MAX)
    state.optimiser.step()
    return float(value.detach())


def learning_rate(settings: Settings, step: int) -> float:
    """Return the rate of one step: linear over the first epoch, then a cosine to a hundredth of the peak."""
    warm = min(1.0, (step + 1) / settings.steps)
    whole = settings.epochs * settings.steps
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / whole)))
    return settings.learning_rate * warm * (0.01 + 0.99 * cosine)


def batch_of(examples: Examples, rows: np.ndarray, device: torch.device | None = None) -> Batch:
    """Return some examples as tensors.

    Args:
        examples: the set.
        rows: [B] row numbers.
        device: where the tensors go.
    """

    def tensor(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values[rows])).to(device)

    return Batch(
        host=tensor(examples.host),
        rows=tensor(examples.rows),
        kind=tensor(examples.kind),
        present=tensor(examples.present),
        failure=tensor(examples.failure),
        wrong=tensor(examples.wrong),
    )


def _tune(net: OrderNet, data: Data, weights: Tensor) -> dict[str, float]:
    """Return the loss and what a person wants to see of the tune split."""
    predictions = by_network(net, data.tune, weights.device)
    also = {}
    if data.tune_drilled is not None:
        also[DRILLED_F1] = _f1(by_network(net, data.tune_drilled, weights.device), data.tune_drilled)
    return {
        "tune_loss": _tune_loss(net, data.tune, weights),
        "tune_macro_f1": _f1(predictions, data.tune),
        "tune_false_alarms_per_h": false_alarms(predictions, data.tune, Judge())["quiet"]["per_hour"],
        **also,
    }


def _f1(predictions: Predictions, examples: Examples) -> float:
    return macro_f1(confusion_per_run(predictions.failure.argmax(axis=-1), examples).sum(axis=0))


def _tune_loss(net: OrderNet, tune_split: Examples, weights: Tensor) -> float:
    net.eval()
    values: list[float] = []
    with torch.inference_mode():
        for start in range(0, len(tune_split.host), _EVALUATION_BATCH):
            rows = np.arange(start, min(start + _EVALUATION_BATCH, len(tune_split.host)))
            batch = batch_of(tune_split, rows, weights.device)
            value = loss(net.logits(batch.host, batch.rows, batch.kind, batch.present), batch, weights)
            values.append(float(value) * len(rows))
    return sum(values) / len(tune_split.host)


def _progress(line: dict[str, Any], state: _State, settings: Settings) -> str:
    better = " *" if state.best_epoch == state.epoch else ""
    return (
        f"epoch {line['epoch']:3d}/{settings.epochs}  loss {line['train_loss']:.4f}  tune {line['tune_loss']:.4f}  "
        f"macro-F1 {_f1s(line)}  false alarms/h {line['tune_false_alarms_per_h']:.2f}  {line['seconds']:.1f} s{better}"
    )


def _f1s(line: dict[str, Any]) -> str:
    drilled = f", drilled {line[DRILLED_F1]:.3f}" if DRILLED_F1 in line else ""
    return f"{line['tune_macro_f1']:.3f}{drilled}"
