"""The commands that tell orderd something: holds, answers, ratings, pause, a repair by hand, tickets, authority.

Writes to the terminal. Each sends a request id, so that a call that was cut off and is sent again is done once.
"""

import uuid
from typing import Annotated

import typer

from orderd.ctl.common import Check, DecisionId, Json, Target, Why, done, orderd_of, seconds, show, target
from orderd.ctl.words import clean, duration, entity_name
from orderd.domain.faults import Failure
from orderd.domain.standing import Authority
from orderd.v1 import decision_pb2, host_pb2
from orderd.wire import entity_to_wire

Repair = Annotated[str, typer.Argument(metavar="REPAIR", help="A name of the catalogue; orderctl status --json lists them.")]


def _request_id() -> str:
    return str(uuid.uuid4())


def _on(decision: decision_pb2.Decision) -> str:
    entity = decision.diagnosis.entity
    return clean(f"{decision.diagnosis.failure} on {entity_name(entity.kind, entity.key)}, {decision.id}")


def hold(
    context: typer.Context,
    unit: Target,
    duration_text: Annotated[str, typer.Option("--for", metavar="DURATION", help="90s, 2m, 1h, 1h30m.")],
    why: Annotated[str, typer.Option("--why", help="What you are doing; others will read it.")],
    *,
    check: Check = False,
    json: Json = False,
) -> None:
    """Announce that a unit is changed on purpose: orderd leaves it alone until then."""
    request = host_pb2.HoldRequest(
        entity=entity_to_wire(target(unit)),
        duration_s=seconds(duration_text),
        why=why,
        request_id=_request_id(),
        validate_only=check,
    )
    with orderd_of(context) as client:
        placed = client.host_call("Hold", request).hold
    name = entity_name(placed.entity.kind, placed.entity.key)
    words = f"{name} is left alone for {duration(placed.remaining_s)} (held by {placed.by}: {placed.why})"
    show(placed, done(check, clean(words)), json=json)


def release(context: typer.Context, unit: Target, *, check: Check = False, json: Json = False) -> None:
    """End a hold early, also one that orderd placed because it saw somebody change the unit."""
    entity = target(unit)
    request = host_pb2.ReleaseHoldRequest(entity=entity_to_wire(entity), request_id=_request_id(), validate_only=check)
    with orderd_of(context) as client:
        answer = client.host_call("ReleaseHold", request)
    show(answer, done(check, clean(f"{entity_name(entity.kind, entity.key)} is no longer held")), json=json)


def approve(
    context: typer.Context, decision_id: DecisionId = "latest", why: Why = "", check: Check = False, json: Json = False
) -> None:
    """Let a waiting repair run."""
    with orderd_of(context) as client:
        found = client.decision(decision_id).id
        request = decision_pb2.ApproveDecisionRequest(id=found, why=why, request_id=_request_id(), validate_only=check)
        answer = client.decisions_call("ApproveDecision", request)
    show(answer, done(check, f"approved: {_on(answer.decision)}; watch it with orderctl watch"), json=json)


def reject(context: typer.Context, decision_id: DecisionId, why: Why, *, check: Check = False, json: Json = False) -> None:
    """Answer no to a waiting repair: its incident goes to a person."""
    with orderd_of(context) as client:
        found = client.decision(decision_id).id
        request = decision_pb2.RejectDecisionRequest(id=found, why=why, request_id=_request_id(), validate_only=check)
        answer = client.decisions_call("RejectDecision", request)
    show(answer, done(check, f"rejected: {_on(answer.decision)}; it is yours now"), json=json)


def rate(
    context: typer.Context,
    decision_id: DecisionId,
    verdict: Annotated[str, typer.Argument(metavar="good|bad", help="Whether the decision was right.")],
    note: Annotated[str, typer.Option("--note", help="What was good or bad about it.")] = "",
    *,
    check: Check = False,
    json: Json = False,
) -> None:
    """Say whether a decision was right; it counts for the scorecard and for training."""
    if verdict not in {"good", "bad"}:
        raise typer.BadParameter("must be good or bad")
    with orderd_of(context) as client:
        found = client.decision(decision_id).id
        request = decision_pb2.RateDecisionRequest(
            id=found, good=verdict == "good", note=note, request_id=_request_id(), validate_only=check
        )
        answer = client.decisions_call("RateDecision", request)
    show(answer, done(check, f"rated {verdict}: {_on(answer.decision)}"), json=json)


def pause(
    context: typer.Context,
    why: Why,
    duration_text: Annotated[str, typer.Option("--for", metavar="DURATION", help="90s, 2m, 1h; without it until resume.")] = "",
    *,
    check: Check = False,
    json: Json = False,
) -> None:
    """Stop all repairs on this host; it is still watched, decided and recorded."""
    duration_s = seconds(duration_text) if duration_text else 0.0
    request = host_pb2.PauseRequest(why=why, duration_s=duration_s, request_id=_request_id(), validate_only=check)
    with orderd_of(context) as client:
        answer = client.host_call("Pause", request)
    until = f"for {duration(answer.pause.remaining_s)}" if answer.pause.remaining_s else "until orderctl resume"
    show(answer, done(check, clean(f"nothing is repaired {until} (paused by {answer.pause.by}: {answer.pause.why})")), json=json)


def resume(context: typer.Context, *, check: Check = False, json: Json = False) -> None:
    """End a pause."""
    with orderd_of(context) as client:
        answer = client.host_call("Resume", host_pb2.ResumeRequest(request_id=_request_id(), validate_only=check))
    show(answer, done(check, "repairs run again"), json=json)


def run(context: typer.Context, repair: Repair, unit: Target, why: Why, *, check: Check = False, json: Json = False) -> None:
    """Run a catalogued repair by hand; the guard's locks, denials and windows hold."""
    entity = target(unit)
    request = host_pb2.RunRepairRequest(
        repair=repair, entity=entity_to_wire(entity), why=why, request_id=_request_id(), validate_only=check
    )
    with orderd_of(context) as client:
        answer = client.host_call("RunRepair", request)
    name = entity_name(entity.kind, entity.key)
    began = f"{repair} on {name}" if check else f"{repair} runs on {name}: orderctl show {answer.decision_id}"
    show(answer, done(check, clean(began)), json=json)


def close(
    context: typer.Context,
    ticket: Annotated[str, typer.Argument(metavar="TICKET", help="An id of orderctl tickets.")],
    why: Annotated[str, typer.Option("--why", help="What the cause was.")],
    *,
    check: Check = False,
    json: Json = False,
) -> None:
    """Close a ticket: the cause was found, and the symptom is repaired again."""
    request = host_pb2.CloseTicketRequest(id=ticket, why=why, request_id=_request_id(), validate_only=check)
    with orderd_of(context) as client:
        answer = client.host_call("CloseTicket", request)
    show(answer, done(check, clean(f"ticket {answer.ticket.id} is closed: {why}")), json=json)


def authority(
    context: typer.Context,
    failure: Annotated[Failure, typer.Argument(help="Failure class.")],
    repair: Repair,
    verdict: Annotated[str, typer.Argument(metavar="grant|deny|numbers", help="numbers: what the scorecard says.")],
    why: Why,
    *,
    check: Check = False,
    json: Json = False,
) -> None:
    """Overrule the scorecard for one failure class and playbook, or give it back its word."""
    said = {"grant": str(Authority.GRANTED_BY_PERSON), "deny": str(Authority.DENIED_BY_PERSON), "numbers": ""}
    if verdict not in said:
        raise typer.BadParameter("must be grant, deny or numbers")
    request = host_pb2.SetAuthorityRequest(
        failure=failure, repair=repair, authority=said[verdict], why=why, request_id=_request_id(), validate_only=check
    )
    with orderd_of(context) as client:
        answer = client.host_call("SetAuthority", request)
    score = answer.score
    show(answer, done(check, clean(f"{score.repair} for {score.failure}: {score.authority}, mode {score.mode}")), json=json)


def allow(context: typer.Context, repair: Repair, unit: Target, why: Why, *, check: Check = False, json: Json = False) -> None:
    """Let a repair that was denied on a target be used there again."""
    entity = target(unit)
    request = host_pb2.LiftDenialRequest(
        repair=repair, entity=entity_to_wire(entity), why=why, request_id=_request_id(), validate_only=check
    )
    with orderd_of(context) as client:
        answer = client.host_call("LiftDenial", request)
    show(answer, done(check, clean(f"{repair} may be used on {entity_name(entity.kind, entity.key)} again")), json=json)


def register(app: typer.Typer) -> None:
    """Add the commands to orderctl."""
    for command in (hold, release, approve, reject, rate, pause, resume, run, close, authority, allow):
        app.command()(command)
