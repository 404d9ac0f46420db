"""What outlives a decision: tickets, approvals, denials, the pause, ratings, the scorecard's counts. Pure, frozen.

These are the orders and memories the guard works with. They are kept durably (`orderd.record.Standing`) and restored at start.
Ends are told as UTC because monotonic time begins anew at every boot; what is restored never lasts longer than it was given.
"""

from dataclasses import dataclass
from enum import StrEnum

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure


class Standing(StrEnum):
    """The kinds of things that are kept; the first half of a stored key."""

    HOLD = "hold"
    PAUSE = "pause"
    APPROVAL = "approval"
    DENIAL = "denial"
    TICKET = "ticket"
    SCORE = "score"
    OVERRULE = "overrule"
    NOTICE = "notice"
    REQUEST = "request"
    REPAIR = "repair"
    BOOT = "boot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nothing is repaired on this host until somebody resumes, or until it ends.

    Attributes:
        why: the person's words.
        by: who.
        at: since when.
        until: monotonic nanoseconds at which it ends; 0 for no end.
    """

    why: str
    by: str
    at: Instant
    until: int = 0


class ApprovalState(StrEnum):
    """What became of a question to a person."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A repair that waits for a person.

    Attributes:
        decision_id: the waiting decision.
        incident_id: its incident.
        target: what would be repaired.
        failure: what is wrong with it.
        repair: what would run.
        asked: when the question arose.
        until: monotonic nanoseconds at which the question expires.
        state: what became of it.
        by: who answered; empty while nobody did.
        why: the words of the answer.
    """

    decision_id: str
    incident_id: str
    target: Entity
    failure: Failure
    repair: str
    asked: Instant
    until: int
    state: ApprovalState = ApprovalState.PENDING
    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A repair that is not used on a target any more, because it did not help there twice.

    Attributes:
        repair: its name.
        target: where it did not help.
        at: since when.
        why: for people: the two decisions.
    """

    repair: str
    target: Entity
    at: Instant
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One symptom that comes back however often it is repaired: the cause is elsewhere, and a person has to find it.

    Attributes:
        ticket_id: sortable, unique on this host.
        entity: what keeps failing.
        failure: how.
        opened: when the pattern was seen.
        decision_ids: the repairs that only masked it, oldest first.
        closed: when a person closed it, None while open.
        by: who closed it.
        why: the words of who closed it.
    """

    ticket_id: str
    entity: Entity
    failure: Failure
    opened: Instant
    decision_ids: tuple[str, ...]
    closed: Instant | None = None
    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What a person thought of a decision.

    Attributes:
        decision_id: the decision.
        good: whether it was right.
        note: the person's words; may be empty.
        by: who.
        at: when.
    """

    decision_id: str
    good: bool
    note: str
    by: str
    at: Instant


class Authority(StrEnum):
    """What a scorecard says of one failure class and playbook."""

    SHADOW = "shadow"
    EARNED = "earned"
    WITHDRAWN = "withdrawn"
    GRANTED_BY_PERSON = "granted_by_person"
    DENIED_BY_PERSON = "denied_by_person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How often one playbook was right for one failure class on this host.

    Attributes:
        failure: the failure class.
        repair: the playbook.
        authority: what follows from the numbers, or from a person.
        right: outcomes that were verified, or approved and verified.
        wrong: outcomes that were not verified, were rejected, or changed what they must not.
        recent: the newest outcomes, oldest first, True for right; bounded by ``decision.autonomy.window``.
        why: for people: the numbers behind the authority.
    """

    failure: Failure
    repair: str
    authority: Authority
    right: int
    wrong: int
    recent: tuple[bool, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What the trainer, or the local allowance, said about one more repair on this host.

    Attributes:
        granted: whether a repair may run now.
        unreachable: the trainer did not answer; ``granted`` is then the local allowance's word.
        detail: for people.
        until: monotonic nanoseconds at which a granted lease ends.
    """

    granted: bool
    unreachable: bool
    detail: str
    until: int
