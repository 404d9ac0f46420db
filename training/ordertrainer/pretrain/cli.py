"""`ordertrainer pretrain`: weights that have seen what hosts do, and what they charge for it. Writes checkpoints.

With `--ray` trainings from several seeds are done on a cluster; what they come to is the same.
"""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ordertrainer.dataset import DatasetError
from ordertrainer.fanout import FanoutError
from ordertrainer.files import write_json
from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.policy.asking import ERRORS, OUTPUT, Manner, Ray, Seeds, Threads, from_seeds, several
from ordertrainer.policy.iterations import LAST, Bounds
from ordertrainer.policy.overseeds import report as seeds_report
from ordertrainer.policy.progress import screen
from ordertrainer.policy.refusals import refusals
from ordertrainer.policy.sitting import Machine
from ordertrainer.pretrain.fitted import Fit
from ordertrainer.pretrain.foreign import ForeignError
from ordertrainer.pretrain.learn import Settings
from ordertrainer.pretrain.several import LOG, PRETRAINING, Pretraining, figures, pretrained, pretrainings
from ordertrainer.pretrain.show import show, summary

MANNER: Final = Manner(title=PRETRAINING, line=summary, compared=figures)


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
    seeds: Seeds = "",
    ray: Ray = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write every figure here.")] = None,
    threads: Threads = 1,
) -> None:
    """Predict the next sample of hosts and entities, without labels; prints the checkpoint and bits a value.

    Of several seeds it prints a table.
    """
    asked = Pretraining(
        out=out,
        settings=Settings(seed=seed),
        bounds=Bounds(iterations=iterations, minutes=minutes),
        machine=Machine(threads=threads),
        data=data,
        split=split,
        external=tuple(external or ()),
        fit_steps=fit_steps,
        hosts=hosts,
        held_out=held_out,
    )
    with refusals(out, DatasetError, FanoutError, ForeignError):
        if several(seeds, ray):
            every = from_seeds(partial(pretrainings, asked), out, seeds, ray, resume=resume, manner=MANNER)
            _tell_looks(every)
            if json_file is not None:
                write_json(json_file, seeds_report(every, figures))
            return
        if (out / LAST).exists() and not resume:
            raise CheckpointError(f"{out}: holds a training; --resume goes on with it, another --out begins anew")
        found = pretrained(asked, lambda title, parts, told: screen(title, ERRORS, parts, told))
    _tell_looks([found])
    if json_file is not None:
        write_json(json_file, found)
    show(found, OUTPUT)
    typer.echo(found["checkpoint"])


def _tell_looks(every: list[dict[str, Any]]) -> None:
    """Say how often what is held out was asked, and where that is noted."""
    for found in every:
        if "looks" in found:
            log = Path(found["checkpoint"]).parent / LOG
            ERRORS.print(f"the families held out, look {found['looks']} (noted in {log})", highlight=False)
