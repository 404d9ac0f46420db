"""``orderctl decisions``, ``show`` and ``watch``: what was decided, why, and what came of it. Pure rendering."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orderd.ctl import screen
from orderd.ctl.words import clean, clock_time, duration, entity_name, moment, offset
from orderd.v1 import common_pb2, decision_pb2

_TERMINAL: Final = frozenset({"resolved", "escalated", "closed"})


def _since_detection(decision: decision_pb2.Decision, at: common_pb2.Instant) -> float:
    return (at.mono_ns - decision.detected_at.mono_ns) / 1e9


def _took(decision: decision_pb2.Decision) -> str:
    """Return how long it took from detection to the terminal state, empty while it goes on."""
    if decision.state not in _TERMINAL or not decision.steps:
        return ""
    return duration(max(0.0, _since_detection(decision, decision.steps[-1].at)))


def _entity(diagnosis: common_pb2.Diagnosis) -> str:
    return entity_name(diagnosis.entity.kind, diagnosis.entity.key)


def _choice(decision: decision_pb2.Decision) -> str:
    """Return what was chosen: the repair's name, or the action with its reason."""
    return clean(decision.repair or f"{decision.action} ({decision.reason})")


def _by(diagnosis: common_pb2.Diagnosis) -> str:
    return f"{diagnosis.source} {diagnosis.probability:.2f}" if diagnosis.source == "model" else diagnosis.source


def decisions_page(decisions: Iterable[decision_pb2.Decision], now: datetime | None = None) -> RenderableType:
    """Return the table of decisions, in the order given."""
    now = now or datetime.now(UTC)
    grid = screen.table("TIME", "FAILURE", "ON", "DECISION", "STATE", "TOOK", "BY", "ID", wrap="DECISION")
    for decision in decisions:
        grid.add_row(
            clock_time(decision.decided_at.utc_ns, now),
            screen.text(decision.diagnosis.failure),
            screen.text(_entity(decision.diagnosis)),
            screen.text(_choice(decision)),
            screen.state(decision.state),
            _took(decision),
            screen.text(_by(decision.diagnosis)),
            screen.text(decision.id, "dim"),
        )
    return grid


def _other(decision: decision_pb2.Decision) -> Text:
    """Return what the diagnoser said that did not decide."""
    name = "rules" if decision.diagnosis.source == "model" else "model"
    if not decision.HasField("other_diagnosis"):
        silent = name == "model" and not decision.model_version
        return screen.text("model: none was loaded" if silent else f"{name} saw nothing wrong with it", "dim")
    other = decision.other_diagnosis
    if other.failure == decision.diagnosis.failure:
        return screen.text(f"{_by(other)} says the same: {other.evidence}", "dim")
    return screen.text(f"{_by(other)} says {other.failure}: {other.evidence}", "yellow")


def _facts(decision: decision_pb2.Decision) -> Iterable[tuple[str, Text]]:
    diagnosis = decision.diagnosis
    when = moment(decision.detected_at.utc_ns)
    yield "detected", screen.text(f"{when:%Y-%m-%d %H:%M:%S}.{when.microsecond // 1000:03d} {when:%Z}")
    yield "seen", screen.text(f"{_by(diagnosis)} says {diagnosis.failure}: {diagnosis.evidence or 'no evidence recorded'}")
    yield "beside", _other(decision)
    chosen = f"{decision.action} with {decision.repair}" if decision.repair else decision.action
    yield "decided", Text.assemble((clean(chosen), "bold"), clean(f", {decision.reason}: {decision.detail}"))
    yield from _answers(decision)
    for step in decision.steps:
        if step.what == "collateral":
            yield "collateral", screen.text(f"changed beside the target: {step.detail}", "bold red")
    if decision.model_version:
        yield "model", screen.text(f"order {decision.model_version} on {decision.provider.removesuffix('ExecutionProvider')}")
    yield "incident", screen.text(decision.incident_id)
    if decision.bundle:
        yield "bundle", screen.text(decision.bundle)


def _answers(decision: decision_pb2.Decision) -> Iterable[tuple[str, Text]]:
    """Say who is asked, how long they have, what they would type, and what people thought of it."""
    if decision.HasField("approval_remaining_s"):
        left = duration(decision.approval_remaining_s)
        yield "asks", screen.text(f"a person, for {left} more: orderctl approve {decision.id}", "bold yellow")
        yield "", screen.text(f"or no: orderctl reject {decision.id} --why ...", "yellow")
    for rating in decision.ratings:
        words = f"{'good' if rating.good else 'bad'}, says {rating.by}" + (f": {rating.note}" if rating.note else "")
        yield "rated", screen.text(words, "green" if rating.good else "bold red")


def _verdict(candidate: decision_pb2.Candidate, chosen: bool) -> str:
    """Return why a candidate was not taken: its own precondition, or what the guard said."""
    if candidate.refused_because:
        return f"not usable: {candidate.refused_because}"
    if candidate.reason and candidate.reason not in {"allowed", "approved", "by_hand"}:
        return f"refused, {candidate.reason}" + (f": {candidate.detail}" if candidate.detail else "")
    return "chosen" if chosen else "usable"


def _considered(decision: decision_pb2.Decision) -> Table:
    grid = screen.table("RUNG", "REPAIR", "VERDICT", wrap="VERDICT")
    for candidate in decision.candidates:
        chosen = candidate.repair == decision.repair
        verdict = _verdict(candidate, chosen)
        grid.add_row(
            str(candidate.rung),
            screen.text(candidate.repair, "bold" if chosen else ""),
            screen.text(verdict, "" if chosen else "dim"),
        )
    return grid


def _step_words(step: decision_pb2.Step) -> str:
    words = step.outcome
    if step.HasField("seconds"):
        words += f" after {duration(step.seconds)}" if words else f"took {duration(step.seconds)}"
    return ": ".join(word for word in (words, step.detail) if word)


def _steps(decision: decision_pb2.Decision) -> Table:
    grid = screen.table("AFTER", "STEP", "STATE", "DETAIL", wrap="DETAIL")
    grid.columns[0].justify = "right"
    for step in decision.steps:
        after = offset(_since_detection(decision, step.at))
        grid.add_row(after, screen.text(step.what), screen.state(step.state), screen.text(_step_words(step)))
    return grid


def decision_page(decision: decision_pb2.Decision) -> RenderableType:
    """Return everything about one decision: why, what was considered, what happened when."""
    took = _took(decision)
    title = Text.assemble(
        (clean(decision.diagnosis.failure), "bold"),
        " on ",
        (_entity(decision.diagnosis), "bold"),
        "   ",
        screen.state(decision.state),
        f" {took} after detection" if took else "",
        "   ",
        (clean(decision.id), "dim"),
    )
    parts: list[RenderableType] = [title, Text(), screen.facts(_facts(decision))]
    if decision.candidates:
        parts += [Text(), _considered(decision)]
    return Group(*parts, Text(), _steps(decision))


def watch_line(decision: decision_pb2.Decision, now: datetime | None = None) -> Text:
    """Return one change as one line."""
    now = now or datetime.now(UTC)
    step = decision.steps[-1] if decision.steps else None
    at = step.at if step else decision.decided_at
    said = f"{step.what} {_step_words(step)}" if step else ""
    return Text.assemble(
        f"{clock_time(at.utc_ns, now)}  ",
        f"{offset(_since_detection(decision, at)):>10}  ",
        screen.state(f"{decision.state:<10}"[:10].rstrip()).append(" " * max(0, 10 - len(decision.state))),
        clean(f"  {decision.diagnosis.failure} on {_entity(decision.diagnosis)}  {_choice(decision)}  "),
        (clean(said), "dim"),
        (f"  {clean(decision.id)}", "dim"),
    )
