"""One pretraining with its scores as plain values, and the same one from several seeds, as tasks. Imports torch; writes folders.

    OUT/seed-N/    a training of `ordertrainer.pretrain.learn`

The verb does the very same in its own process: what a seed comes to does not depend on who else trains.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

from ordertrainer import heldout
from ordertrainer.dataset import DatasetError, digest
from ordertrainer.fanout import Task, refuse_elsewhere
from ordertrainer.fanout.task import Share, Tick
from ordertrainer.heldout import HeldOut
from ordertrainer.policy.imitate import PARTS
from ordertrainer.policy.iterations import Bounds
from ordertrainer.policy.several import Open, Stages, folder, from_each
from ordertrainer.policy.sitting import Machine, catalogue
from ordertrainer.pretrain import report
from ordertrainer.pretrain.checkpoint import net_of, read_pretrained
from ordertrainer.pretrain.fitted import Fit
from ordertrainer.pretrain.foreign import ForeignError, read_foreign
from ordertrainer.pretrain.foreigners import FITTED, ZERO_SHOT
from ordertrainer.pretrain.learn import Settings, Sources, pretrain
from ordertrainer.pretrain.recorded import recorded
from ordertrainer.pretrain.show import summary
from ordertrainer.sim import Compiled

PRETRAINING, SCORING = "pretraining", "scoring"
LOG: Final = "held-out.jsonl"
RECORDED_MOST: Final = 6000
"""Moments of recorded runs that are kept in memory, about 30 kB each."""
_SCORING: Final = 0.2
"""Share of the whole that scoring is taken for, while it is shown how far a training is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretraining:
    """One training, and how it is scored.

    Attributes:
        out: its folder.
        settings: how to train, its seed among it.
        bounds: when to stop.
        machine: how it is computed.
        data: recorded runs to learn from too; None: only simulated hosts.
        split: of the recorded runs, to be scored.
        external: foreign telemetry, to be scored only.
        fit_steps: of the fitted row on foreign telemetry; 0: no such row.
        hosts: simulated, to be scored, of each kind.
        held_out: ask the families held out too; every look is logged.
    """

    out: Path
    settings: Settings
    bounds: Bounds
    machine: Machine
    data: Path | None = None
    split: str = "tune"
    external: tuple[Path, ...] = ()
    fit_steps: int = 0
    hosts: int = 96
    held_out: bool = False


def pretrained(asked: Pretraining, opened: Open) -> dict[str, Any]:
    """Train, or go on, and score; return what came of it as plain values.

    Args:
        asked: what.
        opened: begins to show a stage.

    Returns:
        ``checkpoint``; ``hosts``, ``novelty`` and ``foreign``, the scores; ``weights``, what they belong to; and ``looks``, how
        often these weights' folder has been asked what is held out, where it was.

    Raises:
        CheckpointError: the folder holds another training.
        DatasetError: the data directory cannot be used.
        ForeignError: foreign telemetry cannot; refused before anything is learned.
        CatalogueError: playbooks cannot be read.
        HeldOutError: the split cannot be read, or a draw broke it.
    """
    torch.set_num_threads(asked.machine.threads)
    world, held = catalogue(asked.machine.device)[0].world, heldout.load()
    for file in asked.external:
        read_foreign(file)
    with opened(PRETRAINING, PARTS, summary) as shown:
        sources = _sources(world, held, asked.data, asked.settings.seed)
        path = pretrain(sources, asked.out, asked.settings, bounds=asked.bounds, watcher=shown)
    content = read_pretrained(path)
    with opened(SCORING, PARTS, summary) as shown:
        scores = _scores(asked, content, world, held, tick=shown.ask)
    weights = {key: content[key] for key in ("seed", "iteration", "commit", "data_digest", "heldout")}
    found = {"seed": asked.settings.seed, "checkpoint": str(path), **scores, "weights": weights}
    return found | ({"looks": report.log_final(asked.out / LOG, weights, scores["novelty"])} if asked.held_out else {})


def _sources(world: Compiled, held: HeldOut, data: Path | None, seed: int) -> Sources:
    if data is None:
        return Sources(world=world, held=held)
    train, tune = (recorded(data, split, held, most=RECORDED_MOST, seed=seed) for split in ("train", "tune"))
    if train is None:
        raise DatasetError(f"{data}: no second of a run of the split 'train' that may be trained on; collect more drills")
    return Sources(world=world, held=held, recorded=train, tune=tune, digest=digest(data))


def _scores(asked: Pretraining, content: dict[str, Any], world: Compiled, held: HeldOut, *, tick: Tick) -> dict[str, Any]:
    net, seed = net_of(content), asked.settings.seed
    tick("simulated hosts", 0.0)
    hosts = {"simulated": report.of_simulated(net, world, held, asked.hosts, seed)}
    if asked.data is not None:
        tick("recorded hosts", 0.0)
        hosts["recorded"] = report.of_recorded(net, asked.data, held, asked.split, seed)
    novelty = report.of_novelty(net, world, held, count=asked.hosts, seed=seed, final=asked.held_out, tick=tick)
    fit = Fit(steps=asked.fit_steps, seed=seed) if asked.fit_steps else None
    return {"hosts": hosts, "novelty": novelty, "foreign": [report.of_foreign(net, file, fit, tick) for file in asked.external]}


def figures(found: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of one seed that are compared.

    Args:
        found: of ``pretrained``.

    Returns:
        Iterations that the weights took; what the network charges, in bits a value; and how well surprise tells hosts apart.
    """
    told = {"iterations": float(found["weights"]["iteration"] + 1)}
    told |= {f"bits, {name} hosts": each["bits_per_value"]["network"]["bits"] for name, each in found["hosts"].items()}
    told |= {f"AUC, {name}": each["auc"] for name, each in found["novelty"]["against_quiet"].items()}
    for each in found["foreign"]:
        rows = {who: each["rows"][who] for who in (ZERO_SHOT, FITTED) if who in each["rows"]}
        told |= {f"bits, {each['name']}: {who}": row["bits"] for who, row in rows.items()}
    return told


def pretrainings(model: Pretraining, seeds: Sequence[int], seal: Path) -> list[Task[dict[str, Any]]]:
    """Return the same training from each seed, as tasks.

    Args:
        model: of all; its folder holds theirs.
        seeds: of weights, hosts and draws.
        seal: of `ordertrainer.fanout.sealed`.
    """
    out, data = model.out.resolve(), None if model.data is None else model.data.resolve()
    external = tuple(file.absolute() for file in model.external)  # a link's own name is that of the telemetry
    everywhere = replace(model, data=data, external=external)

    def work(seed: int) -> Callable[[Share], dict[str, Any]]:
        return partial(_pretrain, replace(everywhere, out=folder(out, seed), settings=replace(model.settings, seed=seed)), seal)

    return from_each("pretraining", seeds, model.machine, work, DatasetError, ForeignError)


def _pretrain(asked: Pretraining, seal: Path, tick: Share) -> dict[str, Any]:
    refuse_elsewhere(seal)
    return pretrained(asked, Stages({PRETRAINING: 1.0 - _SCORING, SCORING: _SCORING}, tick).stage)
