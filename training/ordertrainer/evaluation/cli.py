"""`ordertrainer evaluate`: what a model is worth, on recorded drills, real ones and foreign telemetry; beside its peers.

Reads a model and whatever is named, writes one JSON file and a folder of pictures, both in one step and only when all is
measured.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from orderd.errors import ModelRefusedError
from ordertrainer.dataset import DatasetError
from ordertrainer.evaluation.ablations import EVERYTHING, AblationError
from ordertrainer.evaluation.external.refusal import ExternalError
from ordertrainer.evaluation.external.report import FAR
from ordertrainer.evaluation.real.runs import DrillFileError
from ordertrainer.evaluation.reports import ReportError
from ordertrainer.evaluation.screen import screen
from ordertrainer.evaluation.wanted import DATA, Wanted
from ordertrainer.files import write_json
from ordertrainer.imitation.checkpoint import CheckpointError

INTERRUPTED: Final = 130
ABLATIONS: Final = Path("out/ablations.jsonl")
_ERRORS: Final = Console(stderr=True)


def evaluate(  # noqa: PLR0917  typer makes an option of each
    drills: Annotated[list[Path] | None, typer.Argument(help="With --real: drill.json files, or folders of drills.")] = None,
    model: Annotated[Path, typer.Option(help="Model folder.")] = Path("models/order/current"),
    checkpoint: Annotated[Path | None, typer.Option(help="best.pt of `ordertrainer train`, instead of a model folder.")] = None,
    data: Annotated[Path | None, typer.Option(help=f"Data directory of `collect`; {DATA} where it is there.")] = None,
    real: Annotated[bool, typer.Option("--real", help="Score real drills: those named, or the newest of out/drill.")] = False,
    external: Annotated[list[Path] | None, typer.Option(help="Foreign telemetry, FILE.npz; may be given again.")] = None,
    pretrained: Annotated[Path | None, typer.Option(help="With --external: weights of `pretrain`, to score surprise.")] = None,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Take NaN in foreign values for not measured.")] = False,
    far: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Share of quiet foreign samples that may be called wrong.")] = FAR,
    report: Annotated[
        list[Path] | None, typer.Option(help="Reports of other verbs, or folders of them; may be given again.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write every figure here.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for pictures.")] = None,
    seed: Annotated[int, typer.Option(help="Of the baselines.")] = 0,
    baselines: Annotated[bool, typer.Option(help="Fit logistic regression and extra trees beside it.")] = True,
    arm: Annotated[str, typer.Option(help=f"Note the scores as this arm of an ablation, for example {EVERYTHING!r}.")] = "",
    ablations: Annotated[Path, typer.Option(help="Where --arm notes them.")] = ABLATIONS,
) -> None:
    """Score a model on drills it never saw, on real drills and on foreign telemetry, beside rules and fitted baselines.

    Prints the score table; what was not measured says what it lacks.
    """
    wanted = Wanted(
        model=model,
        checkpoint=checkpoint,
        data=data,
        drills=drills or [],
        real=real,
        external=external or [],
        pretrained=pretrained,
        allow_missing=allow_missing,
        far=far,
        reports=report or [],
        baselines=baselines,
        seed=seed,
        json_file=json_file,
        plots=plots,
        arm=arm,
        ablations=ablations,
    )
    with _refusals():
        from ordertrainer.evaluation.whole import carry_out  # noqa: PLC0415  `--help` needs none of it

        _check(wanted)
        with screen(_ERRORS) as begin:
            found = carry_out(wanted, begin)
        _write(wanted, found)
        _show(found)


def _check(wanted: Wanted) -> None:
    """Refuse what contradicts itself before anything is computed."""
    if wanted.drills and not wanted.real:
        raise ValueError(f"{wanted.drills[0]}: results of drills are scored with --real; foreign telemetry with --external")
    if wanted.pretrained is not None and not wanted.external:
        raise ValueError(f"{wanted.pretrained}: surprise is scored on foreign telemetry; name some with --external")
    if wanted.arm and wanted.checkpoint is None:
        raise ValueError(f"--arm {wanted.arm!r} needs --checkpoint, whose seed and drills it is noted with")
    for path in (wanted.json_file, wanted.plots):
        if path is not None and path.exists() and path.is_dir() is (path is wanted.json_file):
            raise ValueError(f"{path}: --json names a file and --plots a folder; choose another name")


@contextmanager
def _refusals() -> Generator[None]:
    """Turn refusals and Ctrl-C into a line and an exit status."""
    try:
        yield
    except (
        AblationError, CheckpointError, DatasetError, DrillFileError, ExternalError, ModelRefusedError, ReportError, ValueError
    ) as error:  # fmt: skip
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interruption:
        typer.echo("interrupted; nothing was written, and nothing that there was has changed", err=True)
        raise typer.Exit(INTERRUPTED) from interruption


def _write(wanted: Wanted, found: dict[str, Any]) -> None:
    from ordertrainer.evaluation.whole import pictures, plain_values  # noqa: PLC0415

    if wanted.json_file is not None:
        write_json(wanted.json_file, plain_values(found))
    if wanted.plots is not None:
        for file in pictures(found, wanted.plots):
            typer.echo(file, err=True)


def _show(found: dict[str, Any]) -> None:
    from ordertrainer.evaluation.whole import tables  # noqa: PLC0415

    typer.echo("\n\n".join(tables(found)))
