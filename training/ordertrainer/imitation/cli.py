"""`ordertrainer train`: the order model from recorded drills. Reads a data directory, writes checkpoints."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from ordertrainer.dataset import DatasetError, digest
from ordertrainer.evaluation.report import loaded
from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.imitation.train import Data, Settings
from ordertrainer.imitation.train import train as run_training


def train(
    *,
    data: Annotated[Path, typer.Option(help="Data directory of `ordertrainer collect`.")],
    out: Annotated[Path, typer.Option(help="Folder of checkpoints; an unfinished training in it goes on.")],
    seed: Annotated[int, typer.Option(help="Of weights, draws and augmentation.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="At most this many.")] = Settings().epochs,
    steps: Annotated[int, typer.Option(min=1, help="Steps an epoch.")] = Settings().steps,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; more than one is slower on busy machines.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train until the tune loss stops falling; prints the checkpoint to export."""
    torch.set_num_threads(threads)
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        splits = Data(train=loaded(data, "train"), tune=loaded(data, "tune"), digest=digest(data))
        say(f"{len(splits.train)} windows to train on, {len(splits.tune)} to tune on, {chosen}")
        path = run_training(splits, out, Settings(seed=seed, epochs=epochs, steps=steps), say, chosen)
    except (DatasetError, CheckpointError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(path)


def say(line: str) -> None:
    """Print one line of progress."""
    typer.echo(line, err=True)
