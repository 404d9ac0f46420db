"""The commands of orderctl. Reads the command line, writes to the terminal; all else is in ``client`` and the pages."""

import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated, Final

import typer
from rich.console import Console

import orderd
from orderd.ctl import orders, questions, screen
from orderd.ctl.client import TLS, CtlError, Exit
from orderd.ctl.common import Json, orderd_of, seconds, target
from orderd.ctl.decision_pages import decision_page, decisions_page, watch_line
from orderd.ctl.enrol import enrol
from orderd.ctl.following import Following
from orderd.ctl.model import model_app
from orderd.ctl.status_page import status_page
from orderd.ctl.words import clean
from orderd.domain.faults import Failure
from orderd.domain.values import Action, IncidentState, Reason
from orderd.v1 import decision_pb2
from orderd.wire import entity_to_wire

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


@app.command()
def status(context: typer.Context, json: Json = False) -> None:
    """Show the host as orderd sees it: verdict, model, what is degraded, holds, everything watched."""
    with orderd_of(context) as client:
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
    *,
    unit: Annotated[str, typer.Option("--on", metavar="UNIT", help="Only of this unit, mount, or kind:key.")] = "",
    state: Annotated[IncidentState | None, typer.Option(help="Only of incidents in this state.")] = None,
    reason: Annotated[Reason | None, typer.Option(help="Only of this reason code.")] = None,
    since: Annotated[str, typer.Option("--since", metavar="DURATION", help="Only of the last 90s, 2m, 1h, 1d.")] = "",
    before: Annotated[str, typer.Option("--before", metavar="DURATION", help="Only of before then: 90s, 2m, 1h, 1d ago.")] = "",
    json: Json = False,
) -> None:
    """List decisions, newest first."""
    filters: dict[str, object] = {"failure": failure or "", "action": action or "", "state": state or "", "reason": reason or ""}
    if unit:
        filters["entity"] = entity_to_wire(target(unit))
    filters |= {"since_utc_ns": _ago(since, "--since"), "until_utc_ns": _ago(before, "--before")}
    with orderd_of(context) as client:
        found = client.decisions(count, **filters)
    if json:
        screen.print_json({"decisions": [screen.as_dict(decision) for decision in found]})
    elif found:
        screen.console().print(decisions_page(found))
    else:
        screen.console().print("No decisions" + (" of that kind." if any(filters.values()) else " yet: nothing has failed."))


def _ago(text: str, option: str) -> int:
    return time.time_ns() - int(seconds(text, option) * 1e9) if text else 0


@app.command()
def show(
    context: typer.Context,
    decision_id: Annotated[str, typer.Argument(metavar="ID", help="An id, its beginning or end, or latest.")] = "latest",
    json: Json = False,
) -> None:
    """Show one decision: why, what else was considered, what happened when."""
    with orderd_of(context) as client:
        found = client.decision(decision_id)
    if json:
        screen.print_json(screen.as_dict(found))
    else:
        screen.console().print(decision_page(found))


@app.command()
def watch(
    context: typer.Context,
    failure: Annotated[Failure | None, typer.Option(help="Only of this failure class.")] = None,
    after: Annotated[str, typer.Option("--after", metavar="TOKEN", help="Go on after a change: its resumeToken in --json.")] = "",
    json: Json = False,
) -> None:
    """Print a line for every change of a decision until Ctrl-C; goes on by itself when orderd is restarted."""
    following = Following(context.obj, cut_off=lambda: _complain("orderd has gone; waiting for it to come back"))
    with suppress(KeyboardInterrupt):
        _print_changes(following.changes(failure or "", after), json)


def _print_changes(changes: Iterable[decision_pb2.WatchDecisionsResponse], json: bool) -> None:
    terminal = screen.console()
    for change in changes:
        if json:
            screen.print_json(screen.as_dict(change.decision) | {"resumeToken": change.resume_token}, one_line=True)
        else:
            terminal.print(watch_line(change.decision), soft_wrap=True)
            sys.stdout.flush()


questions.register(app)
orders.register(app)
app.command()(enrol)
app.add_typer(model_app, name="model")


def _complain(words: str) -> None:
    Console(stderr=True, highlight=False, markup=False).print(f"orderctl: {clean(words)}", soft_wrap=True)


def main() -> None:
    """Run orderctl; the entry point of the installed script."""
    try:
        app()
    except CtlError as error:
        _complain(str(error))
        sys.exit(error.code)
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Python would complain once more while closing standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.OK)
