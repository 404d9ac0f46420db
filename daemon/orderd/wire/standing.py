"""What people ordered and what orderd remembers (holds, pause, approvals, denials, tickets, scores) -> protobuf. Pure.

Ends are monotonic nanoseconds here and seconds that are left there: nobody else has this host's monotonic clock.
"""

from orderd.domain.clock import Instant
from orderd.domain.standing import Approval, Denial, Pause, Score, Ticket
from orderd.domain.values import Hold, Mode
from orderd.v1 import host_pb2
from orderd.wire.scalars import entity_to_wire, instant_to_wire


def remaining_s(until: int, now: Instant) -> float:
    """Return the seconds until a monotonic moment, 0 once it is past.

    Args:
        until: monotonic nanoseconds.
        now: the current moment.
    """
    return max(0.0, (until - now.mono_ns) / 1e9)


def hold_to_wire(hold: Hold, now: Instant) -> host_pb2.HoldStatus:
    """Return the message of a hold, with the seconds that are left of it."""
    return host_pb2.HoldStatus(
        entity=entity_to_wire(hold.entity),
        why=hold.why,
        by=hold.by,
        remaining_s=remaining_s(hold.until, now),
        seen=hold.seen,
    )


def pause_to_wire(pause: Pause, now: Instant) -> host_pb2.PauseStatus:
    """Return the message of a pause; zero seconds left is no end."""
    return host_pb2.PauseStatus(why=pause.why, by=pause.by, remaining_s=remaining_s(pause.until, now) if pause.until else 0.0)


def denial_to_wire(denial: Denial) -> host_pb2.DenialStatus:
    """Return the message of a denial."""
    return host_pb2.DenialStatus(repair=denial.repair, entity=entity_to_wire(denial.target), why=denial.why)


def approval_to_wire(approval: Approval, now: Instant) -> host_pb2.ApprovalStatus:
    """Return the message of a question to a person, with the seconds that are left to answer."""
    return host_pb2.ApprovalStatus(
        decision_id=approval.decision_id,
        entity=entity_to_wire(approval.target),
        failure=approval.failure,
        repair=approval.repair,
        remaining_s=remaining_s(approval.until, now),
    )


def ticket_to_wire(ticket: Ticket) -> host_pb2.Ticket:
    """Return the message of a ticket."""
    return host_pb2.Ticket(
        id=ticket.ticket_id,
        entity=entity_to_wire(ticket.entity),
        failure=ticket.failure,
        opened_at=instant_to_wire(ticket.opened),
        decision_ids=ticket.decision_ids,
        closed_at=None if ticket.closed is None else instant_to_wire(ticket.closed),
        by=ticket.by,
        why=ticket.why,
    )


def score_to_wire(score: Score, mode: Mode) -> host_pb2.Score:
    """Return the message of a score with the mode that is in force."""
    return host_pb2.Score(
        failure=score.failure,
        repair=score.repair,
        authority=score.authority,
        right=score.right,
        wrong=score.wrong,
        why=score.why,
        mode=mode,
    )
