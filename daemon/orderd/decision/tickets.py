"""The masking detector's tickets: one symptom that comes back however often it is repaired. In memory, kept durably, bounded."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from orderd.decision.history import same_symptom
from orderd.decision.kept import Saver
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure
from orderd.domain.standing import Standing, Ticket
from orderd.errors import StateError

TICKETS_MAX: Final = 500
"""The oldest closed ticket makes room; open ones are never dropped, their symptoms are not repaired any more."""


class Tickets:
    """All tickets that are kept, oldest first."""

    def __init__(self, *, saver: Saver, kept: Mapping[str, Ticket]) -> None:
        """Take what was kept."""
        self._saver = saver
        self._tickets = {t.ticket_id: t for t in sorted(kept.values(), key=lambda t: t.ticket_id)}

    def open(self, ticket: Ticket) -> None:
        """Open a ticket."""
        closed = [t for t in self._tickets.values() if t.closed is not None]
        if len(self._tickets) >= TICKETS_MAX and closed:
            del self._tickets[closed[0].ticket_id]
            self._saver.put_late(Standing.TICKET, closed[0].ticket_id, None)
        self._tickets[ticket.ticket_id] = ticket
        self._saver.put_late(Standing.TICKET, ticket.ticket_id, ticket)

    def about(self, entity: Entity, failure: Failure | None = None) -> tuple[Ticket, ...]:
        """Return the open tickets about an entity, of one failure class or of all."""
        mine = (t for t in self._tickets.values() if t.closed is None and same_symptom(t.entity, entity))
        return tuple(t for t in mine if failure in {None, t.failure})

    def close(self, ticket_id: str, *, why: str, by: str, now: Instant, validate_only: bool = False) -> Ticket:
        """Say that the cause was found.

        Raises:
            LookupError: there is no such ticket.
            StateError: it is closed already (``closed``).
            JournalError: it could not be made durable, so it stays open.
        """
        ticket = self._tickets.get(ticket_id)
        if ticket is None:
            raise LookupError(f"there is no ticket {ticket_id}")
        if ticket.closed is not None:
            raise StateError("closed", f"{ticket_id} was closed by {ticket.by}")
        closed = replace(ticket, closed=now, by=by, why=why)
        if not validate_only:
            self._saver.put(Standing.TICKET, ticket_id, closed)
            self._tickets[ticket_id] = closed
        return closed

    def all(self) -> tuple[Ticket, ...]:
        """Return all tickets that are kept, newest first."""
        return tuple(reversed(self._tickets.values()))
