"""`ordertrainer train`: the order model from recorded drills. Reads a data directory, writes checkpoints."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console

from orderd.errors import CatalogueError
from ordertrainer import heldout, tracking
from ordertrainer.chaos import load_faults
from ordertrainer.dataset import DatasetError, digest
from ordertrainer.drill.battery import FAULTS_DIR
from ordertrainer.evaluation.report import loaded
from ordertrainer.heldout import HeldOutError
from ordertrainer.imitation.checkpoint import CheckpointError, commit
from ordertrainer.imitation.locked import refuse_held
from ordertrainer.imitation.simulated import simulated_examples
from ordertrainer.imitation.train import Beside, Data, Settings
from ordertrainer.imitation.train import train as run_training
from ordertrainer.policy.progress import screen
from ordertrainer.sim import load_compiled
from ordertrainer.tracking import TrackingError


def train(
    *,
    data: Annotated[Path, typer.Option(help="Data directory of `ordertrainer collect`.")],
    out: Annotated[Path, typer.Option(help="Folder of checkpoints; an unfinished training in it goes on.")],
    seed: Annotated[int, typer.Option(help="Of weights, draws and augmentation.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="At most this many.")] = Settings().epochs,
    steps: Annotated[int, typer.Option(min=1, help="Steps an epoch.")] = Settings().steps,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; more than one is slower on busy machines.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    simulated: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of simulated windows in what is shown.")] = 0.5,
    windows: Annotated[int, typer.Option(min=1, help="How many windows are simulated.")] = 12_000,
    pretrained: Annotated[Path | None, typer.Option("--from", help="Begin with weights of `ordertrainer pretrain`.")] = None,
    mlflow: Annotated[str | None, typer.Option(metavar="URI", help=tracking.HELP)] = None,
) -> None:
    """Train until the tune split shows no better epoch; prints the checkpoint to export."""
    torch.set_num_threads(threads)
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        server = tracking.server(mlflow, os.environ)
        learned = splits(data, windows if simulated else 0, simulated, seed)
        say(f"{len(learned.train)} windows to train on, {len(learned.tune)} to tune on, {chosen}")
        settings = Settings(seed=seed, epochs=epochs, steps=steps)
        about = {"verb": "train", "seed": seed, "commit": commit(), "data_digest": learned.digest}
        plain = {**asdict(settings), "shape": settings.shape._asdict(), "windows": windows, "simulated": simulated}
        with tracking.tracked(server, out, settings=plain, about=about, say=say) as told:
            path = run_training(
                learned,
                out,
                settings,
                say,
                chosen,
                pretrained=pretrained,
                command=_command(settings, windows, simulated, pretrained),
                told=told,
            )
    except (CatalogueError, DatasetError, CheckpointError, HeldOutError, TrackingError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(path)


def _command(settings: Settings, windows: int, simulated: float, pretrained: Path | None) -> str:
    """Return what to type again; the learning rate's course depends on the epochs that were asked for."""
    beside = f"--simulated {simulated:g}" + (f" --windows {windows}" if simulated else "")
    begun = "" if pretrained is None else " --from out/pretrained/best.pt"
    asked = f"--seed {settings.seed} --epochs {settings.epochs} --steps {settings.steps} {beside}{begun}"
    return f"ordertrainer train --data DATA --out out/train {asked}"


def splits(data: Path, windows: int, share: float, seed: int) -> Data:
    """Return what is learned from, once it is certain that all of it may be.

    Args:
        data: directory of ``ordertrainer collect``.
        windows: how many to simulate, 0 for none.
        share: of simulated windows in what is shown.
        seed: of the simulation.
    """
    held, faults = heldout.load(), load_faults(FAULTS_DIR).faults
    train_split, tune_split = loaded(data, "train"), loaded(data, "tune")
    refuse_held(train_split, held, faults)
    refuse_held(tune_split, held, faults, tune=True)
    made = None
    if windows:
        with screen("simulating", Console(stderr=True)) as shown:
            examples = simulated_examples(
                load_compiled(), held, windows=windows, seed=seed, tick=lambda done: shown.ask("windows", done)
            )
        made = Beside(examples=examples, share=share, drills=len(np.unique(examples.run_id)))
    return Data(train=train_split, tune=tune_split, digest=digest(data), simulated=made)


def say(line: str) -> None:
    """Print one line of progress."""
    typer.echo(line, err=True)
