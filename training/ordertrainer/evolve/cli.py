"""`ordertrainer evolve`: order against chaos that evolves. Reads playbooks and a policy, writes checkpoints.

With `--ray` trainings from several seeds are done on a cluster; what they come to is the same.
"""

import math
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from ordertrainer.costs import Costs, CostsError, read_costs
from ordertrainer.evolve.evolve import Settings
from ordertrainer.evolve.several import EVOLUTION, Evolution, evolutions, evolved
from ordertrainer.evolve.show import figures, show, summary
from ordertrainer.fanout import FanoutError
from ordertrainer.files import write_json
from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.policy.asking import (
    ERRORS,
    OUTPUT,
    Device,
    Manner,
    Ray,
    Seeds,
    Threads,
    from_seeds,
    machine_of,
    several,
)
from ordertrainer.policy.iterations import LAST, Bounds
from ordertrainer.policy.overseeds import report as seeds_report
from ordertrainer.policy.progress import screen
from ordertrainer.policy.refusals import refusals

MANNER: Final = Manner(title=EVOLUTION, line=summary, compared=figures)


class Arm(StrEnum):
    """Which chaos."""

    POPULATION = "population"
    UNIFORM = "uniform"


def evolve(
    *,
    out: Annotated[Path, typer.Option(help="Folder of this training.")],
    policy: Annotated[
        Path | None, typer.Option(help="best.pt of `ordertrainer imitate`, or its folder; not needed with --resume.")
    ] = None,
    chaos: Annotated[Arm, typer.Option(help="population evolves; uniform draws evenly, to be compared with.")] = Arm.POPULATION,
    drills: Annotated[int, typer.Option(min=1, help="In all; whole iterations of --hosts.")] = 4608,
    minutes: Annotated[float, typer.Option(min=0.1, help="At most this long, an interrupted training's time included.")] = 60.0,
    hosts: Annotated[int, typer.Option(min=2, help="Drills an iteration.")] = Settings().hosts,
    seed: Annotated[int, typer.Option(help="Of drills, lots and draws.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in the folder.")] = False,
    fresh: Annotated[
        int, typer.Option(min=0, help="Hosts on which a fresh chaos examines the imitated policy, the evolved one and the rules.")
    ] = 0,
    matrix: Annotated[int, typer.Option(min=0, help="Hosts on which all generations of order meet all of chaos.")] = 0,
    seeds: Seeds = "",
    ray: Ray = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write every figure here.")] = None,
    costs: Annotated[Path | None, typer.Option(help="Weights of `ordertrainer prefer`, instead of the defaults.")] = None,
    threads: Threads = 1,
    device: Device = "auto",
) -> None:
    """Train a policy further, against chaos that evolves; prints the checkpoint, or a table of several seeds."""
    with refusals(out, CostsError, FanoutError):
        weights = Costs() if costs is None else read_costs(costs)
        asked = Evolution(
            out=out,
            start=policy,
            settings=Settings(seed=seed, chaos=chaos.value, hosts=hosts, costs=weights),
            bounds=Bounds(iterations=math.ceil(drills / hosts), minutes=minutes),
            machine=machine_of(threads, device),
            fresh=fresh,
            matrix=matrix,
        )
        if several(seeds, ray):
            found = from_seeds(partial(evolutions, asked), out, seeds, ray, resume=resume, manner=MANNER)
            if json_file is not None:
                write_json(json_file, seeds_report(found, figures))
            return
        if (out / LAST).exists() and not resume:
            raise CheckpointError(f"{out}: holds a training; --resume goes on with it, another --out begins anew")
        report = evolved(asked, lambda title, parts, told: screen(title, ERRORS, parts, told))
        if json_file is not None:
            write_json(json_file, report)
    show(report, OUTPUT)
    typer.echo(report["checkpoint"])
