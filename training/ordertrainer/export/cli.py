"""`ordertrainer export`: a checkpoint becomes a model folder that orderd accepts. Reads a checkpoint, writes models/."""

from pathlib import Path
from typing import Annotated

import typer

from orderd.errors import ModelRefusedError
from orderd.inference.session import Model
from ordertrainer.dataset import DatasetError, digest
from ordertrainer.evaluation.report import measure
from ordertrainer.export.card import card
from ordertrainer.export.folder import ParityError, build, write
from ordertrainer.imitation.checkpoint import CheckpointError, net_of, read


def export(
    *,
    checkpoint: Annotated[Path, typer.Option(help="best.pt of `ordertrainer train`.")],
    version: Annotated[str, typer.Option(help="Of the release, for example 0.1.0.")],
    out: Annotated[Path, typer.Option(help="Folder of all versions.")] = Path("models/order"),
    data: Annotated[Path | None, typer.Option(help="Data it was trained from: its test split fills the card.")] = None,
    current: Annotated[bool, typer.Option(help="Point `current` at this version.")] = True,
) -> None:
    """Export a trained model as ONNX with manifest and card, all or nothing."""
    try:
        content = read(checkpoint)
        _check_data(content["data_digest"], data)
        net = net_of(content)
        built = build(net, version)
        report = None if data is None else measure(Model(built.package, provider="cpu"), data, content["seed"])
        folder = write(built, card(built, net, content, report), out, current=current)
    except (CheckpointError, DatasetError, ModelRefusedError, ParityError, FileExistsError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(f"torch and onnxruntime differ by {built.parity:.1e} at most, over {built.cases} windows", err=True)
    typer.echo(folder)


def _check_data(trained_on: str, data: Path | None) -> None:
    """Figures on other data could be figures on runs the training saw."""
    if data is not None and digest(data) != trained_on:
        msg = f"{data}: is not the data of this checkpoint (sha256 {digest(data)[:12]}, trained on {trained_on[:12]})"
        raise ValueError(msg)
