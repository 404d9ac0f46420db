"""`ordertrainer fit`: all that is learned in the simulator, in a time that you have. Reads playbooks, writes checkpoints."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ordertrainer import tracking
from ordertrainer.fanout import FanoutError
from ordertrainer.files import write_json
from ordertrainer.fit.chain import EVOLVED, Fitting, fitted, fittings
from ordertrainer.fit.profiles import PROFILES
from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.policy.asking import (
    ERRORS,
    Device,
    Manner,
    Mlflow,
    Ray,
    Seeds,
    Threads,
    from_seeds,
    machine_of,
    several,
    show,
)
from ordertrainer.policy.iterations import LAST
from ordertrainer.policy.overseeds import report as seeds_report
from ordertrainer.policy.progress import screen
from ordertrainer.policy.refusals import refusals
from ordertrainer.policy.report import CHANCE, NETWORK, RULES
from ordertrainer.policy.suites import MIX
from ordertrainer.tracking import TrackingError


def fit(
    *,
    profile: Annotated[str, typer.Option(help=f"One of: {', '.join(PROFILES)}.")] = "cpu-3min",
    out: Annotated[Path, typer.Option(help="Folder of checkpoints.")] = Path("out/fit"),
    seed: Annotated[int, typer.Option(help="Of weights, hosts and draws.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in the folder.")] = False,
    seeds: Seeds = "",
    ray: Ray = None,
    mlflow: Mlflow = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write every figure here.")] = None,
    threads: Threads = 1,
    device: Device = "auto",
) -> None:
    """Train and examine in one go; exit status 1 unless the network settles more hosts than rules, and rules more than chance.

    Of several seeds each has to.
    """
    if profile not in PROFILES:
        raise typer.BadParameter(f"{profile!r}; there are: {', '.join(PROFILES)}", param_hint="--profile")
    with refusals(out, FanoutError, TrackingError):
        server, machine = tracking.server(mlflow, os.environ), machine_of(threads, device)
        asked = Fitting(out=out, profile=profile, seed=seed, machine=machine, mlflow=server)
        if several(seeds, ray):
            made = partial(fittings, asked)
            found = from_seeds(made, out, seeds, ray, resume=resume, manner=Manner(title="fit"))
            if json_file is not None:
                write_json(json_file, seeds_report(found))
            _refuse_disorder([each["exam"] for each in found])
            return
        if not resume and (there := [each for each in (out, out / EVOLVED) if (each / LAST).exists()]):
            raise CheckpointError(f"{there[0]}: holds a training; --resume goes on with it, another --out begins anew")
        said = fitted(replace(asked, seed=seed), lambda title, parts, told: screen(title, ERRORS, parts, told))
    if json_file is not None:
        write_json(json_file, said["exam"] | {key: said[key] for key in ("profile", "checkpoint", "stages", "commit")})
    show(said["exam"])
    typer.echo(said["checkpoint"])
    _refuse_disorder([said["exam"]])


def _refuse_disorder(reports: Sequence[dict[str, Any]]) -> None:
    if not all(in_order(report) for report in reports):
        ERRORS.print("the arms are not in order: network, rules, chance", style="bold red")
        raise typer.Exit(1)


def in_order(report: dict[str, Any]) -> bool:
    """Tell whether the network settles more hosts than the rules, and these more than chance."""
    scored = report["suites"][MIX]["scores"]
    network, rules, chance = (scored[name]["settled"]["value"] for name in (NETWORK, RULES, CHANCE))
    return network > rules > chance
