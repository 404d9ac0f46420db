"""`ordertrainer harden`: an order model against chaos that evolves. Reads a checkpoint and data, writes checkpoints."""

from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table

from ordertrainer import heldout
from ordertrainer.dataset import DatasetError
from ordertrainer.evolve.cli import Arm
from ordertrainer.files import write_json
from ordertrainer.harden.harden import RATE, Settings, Telling, harden
from ordertrainer.imitation.checkpoint import CheckpointError, read
from ordertrainer.imitation.cli import splits
from ordertrainer.imitation.train import BEST, DRILLED_F1
from ordertrainer.imitation.train import Settings as Training
from ordertrainer.policy.playbooks import load_playbooks
from ordertrainer.policy.progress import screen
from ordertrainer.policy.refusals import refusals


def harden_model(
    *,
    start: Annotated[Path, typer.Option("--from", help="best.pt of `ordertrainer train`, or its folder.")],
    data: Annotated[Path, typer.Option(help="Data directory of `ordertrainer collect`.")],
    out: Annotated[Path, typer.Option(help="Folder of checkpoints.")],
    chaos: Annotated[Arm, typer.Option(help="population evolves; uniform draws evenly, to be compared with.")] = Arm.POPULATION,
    generations: Annotated[int, typer.Option(min=1, help="Of drills and learning.")] = Settings().generations,
    rounds: Annotated[int, typer.Option(min=1, help="Of drills a generation; chaos learns after each.")] = Settings().rounds,
    hosts: Annotated[int, typer.Option(min=10, help="Drills a round.")] = Settings().hosts,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of their windows in what is shown.")] = Settings().share,
    simulated: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of windows of even chaos.")] = 0.25,
    windows: Annotated[int, typer.Option(min=1, help="How many of those are simulated.")] = 12_000,
    epochs: Annotated[int, typer.Option(min=1, help="A generation.")] = Settings().training.epochs,
    steps: Annotated[int, typer.Option(min=1, help="Steps an epoch.")] = Training().steps,
    rate: Annotated[float, typer.Option(min=1e-6, max=1e-2, help="Peak learning rate.")] = RATE,
    seed: Annotated[int, typer.Option(help="Of drills, draws and augmentation.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in the folder.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; more than one is slower on busy machines.")] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write how each generation went here.")] = None,
) -> None:
    """Let chaos evolve against an order model, and teach it what it met; prints the checkpoint to export."""
    torch.set_num_threads(threads)
    with refusals(out, DatasetError):
        if share + simulated > 1.0:
            raise ValueError(f"--share {share:g} --simulated {simulated:g}: together more than 1; nothing would be recorded")
        if out.exists() and any(out.iterdir()) and not resume:
            raise CheckpointError(f"{out}: is not empty; --resume goes on with what is there, another --out begins anew")
        path = start / BEST if start.is_dir() else start
        read(path)
        training = Training(epochs=epochs, patience=epochs, steps=steps, learning_rate=rate)
        settings = Settings(
            seed=seed, chaos=chaos.value, generations=generations, rounds=rounds, hosts=hosts, share=share, training=training
        )
        learned = splits(data, windows if simulated else 0, simulated, seed)
        with screen("hardening", Console(stderr=True)) as shown:
            telling = Telling(
                say=shown.note,
                tick=lambda generation, part: shown.ask(f"generation {generation}", (generation + part) / generations),
            )
            history = harden(load_playbooks(), heldout.load(), learned, path, out, settings, telling)
    if json_file is not None:
        write_json(json_file, {"chaos": chaos.value, "seed": seed, "drills": settings.drills, "generations": history})
    _show(history)
    typer.echo(out / BEST)


def _show(history: list[dict[str, Any]]) -> None:
    table = Table("generation", "drills", "settled", "regret", "macro-F1, recorded", "macro-F1, drilled", title="hardened")
    for line in history:
        tune = line["tune"]
        scores = (f"{tune[name]:.3f}" for name in ("tune_macro_f1", DRILLED_F1))
        table.add_row(
            str(line["generation"]), str(line["drills"]), f"{line['settled']:.3f}", f"{line['regret_s']:.1f} s", *scores
        )
    Console(width=120, soft_wrap=True).print(table)
