"""Why a decision was made, how it would be made now, and what it was made from -> protobuf. Pure.

``evidence_from_wire`` is the way back, for who replays a decision elsewhere.
"""

import math
import sys
from array import array
from typing import Final

from orderd.domain.explanation import Difference, Explanation, Replay, SignalWeight
from orderd.domain.schema import SCHEMAS, widened
from orderd.domain.values import DecisionRecord, Evidence, Scores
from orderd.v1 import decision_pb2
from orderd.wire.decisions import decision_to_wire
from orderd.wire.scalars import entity_to_wire

_SUM_TOLERANCE: Final = 1e-3


def _floats(values: "array[float]") -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def evidence_to_wire(evidence: Evidence) -> decision_pb2.Evidence:
    """Return the message of what a decision was made from."""
    message = decision_pb2.Evidence(window=evidence.window or b"", facts=evidence.facts)
    if evidence.scores is not None:
        message.failures = _floats(array("f", (p for row in evidence.scores.failures for p in row)))
        message.wrong = evidence.scores.wrong
    return message


def evidence_from_wire(message: decision_pb2.Evidence, decision_id: str) -> Evidence:
    """Return what a decision was made from.

    Args:
        message: what was sent.
        decision_id: the decision it belongs to.

    Raises:
        ValueError: ``failures`` is not whole rows of one probability per failure class, of this release or an older one.
    """
    values = array("f", message.failures[: len(message.failures) // 4 * 4])
    if sys.byteorder == "big":
        values.byteswap()
    rows = _rows(values) if len(message.failures) % 4 == 0 else None
    if rows is None:
        widths = sorted({schema.failures for schema in SCHEMAS})
        msg = (
            f"failures: {len(message.failures)} bytes are no rows of probabilities, {' or '.join(map(str, widths))} float32 each"
        )
        raise ValueError(msg)
    scores = Scores(failures=rows, wrong=message.wrong) if rows else None
    return Evidence(decision_id=decision_id, window=message.window or None, scores=scores, facts=message.facts)


def _rows(values: "array[float]") -> tuple[tuple[float, ...], ...] | None:
    """Return the rows, as wide as makes distributions of them; None where no schema's width does."""
    for width in sorted({schema.failures for schema in SCHEMAS}, reverse=True):
        rows = [values[i : i + width] for i in range(0, len(values), width)]
        if all(len(row) == width and abs(math.fsum(row) - 1.0) <= _SUM_TOLERANCE for row in rows):
            return tuple(widened(row) for row in rows)
    return None


def _weight_to_wire(weight: SignalWeight) -> decision_pb2.SignalWeight:
    return decision_pb2.SignalWeight(
        entity=None if weight.entity is None else entity_to_wire(weight.entity),
        signal=weight.signal,
        value=None if math.isnan(weight.value) else weight.value,
        probability_without=weight.probability_without,
    )


def explanation_to_wire(explanation: Explanation) -> decision_pb2.ExplainDecisionResponse:
    """Return the message of why a decision was made."""
    return decision_pb2.ExplainDecisionResponse(
        decision=decision_to_wire(explanation.record),
        sentences=explanation.sentences,
        signals=[_weight_to_wire(weight) for weight in explanation.signals],
        probability=explanation.probability,
        model_version=explanation.model_version,
    )


def _difference_to_wire(difference: Difference) -> decision_pb2.Difference:
    return decision_pb2.Difference(field=difference.field, recorded=difference.recorded, replayed=difference.replayed)


def replay_to_wire(replay: Replay) -> decision_pb2.ReplayDecisionResponse:
    """Return the message of a decision that was decided again."""
    replayed = DecisionRecord(decision=replay.replayed, steps=replay.record.steps)
    return decision_pb2.ReplayDecisionResponse(
        recorded=decision_to_wire(replay.record),
        replayed=decision_to_wire(replayed),
        differences=[_difference_to_wire(difference) for difference in replay.differences],
        model_version=replay.model_version,
    )
