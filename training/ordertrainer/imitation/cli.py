"""`ordertrainer train`: the order model from recorded drills. Reads a data directory, writes checkpoints."""

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from orderd.errors import CatalogueError
from ordertrainer import heldout
from ordertrainer.chaos import load_faults
from ordertrainer.dataset import DatasetError, digest
from ordertrainer.drill.battery import FAULTS_DIR
from ordertrainer.evaluation.report import loaded
from ordertrainer.heldout import HeldOutError
from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.imitation.locked import refuse_held
from ordertrainer.imitation.simulated import simulated_examples
from ordertrainer.imitation.train import Data, Settings
from ordertrainer.imitation.train import train as run_training
from ordertrainer.policy.progress import screen
from ordertrainer.sim import load_compiled


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
) -> None:
    """Train until the tune loss stops falling; prints the checkpoint to export."""
    torch.set_num_threads(threads)
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        splits = _splits(data, windows if simulated else 0, simulated, seed)
        say(f"{len(splits.train)} windows to train on, {len(splits.tune)} to tune on, {chosen}")
        path = run_training(splits, out, Settings(seed=seed, epochs=epochs, steps=steps), say, chosen, pretrained=pretrained)
    except (CatalogueError, DatasetError, CheckpointError, HeldOutError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(path)


def _splits(data: Path, windows: int, share: float, seed: int) -> Data:
    """Return what is learned from, once it is certain that all of it may be."""
    held, faults = heldout.load(), load_faults(FAULTS_DIR).faults
    train_split, tune_split = loaded(data, "train"), loaded(data, "tune")
    refuse_held(train_split, held, faults)
    refuse_held(tune_split, held, faults, tune=True)
    made = None
    if windows:
        with screen("simulating", Console(stderr=True)) as shown:
            made = simulated_examples(
                load_compiled(), held, windows=windows, seed=seed, tick=lambda done: shown.ask("windows", done)
            )
    return Data(train=train_split, tune=tune_split, digest=digest(data), simulated=made, simulated_share=share)


def say(line: str) -> None:
    """Print one line of progress."""
    typer.echo(line, err=True)
