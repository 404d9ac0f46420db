"""decision_to_wire and decision_from_wire."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderd.domain.clock import Instant
from orderd.domain.faults import FAILURES, KIND_OF, Entity, EntityKind
from orderd.domain.values import (
    NAN,
    Action,
    Candidate,
    Decision,
    DecisionRecord,
    Diagnosis,
    IncidentState,
    Reason,
    RepairOutcome,
    Source,
    Step,
)
from orderd.v1 import decision_pb2
from orderd.wire import decision_from_wire, decision_to_wire

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
WORD = st.text("abcdef0123456789", min_size=1, max_size=20)
INSTANTS = st.builds(Instant, mono_ns=st.integers(0, 2**62), utc_ns=st.integers(0, 2**62))
KEYS = {
    EntityKind.UNIT: "nginx.service",
    EntityKind.MOUNT: "/var",
    EntityKind.PROCESS: "12:34",
    EntityKind.RESOLVER: "system",
    EntityKind.CLOCK: "system",
    EntityKind.NIC: "eth0",
    EntityKind.HOST: "system",
}


@st.composite
def diagnoses(draw: st.DrawFn) -> Diagnosis:
    """Draw a diagnosis of an entity of the right kind."""
    failure = draw(st.sampled_from(FAILURES[1:]))
    kind = KIND_OF[failure]
    return Diagnosis(
        failure=failure,
        entity=Entity(kind=kind, key=KEYS[kind]),
        probability=draw(st.floats(0, 1, width=32)),
        source=draw(st.sampled_from(Source)),
        evidence=draw(TEXT),
    )


DECISIONS = st.builds(
    Decision,
    decision_id=WORD,
    incident_id=WORD,
    at=INSTANTS,
    detected_at=INSTANTS,
    diagnosis=diagnoses(),
    other_diagnosis=st.none() | diagnoses(),
    action=st.sampled_from(Action),
    repair=TEXT,
    reason=st.sampled_from(Reason),
    detail=TEXT,
    candidates=st.lists(st.builds(Candidate, repair=TEXT, rung=st.integers(0, 9), refused_because=TEXT), max_size=3).map(tuple),
    model_version=TEXT,
    provider=TEXT,
)


@st.composite
def records(draw: st.DrawFn) -> DecisionRecord:
    """Draw a decision with steps of its own."""
    decision = draw(DECISIONS)
    steps = st.builds(
        Step,
        decision_id=st.just(decision.decision_id),
        at=INSTANTS,
        state=st.sampled_from(IncidentState),
        what=TEXT,
        detail=TEXT,
        outcome=st.none() | st.sampled_from(RepairOutcome),
        seconds=st.floats(0, 1e6),
    )
    return DecisionRecord(decision=decision, steps=tuple(draw(st.lists(steps, max_size=3))))


@given(records())
def test_decisions_survive_the_wire(record):
    """A decision with its steps comes back equal; probabilities have float32 precision."""
    message = decision_pb2.Decision.FromString(decision_to_wire(record).SerializeToString())
    assert decision_from_wire(message) == record


def test_a_step_without_a_duration_has_none_on_the_wire(make_decision, make_step):
    """NaN becomes an absent field and NaN again, never zero."""
    decision = make_decision()
    record = DecisionRecord(decision=decision, steps=(make_step(decision, IncidentState.OPEN, "intent", seconds=NAN),))
    message = decision_to_wire(record)
    assert not message.steps[0].HasField("seconds")
    assert math.isnan(decision_from_wire(message).steps[0].seconds)


@pytest.mark.parametrize(
    ("field", "break_it"),
    [
        ("id", lambda m: setattr(m, "id", "")),
        ("incident_id", lambda m: setattr(m, "incident_id", "")),
        ("diagnosis.failure", lambda m: setattr(m.diagnosis, "failure", "bad_mood")),
        ("diagnosis.entity.kind", lambda m: setattr(m.diagnosis.entity, "kind", "planet")),
        ("diagnosis.entity.key", lambda m: setattr(m.diagnosis.entity, "key", "{{ 7*7 }}.service")),
        ("diagnosis.probability", lambda m: setattr(m.diagnosis, "probability", 1.5)),
        ("diagnosis.probability", lambda m: setattr(m.diagnosis, "probability", math.nan)),
        ("diagnosis.source", lambda m: setattr(m.diagnosis, "source", "tarot")),
        ("other_diagnosis.failure", lambda m: m.other_diagnosis.SetInParent()),
        ("action", lambda m: setattr(m, "action", "dance")),
        ("reason", lambda m: setattr(m, "reason", "because")),
        ("steps\\[0\\].state", lambda m: m.steps.add(state="limbo")),
        ("steps\\[0\\].outcome", lambda m: m.steps.add(state="open", outcome="fine")),
    ],
)
def test_a_broken_decision_is_refused_and_the_field_named(field, break_it, make_decision):
    """What is not in the vocabulary raises ValueError that names the field."""
    message = decision_to_wire(DecisionRecord(decision=make_decision(), steps=()))
    break_it(message)
    with pytest.raises(ValueError, match=f"^{field}"):
        decision_from_wire(message)
