"""Diagnoses, decisions and their steps <-> protobuf. Pure.

Two lossy places, both on purpose: a probability travels as float32, and a step without a duration (NaN here) is an absent field
there. Ratings and the time left to answer are not part of a decision: they are told beside it, and only to those who ask.
"""

import math
from collections.abc import Iterable

from orderd.domain.faults import Failure
from orderd.domain.standing import Rating
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
from orderd.v1 import common_pb2, decision_pb2
from orderd.wire.scalars import entity_from_wire, entity_to_wire, instant_from_wire, instant_to_wire, member


def diagnosis_to_wire(diagnosis: Diagnosis) -> common_pb2.Diagnosis:
    """Return the message of a diagnosis."""
    return common_pb2.Diagnosis(
        failure=diagnosis.failure,
        entity=entity_to_wire(diagnosis.entity),
        probability=diagnosis.probability,
        source=diagnosis.source,
        evidence=diagnosis.evidence,
    )


def diagnosis_from_wire(message: common_pb2.Diagnosis, field: str = "diagnosis") -> Diagnosis:
    """Return the diagnosis of a message.

    Raises:
        ValueError: a field is not what it may be; the message names it.
    """
    # Also false for NaN.
    if not 0.0 <= message.probability <= 1.0:
        msg = f"{field}.probability = {message.probability}: allowed is 0 to 1"
        raise ValueError(msg)
    return Diagnosis(
        failure=member(Failure, message.failure, f"{field}.failure"),
        entity=entity_from_wire(message.entity, f"{field}.entity"),
        probability=message.probability,
        source=member(Source, message.source, f"{field}.source"),
        evidence=message.evidence,
    )


def _step_to_wire(step: Step) -> decision_pb2.Step:
    return decision_pb2.Step(
        at=instant_to_wire(step.at),
        state=step.state,
        what=step.what,
        detail=step.detail,
        outcome=step.outcome or "",
        seconds=None if math.isnan(step.seconds) else step.seconds,
    )


def _step_from_wire(message: decision_pb2.Step, decision_id: str, field: str) -> Step:
    return Step(
        decision_id=decision_id,
        at=instant_from_wire(message.at),
        state=member(IncidentState, message.state, f"{field}.state"),
        what=message.what,
        detail=message.detail,
        outcome=member(RepairOutcome, message.outcome, f"{field}.outcome") if message.outcome else None,
        seconds=message.seconds if message.HasField("seconds") else NAN,
    )


def _candidate_to_wire(candidate: Candidate) -> decision_pb2.Candidate:
    return decision_pb2.Candidate(
        repair=candidate.repair,
        rung=candidate.rung,
        refused_because=candidate.refused_because,
        reason=candidate.reason or "",
        detail=candidate.detail,
    )


def _candidate_from_wire(message: decision_pb2.Candidate, field: str) -> Candidate:
    return Candidate(
        repair=message.repair,
        rung=message.rung,
        refused_because=message.refused_because,
        reason=member(Reason, message.reason, f"{field}.reason") if message.reason else None,
        detail=message.detail,
    )


def rating_to_wire(rating: Rating) -> decision_pb2.Rating:
    """Return the message of what a person thought of a decision."""
    return decision_pb2.Rating(good=rating.good, note=rating.note, by=rating.by, at=instant_to_wire(rating.at))


def decision_to_wire(
    record: DecisionRecord, ratings: Iterable[Rating] = (), approval_remaining_s: float | None = None, *, bundle: str = ""
) -> decision_pb2.Decision:
    """Return the message of a decision with everything that happened to it.

    Args:
        record: the decision and its steps.
        ratings: what people thought of it, newest first.
        approval_remaining_s: seconds left to answer; None when it waits for nobody.
        bundle: path of its incident's diagnosis bundle on the host; empty for none.
    """
    decision = record.decision
    other = decision.other_diagnosis
    return decision_pb2.Decision(
        id=decision.decision_id,
        incident_id=decision.incident_id,
        decided_at=instant_to_wire(decision.at),
        detected_at=instant_to_wire(decision.detected_at),
        diagnosis=diagnosis_to_wire(decision.diagnosis),
        other_diagnosis=None if other is None else diagnosis_to_wire(other),
        action=decision.action,
        repair=decision.repair,
        reason=decision.reason,
        detail=decision.detail,
        candidates=[_candidate_to_wire(candidate) for candidate in decision.candidates],
        model_version=decision.model_version,
        provider=decision.provider,
        state=record.state,
        steps=[_step_to_wire(step) for step in record.steps],
        approval_remaining_s=approval_remaining_s,
        ratings=[rating_to_wire(rating) for rating in ratings],
        bundle=bundle,
    )


def decision_from_wire(message: decision_pb2.Decision) -> DecisionRecord:
    """Return the decision of a message.

    Raises:
        ValueError: a field is missing or not what it may be; the message names it.
    """
    for field in ("id", "incident_id"):
        if not getattr(message, field):
            msg = f"{field} is empty: every decision has one"
            raise ValueError(msg)
    other = diagnosis_from_wire(message.other_diagnosis, "other_diagnosis") if message.HasField("other_diagnosis") else None
    decision = Decision(
        decision_id=message.id,
        incident_id=message.incident_id,
        at=instant_from_wire(message.decided_at),
        detected_at=instant_from_wire(message.detected_at),
        diagnosis=diagnosis_from_wire(message.diagnosis),
        other_diagnosis=other,
        action=member(Action, message.action, "action"),
        repair=message.repair,
        reason=member(Reason, message.reason, "reason"),
        detail=message.detail,
        candidates=tuple(_candidate_from_wire(c, f"candidates[{i}]") for i, c in enumerate(message.candidates)),
        model_version=message.model_version,
        provider=message.provider,
    )
    steps = tuple(_step_from_wire(step, message.id, f"steps[{i}]") for i, step in enumerate(message.steps))
    return DecisionRecord(decision=decision, steps=steps)
