"""`ordertrainer calibrate-confidence`: stage 6. Reads a model or a checkpoint and recorded drills; writes one report."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer
from rich.console import Console

from orderd.errors import ModelRefusedError
from orderd.inference.admission import admit
from orderd.inference.manifest import read_package
from orderd.inference.session import Model
from ordertrainer.confidence.adaptive import GAMMA
from ordertrainer.confidence.report import ALPHA, BETA, Ask, calibrate_confidence
from ordertrainer.confidence.words import section
from ordertrainer.dataset import DatasetError, digest
from ordertrainer.evaluation.predictions import by_exported, by_network
from ordertrainer.evaluation.report import loaded, plain
from ordertrainer.evaluation.schemas import check_one_schema
from ordertrainer.evaluation.screen import screen
from ordertrainer.files import write_json
from ordertrainer.imitation.checkpoint import CheckpointError, commit, net_of, read, save
from ordertrainer.imitation.views import check_separate

INTERRUPTED: Final = 130
_OF_THE_FILE: Final = frozenset({"format", "schema_digest", "shape", "weights"})
_ERRORS: Final = Console(stderr=True)


def calibrate_confidence_verb(  # noqa: PLR0917  typer makes an option of each
    data: Annotated[Path, typer.Option(help="Data directory: calibrated on its tune split, examined on its test split.")],
    model: Annotated[Path, typer.Option(help="Model folder.")] = Path("models/order/current"),
    checkpoint: Annotated[Path | None, typer.Option(help="best.pt of `ordertrainer train`, instead of a model folder.")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Store temperature and quantiles in the checkpoint, for export.")
    ] = False,
    alpha: Annotated[float, typer.Option(min=0.01, max=0.5, help="Share of truths that label sets may miss.")] = ALPHA,
    beta: Annotated[float, typer.Option(min=0.001, max=0.5, help="Share of calm stretches above the threshold.")] = BETA,
    gamma: Annotated[float, typer.Option(min=0.0, max=1.0, help="How far a host's level moves a run.")] = GAMMA,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write every figure here.")] = None,
) -> None:
    """Make a model's confidence worth believing: temperature, label sets that hold the truth, a threshold on anything wrong."""
    with _refusals():
        if write and checkpoint is None:
            raise ValueError("--write needs --checkpoint: an exported model never changes; export the checkpoint anew")
        with screen(_ERRORS) as begin:
            tick = begin("reading drills")
            check_one_schema(data)
            tune, test = loaded(data, "tune"), loaded(data, "test")
            check_separate(tune=tune, test=test)
            tick("asking the model", 0.4)
            ask, about, inside = _asked(model, checkpoint)
            report = calibrate_confidence(ask, tune, test, alpha=alpha, beta=beta, gamma=gamma, inside=inside)
        found = {**report, "model": about, "data_sha256": digest(data), "commit": commit()}
        if json_file is not None:
            write_json(json_file, plain(found))
        if write and checkpoint is not None:
            _store(checkpoint, plain(found))
        typer.echo(section(found))


def _asked(model: Path, checkpoint: Path | None) -> tuple[Ask, dict[str, Any], float]:
    """Return who is asked, what it is, and the temperature that is in its answers already."""
    if checkpoint is None:
        package = read_package(model)
        admit(package)
        exported = Model(package, provider="cpu")
        about = {"version": exported.manifest.version, "sha256": exported.manifest.sha256}
        return (lambda examples: by_exported(exported, examples)), about, 1.0
    torch.set_num_threads(1)
    net = net_of(read(checkpoint))
    return (lambda examples: by_network(net, examples)), {"version": str(checkpoint)}, float(net.temperature)


def _store(checkpoint: Path, found: dict[str, Any]) -> None:
    """Put the temperature into the weights, and beside them what export writes into the card; all in one step."""
    content = read(checkpoint)
    net = net_of(content)
    net.temperature.fill_(found["temperature"])
    about = {key: value for key, value in content.items() if key not in _OF_THE_FILE}
    save(checkpoint, net, **{**about, "calibrated": True, "temperature": found["temperature"], "confidence": found})
    typer.echo(f"{checkpoint}: temperature {found['temperature']:.2f} and quantiles stored; export carries them on", err=True)


@contextmanager
def _refusals() -> Generator[None]:
    """Turn refusals and Ctrl-C into a line and an exit status."""
    try:
        yield
    except (CheckpointError, DatasetError, ModelRefusedError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interruption:
        typer.echo("interrupted; nothing was written", err=True)
        raise typer.Exit(INTERRUPTED) from interruption
