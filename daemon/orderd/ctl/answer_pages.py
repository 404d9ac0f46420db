"""``orderctl explain``, ``replay``, ``tickets`` and ``scorecard``: pages. Pure rendering."""

from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from orderd.ctl import screen
from orderd.ctl.words import clean, clock_time, entity_name
from orderd.v1 import decision_pb2, host_pb2

_MATTERS = 0.01
"""Change of a probability that is shown in bold."""


def explanation_page(answer: decision_pb2.ExplainDecisionResponse) -> RenderableType:
    """Return why a decision was made: sentences first, then the signals that mattered."""
    parts: list[RenderableType] = [screen.text(sentence) for sentence in answer.sentences]
    if answer.signals:
        parts += [Text(), _weights(answer)]
    return Group(*parts, Text(), screen.text(answer.decision.id, "dim"))


def _weights(answer: decision_pb2.ExplainDecisionResponse) -> RenderableType:
    grid = screen.table("SIGNAL", "OF", "NEWEST", "PROBABILITY WITHOUT IT", "CHANGE")
    for weight in answer.signals:
        change = weight.probability_without - answer.probability
        of = entity_name(weight.entity.kind, weight.entity.key) if weight.HasField("entity") else "host"
        grid.add_row(
            screen.text(weight.signal),
            screen.text(of),
            f"{weight.value:.4g}" if weight.HasField("value") else "missing",
            f"{weight.probability_without:.2f}",
            Text(f"{change:+.2f}", "bold" if abs(change) >= _MATTERS else "dim"),
        )
    by = f"order {answer.model_version}" if answer.model_version else "rules"
    title = f"{by} says {answer.decision.diagnosis.failure} with {answer.probability:.2f}; with one signal missing:"
    return Group(screen.text(title, "bold"), grid)


def replay_page(answer: decision_pb2.ReplayDecisionResponse) -> RenderableType:
    """Return what comes out when it is decided again: the differences, or that there are none."""
    by = f"order {answer.model_version}" if answer.model_version else "rules alone"
    name = entity_name(answer.recorded.diagnosis.entity.kind, answer.recorded.diagnosis.entity.key)
    head = screen.text(f"{answer.recorded.diagnosis.failure} on {name}, decided again with {by}")
    if not answer.differences:
        return Group(head, screen.text("the same decision", "green"))
    grid = screen.table("FIELD", "RECORDED", "NOW", wrap="NOW")
    for difference in answer.differences:
        grid.add_row(screen.text(difference.field), screen.text(difference.recorded), screen.text(difference.replayed, "bold"))
    return Group(head, Text(), grid)


def tickets_page(tickets: Iterable[host_pb2.Ticket], now: datetime | None = None) -> RenderableType:
    """Return the table of symptoms that repairs only masked."""
    now = now or datetime.now(UTC)
    grid = screen.table("OPENED", "FAILURE", "ON", "REPAIRS", "STATE", "TICKET", wrap="STATE")
    for ticket in tickets:
        closed = f"closed by {ticket.by}: {ticket.why}" if ticket.HasField("closed_at") else ""
        grid.add_row(
            clock_time(ticket.opened_at.utc_ns, now),
            screen.text(ticket.failure),
            screen.text(entity_name(ticket.entity.kind, ticket.entity.key)),
            str(len(ticket.decision_ids)),
            screen.text(closed, "dim") if closed else Text("open", "bold yellow"),
            screen.text(ticket.id, "dim"),
        )
    return grid


def scorecard_page(scores: Iterable[host_pb2.Score]) -> RenderableType:
    """Return the table of how often each playbook was right, and what it may do."""
    grid = screen.table("FAILURE", "REPAIR", "RIGHT", "WRONG", "AUTHORITY", "MODE", "WHY", wrap="WHY")
    for score in scores:
        denied = score.authority in {"withdrawn", "denied_by_person"}
        grid.add_row(
            screen.text(score.failure),
            screen.text(score.repair),
            str(score.right),
            Text(str(score.wrong), "bold red" if score.wrong else ""),
            screen.text(score.authority, "yellow" if denied else ""),
            screen.text(score.mode),
            screen.text(clean(score.why), "dim"),
        )
    return grid
