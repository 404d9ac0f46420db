"""Protobuf <-> domain, each mapping once, for rpc, telemetry and the trainer. Pure.

``*_to_wire`` takes a value that is already right; ``*_from_wire`` takes what a stranger sent and returns a value or raises
ValueError that names the field.
"""

from orderd.wire.decisions import decision_from_wire, decision_to_wire, diagnosis_from_wire, diagnosis_to_wire, rating_to_wire
from orderd.wire.explanation import evidence_from_wire, evidence_to_wire, explanation_to_wire, replay_to_wire
from orderd.wire.samples import samples_from_wire, samples_to_wire
from orderd.wire.scalars import entity_from_wire, entity_to_wire, instant_from_wire, instant_to_wire
from orderd.wire.standing import approval_to_wire, denial_to_wire, hold_to_wire, pause_to_wire, score_to_wire, ticket_to_wire
from orderd.wire.status import status_to_wire

__all__ = [
    "approval_to_wire",
    "decision_from_wire",
    "decision_to_wire",
    "denial_to_wire",
    "diagnosis_from_wire",
    "diagnosis_to_wire",
    "entity_from_wire",
    "entity_to_wire",
    "evidence_from_wire",
    "evidence_to_wire",
    "explanation_to_wire",
    "hold_to_wire",
    "instant_from_wire",
    "instant_to_wire",
    "pause_to_wire",
    "rating_to_wire",
    "replay_to_wire",
    "samples_from_wire",
    "samples_to_wire",
    "score_to_wire",
    "status_to_wire",
    "ticket_to_wire",
]
