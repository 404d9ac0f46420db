"""`ordertrainer pretrain`: weights that have seen what hosts do, and what they charge for it. Writes checkpoints."""

from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer
from rich.console import Console

from ordertrainer import heldout
from ordertrainer.dataset import DatasetError, digest
from ordertrainer.files import write_json
from ordertrainer.heldout import HeldOut
from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.policy.iterations import LAST, Bounds
from ordertrainer.policy.playbooks import load_playbooks
from ordertrainer.policy.progress import screen
from ordertrainer.policy.refusals import refusals
from ordertrainer.pretrain import report
from ordertrainer.pretrain.checkpoint import net_of, read_pretrained
from ordertrainer.pretrain.fitted import Fit
from ordertrainer.pretrain.foreign import ForeignError, read_foreign
from ordertrainer.pretrain.learn import Settings, Sources
from ordertrainer.pretrain.learn import pretrain as run_pretraining
from ordertrainer.pretrain.recorded import recorded
from ordertrainer.pretrain.show import show, summary

LOG: Final = "held-out.jsonl"
RECORDED_MOST: Final = 6000
"""Moments of recorded runs that are kept in memory, about 30 kB each."""
ERRORS: Final = Console(stderr=True)
OUTPUT: Final = Console(width=160, soft_wrap=True)


def pretrain(
    *,
    out: Annotated[Path, typer.Option(help="Folder of checkpoints.")],
    data: Annotated[Path | None, typer.Option(help="Learn from these recorded runs too: of `ordertrainer collect`.")] = None,
    split: Annotated[str, typer.Option(help="Of the recorded runs, to be scored.")] = "tune",
    external: Annotated[list[Path] | None, typer.Option(help="Foreign telemetry, .npz, to be scored only; repeatable.")] = None,
    fit_steps: Annotated[int, typer.Option(min=0, help="Of the fitted row on foreign telemetry; 0: no such row.")] = Fit().steps,
    minutes: Annotated[float, typer.Option(min=0.1, help="At most this long, an interrupted training's time included.")] = 10.0,
    iterations: Annotated[int, typer.Option(min=1, help="At most this many.")] = Bounds().iterations,
    seed: Annotated[int, typer.Option(help="Of weights, hosts and draws.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in the folder.")] = False,
    hosts: Annotated[int, typer.Option(min=2, help="Simulated, to be scored, of each kind.")] = 96,
    held_out: Annotated[bool, typer.Option("--held-out", help="Ask the families held out too; every look is logged.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write every figure here.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; more than one is slower on busy machines.")] = 1,
) -> None:
    """Predict the next sample of hosts and entities, without labels; prints the checkpoint and bits a value."""
    torch.set_num_threads(threads)
    bounds = Bounds(iterations=iterations, minutes=minutes)
    with refusals(out, DatasetError, ForeignError):
        if (out / LAST).exists() and not resume:
            raise CheckpointError(f"{out}: holds a training; --resume goes on with it, another --out begins anew")
        world, held = load_playbooks().world, heldout.load()
        for file in external or ():
            read_foreign(file)  # what cannot be scored is refused before anything is learned
        with screen("pretraining", ERRORS, told=summary) as shown:
            path = run_pretraining(_sources(world, held, data, seed), out, Settings(seed=seed), bounds=bounds, watcher=shown)
        content = read_pretrained(path)
        net = net_of(content)
        with screen("scoring", ERRORS) as shown:
            shown.ask("simulated hosts", 0.0)
            found: dict[str, Any] = {"hosts": {"simulated": report.of_simulated(net, world, held, hosts, seed)}}
            if data is not None:
                shown.ask("recorded hosts", 0.0)
                found["hosts"]["recorded"] = report.of_recorded(net, data, held, split, seed)
            found["novelty"] = report.of_novelty(net, world, held, count=hosts, seed=seed, final=held_out, tick=shown.ask)
            fit = Fit(steps=fit_steps, seed=seed) if fit_steps else None
            found["foreign"] = [report.of_foreign(net, file, fit, shown.ask) for file in external or ()]
    found["weights"] = {key: content[key] for key in ("seed", "iteration", "commit", "data_digest", "heldout")}
    if held_out:
        looks = report.log_final(out / LOG, found["weights"], found["novelty"])
        ERRORS.print(f"the families held out, look {looks} (noted in {out / LOG})", highlight=False)
    if json_file is not None:
        write_json(json_file, found)
    show(found, OUTPUT)
    typer.echo(path)


def _sources(world: Any, held: HeldOut, data: Path | None, seed: int) -> Sources:
    if data is None:
        return Sources(world=world, held=held)
    train, tune = (recorded(data, split, held, most=RECORDED_MOST, seed=seed) for split in ("train", "tune"))
    if train is None:
        raise DatasetError(f"{data}: no second of a run of the split 'train' that may be trained on; collect more drills")
    return Sources(world=world, held=held, recorded=train, tune=tune, digest=digest(data))
