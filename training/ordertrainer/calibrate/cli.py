"""`ordertrainer calibrate`: the simulator beside recorded hosts. Reads a data directory, writes fitted values and figures."""

from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from orderd.errors import CatalogueError
from ordertrainer.calibrate import report, tables
from ordertrainer.calibrate.errors import CalibrationError
from ordertrainer.calibrate.fitted import fit, write
from ordertrainer.calibrate.recording import fingerprint
from ordertrainer.dataset import DatasetError
from ordertrainer.files import write_json
from ordertrainer.imitation.checkpoint import commit
from ordertrainer.sim.fitted import FILE, Fitted, FittedError, Provenance
from ordertrainer.sim.fitted import read as read_fitted

INTERRUPTED: Final = 130
ERRORS: Final = Console(stderr=True)
OUTPUT: Final = Console(width=160, soft_wrap=True)


def calibrate(
    *,
    data: Annotated[Path, typer.Option(help="Data directory of `ordertrainer collect`, with the splits train and tune.")],
    out: Annotated[
        Path | None, typer.Option(help=f"Write what was fitted here; the simulator reads its own {FILE.name}.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Fit nothing: tell the gap of the values that it reads now.")] = False,
    results: Annotated[list[Path] | None, typer.Option(help="Results of drills, for the order of difficulty.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write every figure here.")] = None,
    picture: Annotated[Path | None, typer.Option("--plot", help="Draw the gap here; needs matplotlib.")] = None,
    seed: Annotated[int, typer.Option(help="Of simulated hosts, folds and resamples.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
) -> None:
    """Fit the simulator to recorded hosts of the split train, and tell how well those of tune can be told from simulated ones."""
    torch.set_num_threads(threads)
    told: report.Report = {}
    with _refusals(json_file, told), _progress() as tick:
        _check_plot(picture)
        recording = report.read(data)
        told |= {"data": report.describe(recording), "commit": commit(), "seed": seed, "gap": {}, "difficulty": {}}
        fitted = read_fitted() if keep else _fit(recording, seed)
        if out is not None and not keep:
            write(fitted, out)
            ERRORS.print(f"fitted values are in {out}", highlight=False)
        for stage, values in ((tables.BEFORE, None), (tables.AFTER, fitted)):
            told["gap"][stage] = report.gaps(recording, values, seed, lambda share, what=stage: tick(f"gap {what}", share))
            _write(json_file, told)
            if results:
                told["difficulty"][stage] = report.hardness(
                    recording, results, fitted=values, seed=seed, tick=lambda share, what=stage: tick(f"difficulty {what}", share)
                )
                _write(json_file, told)
    _show(told)
    if picture is not None:
        from ordertrainer.calibrate.plot import draw  # noqa: PLC0415  matplotlib is asked for only when somebody wants a picture

        draw(told["gap"], picture)


def _fit(recording: report.Recording, seed: int) -> Fitted:
    provenance = Provenance(
        data=fingerprint(recording.train),
        command=f"ordertrainer calibrate --data DATA --out {FILE.name} --seed {seed}",
        commit=commit(),
        seed=seed,
        runs=len(recording.train),
        hosts=len({run.label.host_id for run in recording.train}),
    )
    return fit(recording.train, recording.contracts, provenance)


def _check_plot(picture: Path | None) -> None:
    if picture is not None and find_spec("matplotlib") is None:
        raise CalibrationError(f"--plot {picture}: needs matplotlib; install it, or leave --plot out")


@contextmanager
def _progress() -> Generator[Any]:
    """Show on standard error what is being done."""
    columns = (TextColumn("calibrate"), BarColumn(), TextColumn("{task.percentage:3.0f} %"), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[what]}"), console=ERRORS, transient=True) as shown:
        task = shown.add_task("", total=1.0, what="reading")
        yield lambda what, share: shown.update(task, completed=share, what=what)


@contextmanager
def _refusals(json_file: Path | None, told: report.Report) -> Generator[None]:
    """Turn refusals and Ctrl-C into a line and an exit status."""
    try:
        yield
    except (CalibrationError, CatalogueError, DatasetError, FittedError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interruption:
        kept = ", ".join(told.get("gap", {}))
        where = f"the gap {kept} is in {json_file}" if kept and json_file else "no figures are kept"
        typer.echo(f"interrupted; {where}", err=True)
        raise typer.Exit(INTERRUPTED) from interruption


def _write(file: Path | None, told: report.Report) -> None:
    if file is not None:
        write_json(file, told)


def _show(told: report.Report) -> None:
    for split, counts in told["data"]["splits"].items():
        OUTPUT.print(f"{split}: " + ", ".join(f"{value} {name}" for name, value in counts.items()), highlight=False)
    for table in (tables.signal_table, tables.failing_table, tables.summary_table):
        OUTPUT.print(table(told["gap"]), "")
    for name, stages in tables.means(told["gap"]).items():
        said = ", ".join(f"{stage} {value:.3f}" for stage, value in stages.items())
        OUTPUT.print(f"mean over {name}: {said}", highlight=False)
    if told["difficulty"]:
        OUTPUT.print("", tables.difficulty_table({stage: each["agreements"] for stage, each in told["difficulty"].items()}))
