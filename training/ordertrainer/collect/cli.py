"""`ordertrainer collect`: labelled telemetry from disposable hosts. Touches what `fleet` touches."""

from pathlib import Path
from typing import Annotated

import typer

from ordertrainer.collect.errors import CollectError
from ordertrainer.collect.fleet import Summary, Wanted
from ordertrainer.collect.fleet import collect as collect_runs
from ordertrainer.dataset import SPLITS, DatasetError
from ordertrainer.drill.errors import DrillError
from ordertrainer.ground import GroundError, check, unwinding
from ordertrainer.serve import ServeError

HOSTS_MAX = 16
INTERRUPTED = 130


def collect(  # noqa: PLR0917  typer makes an option of each
    out: Annotated[Path, typer.Option(help="Data directory; what is there is added to.")],
    runs: Annotated[int, typer.Option(min=1, help="How many runs of the split there shall be in the end.")],
    split: Annotated[str, typer.Option(help="train, tune or test.")] = "train",
    hosts: Annotated[int, typer.Option(min=1, max=HOSTS_MAX, help="Hosts to break at once.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Experiments follow from it.")] = 0,
    faults: Annotated[str, typer.Option(help="Only these, by commas; by default all of this split.")] = "",
    minutes: Annotated[float | None, typer.Option(min=0.1, help="Stop after this long, whatever is missing.")] = None,
) -> None:
    """Break disposable hosts under observation and write down what was true when; Ctrl-C keeps every complete run."""
    if split not in SPLITS:
        raise typer.BadParameter(f"{split!r}: want {', '.join(SPLITS)}", param_hint="--split")
    wanted = Wanted(
        out=out,
        runs=runs,
        split=split,
        hosts=hosts,
        seed=seed,
        faults=tuple(name.strip() for name in faults.split(",") if name.strip()),
        minutes=minutes,
    )
    try:
        with unwinding():
            check(_say)
            summary = collect_runs(wanted, _say)
    except (KeyboardInterrupt, SystemExit) as stopped:
        _say(f"stopped; complete runs are in {out}, the same command goes on from there")
        raise typer.Exit(INTERRUPTED) from stopped
    except (CollectError, DatasetError, DrillError, GroundError, ServeError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    _tell(summary, wanted)


def _say(line: str) -> None:
    """Print one line of progress."""
    typer.echo(line, err=True)


def _tell(summary: Summary, wanted: Wanted) -> None:
    counts = ", ".join(f"{fault} {count}" for fault, count in sorted(summary.written.items()))
    typer.echo(f"{summary.written.total()} new runs ({counts or 'none'}), {summary.runs_per_minute:.1f} a minute")
    if summary.discarded:
        typer.echo("did not count: " + ", ".join(f"{fault} {count}" for fault, count in sorted(summary.discarded.items())))
    typer.echo(
        f"{summary.total} of {wanted.runs} runs of {wanted.split} in {wanted.out}; `ordertrainer dataset {wanted.out}` shows them"
    )
