"""``orderctl model``: which order model decides, and how to change it. Reads a model folder, writes to the terminal."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from orderd.ctl import screen
from orderd.ctl.client import CtlError, Exit, open_channel, told
from orderd.ctl.words import clean
from orderd.v1 import model_pb2, model_pb2_grpc

_FILES: Final = ("manifest.json", "manifest.sig", "model.onnx")
_OPTIONAL: Final = "manifest.sig"
_PIECE_BYTES: Final = 128 << 10
_CHECK_S: Final = 60.0

Json = Annotated[bool, typer.Option("--json", help="Print proto JSON for programs.")]
Why = Annotated[str, typer.Option("--why", help="Others will read it.")]
ValidateOnly = Annotated[bool, typer.Option("--validate-only", help="Check everything, change nothing.")]

model_app = typer.Typer(help="Which order model decides; install another one, or go back.", no_args_is_help=True)


@model_app.command()
def status(context: typer.Context, json: Json = False) -> None:
    """Show the model that decides and those that are installed."""
    with _models(context) as stub, told():
        found = stub.GetModel(model_pb2.GetModelRequest(), timeout=_CHECK_S)
    if json:
        screen.print_json(screen.as_dict(found))
        return
    terminal = screen.console()
    if found.active.loaded:
        terminal.print(clean(f"order {found.active.version} decides, on {found.active.provider}"))
    else:
        terminal.print("rules decide alone")
    if found.active.why:
        terminal.print(clean(found.active.why), soft_wrap=True)
    grid = screen.table("VERSION", "SERIAL", "SHA256", "UNTIL", "KEY", "")
    for row in found.installed:
        words = (row.version, str(row.serial), row.sha256[:12], row.not_after or "no end", row.key_id or "unsigned")
        grid.add_row(*map(screen.text, words), screen.text("decides" if row.active else ""))
    terminal.print(grid)
    terminal.print(f"least serial that is accepted: {found.floor}")


@model_app.command()
def install(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Holds manifest.json, manifest.sig and model.onnx.")],
    validate_only: ValidateOnly = False,
    json: Json = False,
) -> None:
    """Send a signed model to the host and let it decide; a model that is refused changes nothing."""
    pieces = list(_files(folder))
    with _models(context) as stub, told():
        done = stub.InstallModel(_requests(pieces, validate_only), timeout=_CHECK_S)
    _say(done.model, "would be accepted" if validate_only else "decides now", json)


@model_app.command()
def rollback(context: typer.Context, why: Why, validate_only: ValidateOnly = False, json: Json = False) -> None:
    """Let the model before this one decide again."""
    with _models(context) as stub, told():
        request = model_pb2.RollBackModelRequest(why=why, validate_only=validate_only)
        done = stub.RollBackModel(request, timeout=_CHECK_S)
    _say(done.model, "would be accepted" if validate_only else "decides again", json)


def _say(model: model_pb2.InstalledModel, what: str, json: bool) -> None:
    if json:
        screen.print_json(screen.as_dict(model))
    else:
        key = f"signed by {model.key_id}" if model.key_id else "unsigned"
        screen.console().print(clean(f"order {model.version} (serial {model.serial}, {key}) {what}"))


@contextmanager
def _models(context: typer.Context) -> Generator[model_pb2_grpc.ModelServiceStub]:
    with open_channel(context.obj) as channel:
        yield model_pb2_grpc.ModelServiceStub(channel)


def _files(folder: Path) -> Generator[tuple[str, bytes]]:
    for name in _FILES:
        try:
            yield name, (folder / name).read_bytes()
        except FileNotFoundError as error:
            if name != _OPTIONAL:
                msg = f"{folder / name}: there is none; FOLDER is a model folder, for example models/order/0.1.0"
                raise CtlError(Exit.USAGE, msg) from error
        except OSError as error:
            raise CtlError(Exit.USAGE, f"{folder / name}: {error.strerror}") from error


def _requests(files: list[tuple[str, bytes]], validate_only: bool) -> Iterator[model_pb2.InstallModelRequest]:
    first = True
    for name, content in files:
        for start in range(0, max(len(content), 1), _PIECE_BYTES):
            piece = content[start : start + _PIECE_BYTES]
            named = "" if start else name
            yield model_pb2.InstallModelRequest(file=named, data=piece, validate_only=first and validate_only)
            first = False
