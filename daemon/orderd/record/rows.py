"""Rows of the journal <-> domain values. Pure: takes a connection, runs no transaction of its own.

A decision is one JSON document; msgspec ignores fields it does not know and fills new ones with their defaults, which keeps
files of the version before readable. NaN, a step without a duration, is NULL.
"""

import math
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from orderd.domain.clock import Instant
from orderd.domain.values import NAN, Decision, DecisionRecord, IncidentState, RepairOutcome, Step

Parameters = Sequence[object] | Mapping[str, object]
"""By position or by name."""

_decoder: Final = msgspec.json.Decoder(Decision)
_encoder: Final = msgspec.json.Encoder()

_STEP_COLUMNS: Final = "decision_id, mono_ns, utc_ns, state, what, detail, outcome, seconds"


def encode(decision: Decision) -> bytes:
    """Return a decision as JSON."""
    return _encoder.encode(decision)


def insert_decision(connection: sqlite3.Connection, decision: Decision) -> None:
    """Insert a decision."""
    connection.execute(
        "INSERT INTO decisions (decision_id, incident_id, failure, action, body) VALUES (?, ?, ?, ?, ?)",
        (
            decision.decision_id,
            decision.incident_id,
            str(decision.diagnosis.failure),
            str(decision.action),
            encode(decision),
        ),
    )


def insert_step(connection: sqlite3.Connection, step: Step) -> None:
    """Insert a step after all others of its decision."""
    connection.execute(
        "INSERT INTO steps (decision_id, number, mono_ns, utc_ns, state, what, detail, outcome, seconds) VALUES "
        "(?1, (SELECT count(*) FROM steps WHERE decision_id = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            step.decision_id,
            step.at.mono_ns,
            step.at.utc_ns,
            str(step.state),
            step.what,
            step.detail,
            None if step.outcome is None else str(step.outcome),
            None if math.isnan(step.seconds) else step.seconds,
        ),
    )


def _step(row: Sequence[Any]) -> Step:
    decision_id, mono_ns, utc_ns, state, what, detail, outcome, seconds = row
    return Step(
        decision_id=decision_id,
        at=Instant(mono_ns=mono_ns, utc_ns=utc_ns),
        state=IncidentState(state),
        what=what,
        detail=detail,
        outcome=None if outcome is None else RepairOutcome(outcome),
        seconds=NAN if seconds is None else seconds,
    )


def select(connection: sqlite3.Connection, where: str, parameters: Parameters) -> list[DecisionRecord]:
    """Return decisions with their steps, in two statements however many there are.

    Args:
        connection: inside one read transaction, so that both statements see the same file.
        where: what follows ``FROM decisions``; never built from data.
        parameters: for its placeholders.
    """
    bodies = connection.execute(f"SELECT decision_id, body FROM decisions {where}", parameters).fetchall()  # noqa: S608 - fixed text
    steps: dict[str, list[Step]] = {decision_id: [] for decision_id, _ in bodies}
    for row in connection.execute(
        f"SELECT {_STEP_COLUMNS} FROM steps WHERE decision_id IN (SELECT value FROM json_each(?)) ORDER BY decision_id, number",  # noqa: S608 - fixed text
        (msgspec.json.encode(list(steps)).decode(),),
    ):
        steps[row[0]].append(_step(row))
    return [DecisionRecord(decision=_decoder.decode(body), steps=tuple(steps[decision_id])) for decision_id, body in bodies]
