"""Rows of the journal <-> domain values. Pure: takes a connection, runs no transaction of its own.

A decision is one JSON document; msgspec ignores fields it does not know and fills new ones with their defaults, which keeps
files of the version before readable. NaN, a step without a duration, is NULL. What lists are filtered by stands in a narrow row
beside it (``entries``), under the same number; numbers rise in the order in which decisions were recorded.
"""

import math
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from orderd.domain.clock import Instant
from orderd.domain.standing import Rating
from orderd.domain.values import NAN, Decision, DecisionRecord, IncidentState, RepairOutcome, Step

Parameters = Sequence[object] | Mapping[str, object]
"""By position or by name."""

_decoder: Final = msgspec.json.Decoder(Decision)
_encoder: Final = msgspec.json.Encoder()

_STEP_COLUMNS: Final = "decision_id, mono_ns, utc_ns, state, what, detail, outcome, seconds"
_NEXT_CHANGE: Final = "(SELECT coalesce(max(changed), 0) + 1 FROM entries)"
"""Never given out twice: `retention` keeps the decision that changed last."""


def encode(decision: Decision) -> bytes:
    """Return a decision as JSON."""
    return _encoder.encode(decision)


def insert_decision(connection: sqlite3.Connection, decision: Decision, state: IncidentState) -> int:
    """Insert a decision and its entry.

    Args:
        connection: inside a transaction.
        decision: whose incident is there already.
        state: of the incident.

    Returns:
        Its number.
    """
    before = connection.execute("SELECT utc_ns FROM entries ORDER BY number DESC LIMIT 1").fetchone()
    number = connection.execute(
        "INSERT INTO decisions (decision_id, incident_id, body) VALUES (?, ?, ?)",
        (decision.decision_id, decision.incident_id, encode(decision)),
    ).lastrowid
    assert number is not None
    kind = _kind(connection, (str(decision.diagnosis.failure), str(decision.action), str(decision.reason), str(state)))
    entity = _entity(connection, str(decision.diagnosis.entity))
    connection.execute(
        f"INSERT INTO entries (number, kind, entity, utc_ns, changed) VALUES (?, ?, ?, ?, {_NEXT_CHANGE})",  # noqa: S608 - fixed text
        (number, kind, entity, decision.at.utc_ns),
    )
    if before is None or decision.at.utc_ns < before[0]:
        connection.execute("INSERT INTO eras (first) VALUES (?)", (number,))
    return number


def change_state(connection: sqlite3.Connection, incident_id: str, state: IncidentState) -> None:
    """Have every decision of an incident found under its new state."""
    stale = connection.execute(
        "SELECT e.number, k.failure, k.action, k.reason "
        "FROM decisions AS d JOIN entries AS e USING (number) JOIN kinds AS k USING (kind) "
        "WHERE d.incident_id = ? AND k.state <> ?",
        (incident_id, str(state)),
    ).fetchall()
    for number, failure, action, reason in stale:
        kind = _kind(connection, (failure, action, reason, str(state)))
        connection.execute("UPDATE entries SET kind = ? WHERE number = ?", (kind, number))


def touch(connection: sqlite3.Connection, number: int) -> None:
    """Give a decision the next change number."""
    connection.execute(f"UPDATE entries SET changed = {_NEXT_CHANGE} WHERE number = ?", (number,))  # noqa: S608 - fixed text


def _kind(connection: sqlite3.Connection, words: tuple[str, str, str, str]) -> int:
    """Return the number of a combination of failure, action, reason and state, giving it one when it is new."""
    found = connection.execute(
        "SELECT kind FROM kinds WHERE failure = ? AND action = ? AND reason = ? AND state = ?", words
    ).fetchone()
    if found is not None:
        return found[0]
    number = connection.execute("INSERT INTO kinds (failure, action, reason, state) VALUES (?, ?, ?, ?)", words).lastrowid
    assert number is not None
    return number


def _entity(connection: sqlite3.Connection, name: str) -> int:
    found = connection.execute("SELECT entity FROM entities WHERE name = ?", (name,)).fetchone()
    if found is not None:
        return found[0]
    number = connection.execute("INSERT INTO entities (name) VALUES (?)", (name,)).lastrowid
    assert number is not None
    return number


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


def numbers(connection: sqlite3.Connection, query: str, parameters: Parameters) -> list[int]:
    """Return the first column of a query.

    Args:
        connection: to read from.
        query: fixed text that selects numbers of decisions; never built from data.
        parameters: for its placeholders.
    """
    return [row[0] for row in connection.execute(query, parameters)]


def select(connection: sqlite3.Connection, wanted: Sequence[int]) -> list[DecisionRecord]:
    """Return decisions with their steps, in the order asked for, in two statements however many there are.

    Args:
        connection: inside one read transaction, so that both statements see the same file.
        wanted: numbers of decisions; one that is not there is left out.
    """
    listed = (msgspec.json.encode(list(wanted)).decode(),)
    found = {
        number: (decision_id, body)
        for number, decision_id, body in connection.execute(
            "SELECT number, decision_id, body FROM decisions WHERE number IN (SELECT value FROM json_each(?))", listed
        )
    }
    steps: dict[str, list[Step]] = {decision_id: [] for decision_id, _ in found.values()}
    for row in connection.execute(
        f"SELECT {_STEP_COLUMNS} FROM steps WHERE decision_id IN (SELECT value FROM json_each(?)) ORDER BY decision_id, number",  # noqa: S608 - fixed text
        (msgspec.json.encode(list(steps)).decode(),),
    ):
        steps[row[0]].append(_step(row))
    chosen = [found[number] for number in wanted if number in found]
    return [DecisionRecord(decision=_decoder.decode(body), steps=tuple(steps[decision_id])) for decision_id, body in chosen]


def insert_rating(connection: sqlite3.Connection, number: int, rating: Rating) -> None:
    """Insert what a person thought of a decision, after what others thought."""
    connection.execute(
        "INSERT INTO ratings (number, place, mono_ns, utc_ns, good, note, rated_by) VALUES "
        "(?1, (SELECT count(*) FROM ratings WHERE number = ?1), ?2, ?3, ?4, ?5, ?6)",
        (number, rating.at.mono_ns, rating.at.utc_ns, int(rating.good), rating.note, rating.by),
    )


def select_ratings(connection: sqlite3.Connection, decision_id: str) -> tuple[Rating, ...]:
    """Return what people thought of a decision, newest first."""
    found = connection.execute(
        "SELECT mono_ns, utc_ns, good, note, rated_by FROM ratings "
        "WHERE number = (SELECT number FROM decisions WHERE decision_id = ?) ORDER BY place DESC",
        (decision_id,),
    )
    return tuple(
        Rating(decision_id=decision_id, good=bool(good), note=note, by=by, at=Instant(mono_ns=mono_ns, utc_ns=utc_ns))
        for mono_ns, utc_ns, good, note, by in found
    )
