"""What the gRPC interface needs of the running daemon. Pure; the loop implements it, tests bring a fake.

Every method is called on the event loop and, but for ``explain`` and ``replay``, answers at once, from memory. ``by`` is the
caller's name as the kernel or the certificate gave it. With ``validate_only`` everything is checked and nothing changes; the
answer is what it would be.

Errors, for all: ValueError a field is not what it may be; LookupError there is no such thing; StateError it does not fit the
state things are in (``reason`` is a stable code); JournalError it could not be made durable, so it was not done.
"""

from typing import Protocol

from orderd.domain.explanation import Explanation, Replay
from orderd.domain.faults import Entity, Failure
from orderd.domain.repairs import Repair
from orderd.domain.standing import Authority, Denial, Pause, Rating, Score, Ticket
from orderd.domain.status import HostStatus
from orderd.domain.values import DecisionRecord, Hold, Mode


class HostView(Protocol):
    """The host as the loop sees it, and what people tell it."""

    def status(self) -> HostStatus:
        """Return the host as of now."""
        ...

    def hold(self, entity: Entity, duration_s: float, why: str, by: str, *, validate_only: bool = False) -> Hold:
        """Leave an entity alone for a while; a second hold on one entity replaces the first.

        Raises:
            ValueError: longer than ``decision.hold_max_s``.
            LookupError: orderd does not watch this entity.
        """
        ...

    def release(self, entity: Entity, by: str, *, validate_only: bool = False) -> bool:
        """End a hold early, and what a person was seen doing; return False when there was neither."""
        ...

    def holds(self) -> tuple[Hold, ...]:
        """Return the holds that have not ended."""
        ...

    def pause(self, why: str, by: str, duration_s: float = 0.0, *, validate_only: bool = False) -> Pause:
        """Stop all repairs on this host; 0 s means until somebody resumes."""
        ...

    def resume(self, by: str, *, validate_only: bool = False) -> bool:
        """End a pause; return False when there was none."""
        ...

    def approve(self, decision_id: str, why: str, by: str, *, validate_only: bool = False) -> DecisionRecord:
        """Let a waiting repair run.

        Raises:
            LookupError: there is no such decision.
            StateError: it does not wait for a person, or the question has expired.
        """
        ...

    def reject(self, decision_id: str, why: str, by: str, *, validate_only: bool = False) -> DecisionRecord:
        """Answer no to a waiting repair; its incident goes to a person."""
        ...

    def rate(self, decision_id: str, good: bool, note: str, by: str, *, validate_only: bool = False) -> DecisionRecord:  # noqa: FBT001 - the interface's own yes or no
        """Say whether a decision was right."""
        ...

    def ratings(self, decision_id: str) -> tuple[Rating, ...]:
        """Return what people thought of a decision, newest first."""
        ...

    def bundle(self, incident_id: str) -> str:
        """Return the path, on the host, of an incident's diagnosis bundle; empty when there is none."""
        ...

    def run_repair(self, repair: str, entity: Entity, why: str, by: str, *, validate_only: bool = False) -> str:
        """Run a catalogued repair by hand; return the id of its decision, empty with ``validate_only``.

        Raises:
            LookupError: there is no such repair, or orderd does not watch the entity.
            StateError: the guard refuses, with its reason code.
        """
        ...

    def tickets(self) -> tuple[Ticket, ...]:
        """Return all tickets that are kept, newest first."""
        ...

    def close_ticket(self, ticket_id: str, why: str, by: str, *, validate_only: bool = False) -> Ticket:
        """Say that the cause was found."""
        ...

    def scorecard(self) -> tuple[tuple[Score, Mode], ...]:
        """Return every score with the mode in force, by failure class, then playbook."""
        ...

    def set_authority(
        self, failure: Failure, repair: str, authority: Authority | None, why: str, by: str, *, validate_only: bool = False
    ) -> tuple[Score, Mode]:
        """Overrule the scorecard; None gives it back its word."""
        ...

    def lift_denial(self, repair: str, entity: Entity, why: str, by: str, *, validate_only: bool = False) -> Denial:
        """Let a repair be used on a target again.

        Raises:
            LookupError: it is not denied there.
        """
        ...

    def repairs(self) -> dict[str, Repair]:
        """Return the catalogue that serves, by name."""
        ...

    async def explain(self, decision_id: str, signals_max: int) -> Explanation:
        """Say why a decision was made, and which signals mattered, by asking the loaded model without each of them.

        Args:
            decision_id: the whole id.
            signals_max: at most this many signals, 1 to 50.

        Raises:
            LookupError: there is no such decision.
            StateError: its window was dropped to save room (``evidence_dropped``), or others are being explained (``busy``).
        """
        ...

    async def replay(self, decision_id: str) -> Replay:
        """Decide a recorded decision again with the model, catalogue and configuration of now.

        Raises:
            LookupError: there is no such decision.
            StateError: its window was dropped to save room (``evidence_dropped``), or others are being replayed (``busy``).
        """
        ...
