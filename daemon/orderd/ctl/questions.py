"""The commands that ask why: explain, replay, tickets, scorecard. Writes to the terminal."""

from pathlib import Path
from typing import Annotated

import typer

from orderd.config.load import DEFAULT_PATH
from orderd.ctl import screen
from orderd.ctl.answer_pages import explanation_page, replay_page, scorecard_page, tickets_page
from orderd.ctl.common import DecisionId, Json, orderd_of, show
from orderd.v1 import decision_pb2, host_pb2


def explain(
    context: typer.Context,
    decision_id: DecisionId = "latest",
    signals: Annotated[int, typer.Option("--signals", min=1, max=50, help="At most this many signals.")] = 8,
    json: Json = False,
) -> None:
    """Say why a decision was made, why not each other candidate, and which signals mattered."""
    with orderd_of(context) as client:
        request = decision_pb2.ExplainDecisionRequest(id=client.decision(decision_id).id, signals_max=signals)
        answer = client.decisions_call("ExplainDecision", request, slow=True)
    show(answer, explanation_page(answer), json=json)


def replay(
    context: typer.Context,
    decision_id: DecisionId = "latest",
    model: Annotated[
        Path | None, typer.Option("--model", exists=True, help="Decide with this model (a folder, or its model.onnx) instead.")
    ] = None,
    config: Annotated[Path, typer.Option("--config", help="With --model: limits, modes and catalogue.")] = DEFAULT_PATH,
    json: Json = False,
) -> None:
    """Decide a recorded decision again and show the difference."""
    with orderd_of(context) as client:
        found = client.decision(decision_id).id
        if model is None:
            answer = client.decisions_call("ReplayDecision", decision_pb2.ReplayDecisionRequest(id=found), slow=True)
        else:
            from orderd.ctl.offline import replay_with  # noqa: PLC0415 - loads the guard, which no other command needs

            recorded = client.decisions_call("GetDecision", decision_pb2.GetDecisionRequest(id=found, evidence=True))
            answer = replay_with(recorded, model, config)
    show(answer, replay_page(answer), json=json)


def tickets(
    context: typer.Context,
    closed: Annotated[bool, typer.Option("--all", help="Also those that were closed.")] = False,
    json: Json = False,
) -> None:
    """List symptoms that come back however often they are repaired."""
    with orderd_of(context) as client:
        found = client.tickets(closed=closed)
    if json:
        screen.print_json({"tickets": [screen.as_dict(ticket) for ticket in found]})
    else:
        screen.console().print(tickets_page(found) if found else "No tickets: nothing comes back again and again.")


def scorecard(context: typer.Context, json: Json = False) -> None:
    """Show how often each playbook was right for each failure class, and what it may do by itself."""
    with orderd_of(context) as client:
        answer = client.host_call("GetScorecard", host_pb2.GetScorecardRequest())
    empty = "No scores yet: no repair has an outcome."
    show(answer, scorecard_page(answer.scores) if answer.scores else empty, json=json)


def register(app: typer.Typer) -> None:
    """Add the commands to orderctl."""
    for command in (explain, replay, tickets, scorecard):
        app.command()(command)
