"""What the commands share: how orderd is reached, what people type, how answers are printed. Writes to the terminal."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import typer
from google.protobuf.message import Message
from rich.console import RenderableType

from orderd.ctl import screen
from orderd.ctl.client import Client, CtlError, Exit, connect
from orderd.ctl.words import parse_duration, parse_target
from orderd.domain.faults import Entity

Json = Annotated[bool, typer.Option("--json", help="Print proto JSON for programs.")]
Target = Annotated[str, typer.Argument(metavar="UNIT", help="nginx, nginx.service, /var, or kind:key.")]
DecisionId = Annotated[str, typer.Argument(metavar="ID", help="An id, its beginning or end, or latest.")]
Why = Annotated[str, typer.Option("--why", help="Others will read it.")]
Check = Annotated[bool, typer.Option("--validate-only", help="Check everything, change nothing.")]


@contextmanager
def orderd_of(context: typer.Context) -> Generator[Client]:
    """Connect to the orderd that the command line names."""
    with connect(context.obj) as client:
        yield client


def target(text: str) -> Entity:
    """Return the entity a person means.

    Raises:
        CtlError: it cannot be the name of anything.
    """
    try:
        return parse_target(text)
    except ValueError as error:
        raise CtlError(Exit.USAGE, f"UNIT: {error}") from error


def seconds(text: str, option: str = "--for") -> float:
    """Return the seconds of a duration.

    Raises:
        CtlError: it is none.
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise CtlError(Exit.USAGE, f"{option}: {error}") from error


def show(message: Message, page: RenderableType, *, json: bool) -> None:
    """Print an answer, for programs or for people."""
    if json:
        screen.print_json(screen.as_dict(message))
    else:
        screen.console().print(page)


def done(check: bool, words: str) -> str:
    """Return what is said of an order: what was done, or that it would be."""
    return f"would be done: {words}" if check else words
