"""`ordertrainer finetune`: an order model goes on learning from drills of other hosts. Reads a checkpoint and a data directory.

What the hosts of one fleet show differs from what the model has seen; with a small step it is brought nearer to them, while
simulated drills keep it from forgetting the rest. The start itself is a candidate: nothing comes out that is worse on the tune
split of the new hosts.
"""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer
from rich.console import Console
from rich.table import Table

from orderd.errors import CatalogueError
from ordertrainer import tracking
from ordertrainer.dataset import DatasetError
from ordertrainer.files import write_json
from ordertrainer.heldout import HeldOutError
from ordertrainer.imitation.checkpoint import CheckpointError, commit, net_of, read
from ordertrainer.imitation.cli import say, splits
from ordertrainer.imitation.train import BEST, Settings, train
from ordertrainer.tracking import TrackingError

RATE: Final = 2e-4
"""A tenth of the rate of a training: the network is to move, not to begin again."""
EPOCHS: Final = 12
PATIENCE: Final = 4
_SCORES: Final = {"tune_macro_f1": "macro-F1", "tune_loss": "loss", "tune_false_alarms_per_h": "false alarms an hour of quiet"}


def finetune(
    *,
    start: Annotated[Path, typer.Option("--from", help="best.pt of `ordertrainer train`, or its folder.")],
    data: Annotated[Path, typer.Option(help="Data directory of `ordertrainer collect`, of the hosts to learn.")],
    out: Annotated[Path, typer.Option(help="Folder of checkpoints; an unfinished training in it goes on.")],
    seed: Annotated[int, typer.Option(help="Of draws and augmentation.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="At most this many.")] = EPOCHS,
    steps: Annotated[int, typer.Option(min=1, help="Steps an epoch.")] = Settings().steps,
    rate: Annotated[float, typer.Option(min=1e-6, max=1e-2, help="Peak learning rate.")] = RATE,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; more than one is slower on busy machines.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    simulated: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of simulated windows in what is shown.")] = 0.5,
    windows: Annotated[int, typer.Option(min=1, help="How many windows are simulated.")] = 12_000,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the scores before and after here.")] = None,
    mlflow: Annotated[str | None, typer.Option(metavar="URI", help=tracking.HELP)] = None,
) -> None:
    """Train a trained model further on recorded drills; prints the checkpoint to export."""
    torch.set_num_threads(threads)
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        path = start / BEST if start.is_dir() else start
        shape = net_of(read(path)).shape
        server = tracking.server(mlflow, os.environ)
        learned = splits(data, windows if simulated else 0, simulated, seed)
        say(f"{len(learned.train)} windows to train on, {len(learned.tune)} to tune on, {chosen}")
        settings = Settings(seed=seed, epochs=epochs, steps=steps, learning_rate=rate, patience=PATIENCE, shape=shape)
        about = {"verb": "finetune", "seed": seed, "commit": commit(), "data_digest": learned.digest}
        plain = {**asdict(settings), "shape": shape._asdict(), "windows": windows, "simulated": simulated}
        with tracking.tracked(server, out, settings=plain, about=about, say=say) as told:
            command = (
                f"ordertrainer finetune --from out/train --data OTHER --out out/finetuned --seed {seed} --epochs {epochs} "
                f"--steps {steps} --rate {rate:g} --simulated {simulated:g} --windows {windows}"
            )
            best = train(learned, out, settings, say, chosen, start=path, command=command, told=told)
        report = compared(best)
        if json_file is not None:
            write_json(json_file, report)
    except (CatalogueError, DatasetError, CheckpointError, HeldOutError, TrackingError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    _show(report)
    typer.echo(best)


def compared(best: Path) -> dict[str, Any]:
    """Return the scores on the tune split of the start and of what came out, and the epoch it came out of, 0 for the start.

    Args:
        best: checkpoint of a training that went on from another.
    """
    content = read(best)
    return {"before": content["as_it_was"], "after": content["tune"], "epoch": content["epoch"]}


def _show(report: dict[str, Any]) -> None:
    better = "the start is still the best" if report["epoch"] == 0 else f"epoch {report['epoch']}"
    table = Table("on the tune split", "before", "after", title=f"fine-tuned: {better}")
    for key, words in _SCORES.items():
        table.add_row(words, f"{report['before'][key]:.3f}", f"{report['after'][key]:.3f}")
    Console(width=120, soft_wrap=True).print(table)
