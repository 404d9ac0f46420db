"""The values that cross rooms: sample, diagnosis, decision, attempt, incident. Pure, frozen.

A sample is one measurement of the whole host; a diagnosis says what is wrong with which entity; a decision says what to do
about it and why; an attempt is one repair that was tried; an incident runs from the first symptom to a terminal state.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, HOST_INDEX

NAN = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRow:
    """One entity's signals at one moment.

    Attributes:
        entity: which one.
        values: one float per ENTITY_SIGNALS, NaN where missing or not of this kind.
    """

    entity: Entity
    values: tuple[float, ...]

    def signal(self, name: str) -> float:
        """Return one signal by name, NaN when missing."""
        return self.values[ENTITY_INDEX[name]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measurement of the whole host.

    Attributes:
        at: when the sample was complete.
        cause: what woke the sampler: ``timer`` or the kind of event (``unit``, ``verify``).
        host: one float per HOST_SIGNALS, NaN where missing.
        entities: one row per entity, each entity once.
        failed_collectors: collectors that failed this time, by name; their signals are missing.
    """

    at: Instant
    cause: str
    host: tuple[float, ...]
    entities: tuple[EntityRow, ...]
    failed_collectors: tuple[str, ...] = ()

    def row(self, entity: Entity) -> EntityRow | None:
        """Return the entity's row, None when the entity is not there."""
        return next((row for row in self.entities if row.entity == entity), None)

    def host_signal(self, name: str) -> float:
        """Return one host signal by name, NaN when missing."""
        return self.host[HOST_INDEX[name]]


def entity_values(**signals: float) -> tuple[float, ...]:
    """Return a full row of entity signals, those not named being NaN.

    Raises:
        KeyError: a name is not a declared entity signal.
    """
    row = [NAN] * len(ENTITY_SIGNALS)
    for name, value in signals.items():
        row[ENTITY_INDEX[name]] = value
    return tuple(row)


class Source(StrEnum):
    """Who diagnosed."""

    MODEL = "model"
    RULES = "rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What is wrong with which entity.

    Attributes:
        failure: the failure class, never ``OK``.
        entity: the entity that failed.
        probability: 0 to 1; rules say 1.0.
        source: model or rules.
        evidence: one sentence for people: the signals that showed it.
    """

    failure: Failure
    entity: Entity
    probability: float
    source: Source
    evidence: str = ""


class Mode(StrEnum):
    """What orderd may do by itself: nothing, what a person approves, what its scorecard earned, everything; strictest first."""

    OBSERVE = "observe"
    APPROVE = "approve"
    EARNED = "earned"
    AUTO = "auto"


class Action(StrEnum):
    """What a decision can be."""

    REPAIR = "repair"
    WAIT = "wait"
    ESCALATE = "escalate"


class Reason(StrEnum):
    """Stable reason codes of the guard and the policy; recorded with every decision, counted, never renamed."""

    ALLOWED = "allowed"
    APPROVED = "approved"
    BY_HAND = "by_hand"
    PAUSED = "paused"
    WINDOW = "window"
    PLANNED_CHANGE = "planned_change"
    NOT_EARNED = "not_earned"
    APPROVAL_EXPIRED = "approval_expired"
    REJECTED = "rejected"
    DENIED = "denied"
    MASKING = "masking"
    TARGET_LOCKED = "target_locked"
    FLEET_BUDGET = "fleet_budget"
    FLEET_UNREACHABLE = "fleet_unreachable"
    UNKNOWN_FAILURE = "unknown_failure"
    LOW_CONFIDENCE = "low_confidence"
    HELD = "held"
    MODE_OBSERVE = "mode_observe"
    MODE_APPROVE = "mode_approve"
    COOLDOWN = "cooldown"
    HOST_RATE = "host_rate"
    TARGET_RATE = "target_rate"
    HOST_BUSY = "host_busy"
    CAUSE_FIRST = "cause_first"
    COMMON_CAUSE = "common_cause"
    IN_TRANSITION = "in_transition"
    NOT_YET = "not_yet"
    NO_CANDIDATE = "no_candidate"
    LADDER_EXHAUSTED = "ladder_exhausted"
    EXECUTOR_REFUSES = "executor_refuses"
    JOURNAL_UNAVAILABLE = "journal_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A repair that was considered.

    Attributes:
        repair: its name.
        rung: its place on the ladder.
        refused_because: empty when it was usable, else the precondition that did not hold or that it was tried already.
        reason: what the guard said of it, ALLOWED or a refusal; None where the guard was not asked.
        detail: the guard's words for people.
    """

    repair: str
    rung: int
    refused_because: str = ""
    reason: Reason | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One choice, as recorded before anything is touched.

    Attributes:
        decision_id: sortable, unique on this host.
        incident_id: the incident it belongs to.
        at: when it was decided.
        detected_at: when the sample that showed the failure was complete.
        diagnosis: what it answers.
        other_diagnosis: what the other diagnoser (rules beside the model, or the model beside rules) said of the same entity.
        action: repair, wait or escalate.
        repair: name of the repair, empty unless the action is repair.
        reason: why, as a stable code.
        detail: why, for people.
        candidates: everything that was considered.
        model_version: version of the model that was loaded, empty without one.
        provider: onnxruntime provider that ran it, empty without one.
    """

    decision_id: str
    incident_id: str
    at: Instant
    detected_at: Instant
    diagnosis: Diagnosis
    other_diagnosis: Diagnosis | None
    action: Action
    repair: str
    reason: Reason
    detail: str
    candidates: tuple[Candidate, ...]
    model_version: str
    provider: str


class IncidentState(StrEnum):
    """States of an incident; the last three are terminal and every incident ends in exactly one."""

    OPEN = "open"
    DIAGNOSED = "diagnosed"
    WAITING = "waiting"
    REPAIRING = "repairing"
    VERIFYING = "verifying"
    RESOLVED = "resolved"
    ESCALATED = "escalated"
    CLOSED = "closed"

    @property
    def terminal(self) -> bool:
        """Tell whether nothing follows it."""
        return self in {IncidentState.RESOLVED, IncidentState.ESCALATED, IncidentState.CLOSED}


class RepairOutcome(StrEnum):
    """How a playbook ended; not whether it helped."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"


class Verdict(StrEnum):
    """What verification said."""

    PENDING = "pending"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened to a decision, appended to the journal in order.

    Attributes:
        decision_id: the decision.
        at: when.
        state: the incident's state after it.
        what: stable word: ``intent``, ``started``, ``finished``, ``verified``, ``unverified``, ``undone``, ``undo_failed``,
            ``collateral``, ``approved``, ``rejected``, ``expired``, ``rated``, ``ticket``, ``recovered``, ``closed``.
        detail: for people.
        outcome: set on ``finished``.
        seconds: duration of the step where it has one, else NaN.
    """

    decision_id: str
    at: Instant
    state: IncidentState
    what: str
    detail: str = ""
    outcome: RepairOutcome | None = None
    seconds: float = NAN


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A person announced that an entity is changed on purpose; it is left alone until then.

    Attributes:
        entity: what is held.
        why: the person's words.
        by: who, as the socket's peer credentials said.
        at: since when.
        until: monotonic nanoseconds at which it ends.
        seen: True when nobody announced it: orderd saw the change being made.
    """

    entity: Entity
    why: str
    by: str
    at: Instant
    until: int
    seen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """A decision with everything that happened to it, as the journal holds it.

    Attributes:
        decision: the choice.
        steps: what happened, oldest first.
    """

    decision: Decision
    steps: tuple[Step, ...]

    @property
    def state(self) -> IncidentState:
        """Return the incident's state as of the newest step."""
        return self.steps[-1].state if self.steps else IncidentState.DIAGNOSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What the order model said of one window.

    Attributes:
        failures: E rows of len(FAILURES) probabilities, each row summing to 1, in the window's order of entities.
        wrong: P(anything wrong on the host).
    """

    failures: tuple[tuple[float, ...], ...]
    wrong: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """The loaded order model, or why there is none.

    Attributes:
        loaded: whether it answers.
        why: why not; when loaded, why it is not the installed one, empty otherwise.
        version: of the model's manifest.
        sha256: of model.onnx.
        provider: first of session.get_providers().
    """

    loaded: bool
    why: str = ""
    version: str = ""
    sha256: str = ""
    provider: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a decision was made from, kept beside it so that it can be decided again.

    Attributes:
        decision_id: the decision.
        window: as `orderd.domain.packed.pack` wrote it; None when it has been dropped to save room.
        scores: what the model said of that window, None when it did not answer.
        facts: what the guard knew, as `orderd.decision.facts.Facts` encodes itself (JSON).
    """

    decision_id: str
    window: bytes | None
    scores: Scores | None
    facts: bytes
