"""The commands of orderctl. Reads the command line, writes to the terminal; all else is in ``client`` and the pages."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated, Final

import typer
from rich.console import Console

import orderd
from orderd.ctl import screen
from orderd.ctl.client import TLS, Client, CtlError, Exit, connect
from orderd.ctl.decision_pages import decision_page, decisions_page, watch_line
from orderd.ctl.enrol import enrol
from orderd.ctl.model import model_app
from orderd.ctl.status_page import status_page
from orderd.ctl.words import clean, duration, entity_name, parse_duration, parse_target
from orderd.domain.faults import Entity, Failure
from orderd.domain.values import Action

DEFAULT_SOCKET: Final = "/run/orderd/orderd.sock"
_EPILOG: Final = (
    "Exit codes: 0 done; 1 orderd refused; 2 wrong command line; 3 orderd is not running or does not answer; "
    "4 not allowed to talk to it; 5 no such decision, entity or hold."
)
app = typer.Typer(
    help="Ask orderd what it sees, what it decided and why; tell it what is changed on purpose.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Json = Annotated[bool, typer.Option("--json", help="Print proto JSON for programs.")]
Target = Annotated[str, typer.Argument(metavar="UNIT", help="nginx, nginx.service, /var, or kind:key.")]


@contextmanager
def _orderd(context: typer.Context) -> Generator[Client]:
    with connect(context.obj) as client:
        yield client


def _target(text: str) -> Entity:
    try:
        return parse_target(text)
    except ValueError as error:
        raise CtlError(Exit.USAGE, f"UNIT: {error}") from error


def _version(wanted: bool) -> None:
    if wanted:
        print(f"orderctl {orderd.__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    socket: Annotated[str, typer.Option(envvar="ORDERD_SOCKET", help="Unix socket of orderd.")] = DEFAULT_SOCKET,
    host: Annotated[
        str, typer.Option(envvar="ORDERD_HOST", metavar="HOST:PORT", help="orderd on another host, by mutual TLS.")
    ] = "",
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Keep for the command where orderd is."""
    del version
    context.obj = f"{TLS}{host}" if host else socket


app.command()(enrol)
app.add_typer(model_app, name="model")


@app.command()
def status(context: typer.Context, json: Json = False) -> None:
    """Show the host as orderd sees it: verdict, model, what is degraded, holds, everything watched."""
    with _orderd(context) as client:
        found = client.status()
    if json:
        screen.print_json(screen.as_dict(found))
    else:
        screen.console().print(status_page(found))


@app.command()
def decisions(
    context: typer.Context,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=10_000, help="At most this many.")] = 20,
    failure: Annotated[Failure | None, typer.Option(help="Only of this failure class.")] = None,
    action: Annotated[Action | None, typer.Option(help="Only of this action.")] = None,
    json: Json = False,
) -> None:
    """List decisions, newest first."""
    with _orderd(context) as client:
        found = client.decisions(count, failure or "", action or "")
    if json:
        screen.print_json({"decisions": [screen.as_dict(decision) for decision in found]})
    elif found:
        screen.console().print(decisions_page(found))
    else:
        screen.console().print("No decisions" + (" of that kind." if failure or action else " yet: nothing has failed."))


@app.command()
def show(
    context: typer.Context,
    decision_id: Annotated[str, typer.Argument(metavar="ID", help="An id, its beginning or end, or latest.")] = "latest",
    json: Json = False,
) -> None:
    """Show one decision: why, what else was considered, what happened when."""
    with _orderd(context) as client:
        found = client.decision(decision_id)
    if json:
        screen.print_json(screen.as_dict(found))
    else:
        screen.console().print(decision_page(found))


@app.command()
def watch(
    context: typer.Context,
    failure: Annotated[Failure | None, typer.Option(help="Only of this failure class.")] = None,
    json: Json = False,
) -> None:
    """Print a line for every change of a decision until Ctrl-C."""
    try:
        with _orderd(context) as client:
            _print_changes(client, failure or "", json)
    except KeyboardInterrupt:
        return
    raise CtlError(Exit.NOT_RUNNING, "orderd has stopped")


def _print_changes(client: Client, failure: str, json: bool) -> None:
    terminal = screen.console()
    for decision in client.watch(failure):
        if json:
            screen.print_json(screen.as_dict(decision), one_line=True)
        else:
            terminal.print(watch_line(decision), soft_wrap=True)
            sys.stdout.flush()


@app.command()
def hold(
    context: typer.Context,
    unit: Target,
    duration_text: Annotated[str, typer.Option("--for", metavar="DURATION", help="90s, 2m, 1h, 1h30m.")],
    why: Annotated[str, typer.Option("--why", help="What you are doing; others will read it.")],
    json: Json = False,
) -> None:
    """Announce that a unit is changed on purpose: orderd leaves it alone until then."""
    try:
        seconds = parse_duration(duration_text)
    except ValueError as error:
        raise CtlError(Exit.USAGE, f"--for: {error}") from error
    with _orderd(context) as client:
        placed = client.hold(_target(unit), seconds, why)
    if json:
        screen.print_json(screen.as_dict(placed))
    else:
        name = entity_name(placed.entity.kind, placed.entity.key)
        screen.console().print(
            clean(f"{name} is left alone for {duration(placed.remaining_s)} (held by {placed.by}: {placed.why})")
        )


@app.command()
def release(context: typer.Context, unit: Target, json: Json = False) -> None:
    """End a hold early."""
    entity = _target(unit)
    with _orderd(context) as client:
        client.release(entity)
    if json:
        screen.print_json({})
    else:
        screen.console().print(f"{entity_name(entity.kind, entity.key)} is no longer held")


def main() -> None:
    """Run orderctl; the entry point of the installed script."""
    try:
        app()
    except CtlError as error:
        Console(stderr=True, highlight=False, markup=False).print(f"orderctl: {clean(str(error))}", soft_wrap=True)
        sys.exit(error.code)
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Python would complain once more while closing standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.OK)
