"""`ordertrainer drill`: break a disposable host, let orderd repair it, prove it.

Touches: what `drill` touches; the terminal. Errors are one line that says what to do, and exit status 2.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from orderd.errors import OrderdError
from ordertrainer.drill import progress
from ordertrainer.drill.errors import DrillError
from ordertrainer.drill.interruption import Interrupted, interruptible
from ordertrainer.drill.result import passed
from ordertrainer.fanout import FanoutError, fan_out, sealed
from ordertrainer.fanout.addresses import HELP as RAY_HELP

EXIT_FAILED = 1
EXIT_ERROR = 2
INTERRUPTED = 130
HOSTS_MAX = 16


def drill(  # noqa: PLR0917  typer makes an option of each
    faults: Annotated[str, typer.Option(help="Only these faults, separated by commas.", metavar="A,B")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Targets and intensities are drawn from it.")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the hosts up and say how to enter them.")] = False,
    out: Annotated[Path, typer.Option(help="Where the results go.")] = Path("out/drill"),
    battery: Annotated[str, typer.Option(help="first, smoke, standard, exam, pairs, game-day, quiet or decoys.")] = "first",
    hosts: Annotated[int, typer.Option(min=1, max=HOSTS_MAX, help="How many clones share the work.")] = 1,
    inventory: Annotated[Path | None, typer.Option(help="Break the hosts of this inventory, not clones.", metavar="FILE")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="How long a battery of no fixed length takes.")] = None,
    hours: Annotated[float | None, typer.Option(min=0.01, help="The same, in hours.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a drill that was interrupted: the newest.")] = False,
    resume_dir: Annotated[Path | None, typer.Option("--resume-from", help="The same, with this folder.", metavar="DIR")] = None,
    from_incident: Annotated[
        str, typer.Option(help="Cause an incident again: a file of `orderctl show ID --json`, or ID@JOURNAL.", metavar="FILE")
    ] = "",
    seeds: Annotated[str, typer.Option(help="One drill from each of these seeds, in a folder of its own.", metavar="A,B")] = "",
    ray: Annotated[str | None, typer.Option(help=f"Those drills on workers. {RAY_HELP}", metavar="ADDRESS")] = None,
) -> None:
    """Break disposable copies of this machine on purpose, let orderd repair them, and measure all of it from outside.

    Exit status 0 only when every fault that landed was repaired and verified (or a person called, where only a person can
    help) and every decoy was left alone. What orderd has no name for and did not notice is told apart and counts neither way.
    """
    from ordertrainer.drill import incident  # noqa: PLC0415  `--help` needs none of it
    from ordertrainer.drill.drill import Plan, carry_out  # noqa: PLC0415

    console = progress.console()
    if seeds or ray is not None:
        asked = {"--keep": keep, "--resume-from": resume_dir is not None, "--from-incident": bool(from_incident)}
        words = {"--battery": battery, "--hosts": hosts, "--faults": faults, "--inventory": inventory and inventory.resolve()}
        words |= {"--minutes": hours * 60 if hours is not None else minutes}
        _from_seeds(seeds, ray, out, words, resume=resume, alone=[word for word, given in asked.items() if given])
        return
    try:
        plan = Plan(
            faults=_names(faults),
            seed=seed,
            keep=keep,
            out=out,
            battery="from-incident" if from_incident else battery,
            hosts=hosts,
            inventory=inventory,
            minutes=hours * 60 if hours is not None else minutes,
            resume=resume or resume_dir is not None,
            resume_dir=resume_dir,
            items=incident.items(from_incident, seed) if from_incident else (),
        )
        with interruptible(), progress.showing(console) as shown:
            finished = carry_out(plan, shown)
    except Interrupted as asked:
        typer.echo("interrupted: the hosts are down; `--resume` goes on with what is left", err=True)
        raise typer.Exit(int(asked.code or EXIT_ERROR)) from asked
    except OrderdError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_ERROR) from error
    progress.conclude(console, finished.drill, finished.files)
    for name in finished.kept:
        _say_how_to_enter(name)
    if not passed(finished.drill):
        raise typer.Exit(EXIT_FAILED)


def _from_seeds(seeds: str, ray: str | None, out: Path, words: Mapping[str, object], *, resume: bool, alone: list[str]) -> None:
    """Carry out the same drill from each seed, and show all runs as one."""
    from ordertrainer.drill.seeds import begun, drills, folder, merged  # noqa: PLC0415  `--help` needs none of it

    console = progress.console()
    said = [text for word, value in words.items() if value not in {None, ""} for text in (word, str(value))]
    try:
        numbers = _numbers(seeds)
        if alone:
            raise DrillError(f"{alone[0]}: not with --seeds")
        if not resume and (there := begun(out, numbers)):
            raise DrillError(f"{there[0]}: holds a drill; --resume goes on with it, another --out begins anew")
        with sealed(out) as seal, console.status("") as status:
            found = fan_out(
                drills(out, numbers, said, seal=seal),
                address=ray,
                tick=lambda what, share: status.update(f"{what}, {share:.0%} of all"),
            )
    except KeyboardInterrupt as interruption:
        typer.echo("interrupted; hosts come down, and `--resume` goes on with what is left", err=True)
        raise typer.Exit(INTERRUPTED) from interruption
    except (FanoutError, OrderdError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_ERROR) from error
    every = merged(numbers, found)
    progress.conclude(console, every, [folder(out, number) / "latest" / "report.html" for number in numbers])
    if not passed(every):
        raise typer.Exit(EXIT_FAILED)


def _numbers(seeds: str) -> list[int]:
    named = _names(seeds)
    if not named or not all(name.isascii() and name.isdigit() for name in named):
        raise DrillError(f"--seeds {seeds or 'is missing'}: whole numbers from 0 on, separated by commas; --ray needs them, too")
    return list(dict.fromkeys(map(int, named)))


def _names(text: str) -> tuple[str, ...]:
    """Return the names in a comma-separated list, in order, once each."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _say_how_to_enter(name: str) -> None:
    here = os.path.relpath(Path(sys.executable).with_name("ordertrainer"))
    typer.echo(f"  {name} is still up.  enter: {here} host enter {name}   take down: {here} host down {name}")
