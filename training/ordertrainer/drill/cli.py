"""`ordertrainer drill`: break a disposable host, let orderd repair it, prove it.

Touches: what `drill` touches; the terminal. Errors are one line that says what to do, and exit status 2.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from orderd.errors import OrderdError
from ordertrainer.drill import progress
from ordertrainer.drill.interruption import Interrupted, interruptible
from ordertrainer.drill.result import passed

EXIT_FAILED = 1
EXIT_ERROR = 2


def drill(
    faults: Annotated[str, typer.Option(help="Only these faults, separated by commas.", metavar="A,B")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Targets and intensities are drawn from it.")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the host up and say how to enter it.")] = False,
    out: Annotated[Path, typer.Option(help="Where the results go.")] = Path("out/drill"),
) -> None:
    """Break a disposable copy of this machine on purpose, let orderd repair it, and measure all of it from outside.

    Exit status 0 only when every fault that landed was repaired and verified and every decoy was left alone.
    """
    from ordertrainer.drill.drill import Plan, carry_out  # noqa: PLC0415  `--help` needs none of it

    plan = Plan(faults=_names(faults), seed=seed, keep=keep, out=out)
    console = progress.console()
    try:
        with interruptible(), progress.showing(console) as shown:
            finished = carry_out(plan, shown)
    except Interrupted as asked:
        typer.echo("interrupted: the host is down, nothing was written", err=True)
        raise typer.Exit(int(asked.code or EXIT_ERROR)) from asked
    except OrderdError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_ERROR) from error
    progress.conclude(console, finished.drill, finished.files)
    if finished.kept:
        _say_how_to_enter(finished.kept)
    if not passed(finished.drill):
        raise typer.Exit(EXIT_FAILED)


def _names(text: str) -> tuple[str, ...]:
    """Return the names in a comma-separated list, in order, once each."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _say_how_to_enter(name: str) -> None:
    here = os.path.relpath(Path(sys.executable).with_name("ordertrainer"))
    typer.echo(f"  {name} is still up.  enter: {here} host enter {name}   take down: {here} host down {name}")
