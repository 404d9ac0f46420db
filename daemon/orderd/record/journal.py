"""Writes the journal: every decision and every step durable when the call returns. Reads and writes one SQLite file and its log.

One writer per file (`orderd.record.writer`); ``reserve`` keeps room for writing while the file system is full.
"""

import math
import sqlite3
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from orderd.config.schema import JournalConfig
from orderd.domain.clock import Instant
from orderd.domain.standing import Rating
from orderd.domain.values import Action, Decision, DecisionRecord, Evidence, IncidentState, Step
from orderd.errors import JournalError
from orderd.record import evidence as evidence_rows
from orderd.record import rows
from orderd.record.kept import KeptState
from orderd.record.reader import JournalReader, connect_reader
from orderd.record.reserve import RESERVE_BYTES
from orderd.record.retention import Bounds, Retention
from orderd.record.trouble import journal_errors, primary_code
from orderd.record.writer import Writer

_FIRST_STATE: Final = {
    Action.REPAIR: IncidentState.REPAIRING,
    Action.WAIT: IncidentState.WAITING,
    Action.ESCALATE: IncidentState.ESCALATED,
}


AFTERWARDS: Final = frozenset({"rated", "ticket"})
"""Words that may follow the end of an incident: they are about it and change nothing."""

STEPS_MAX: Final = 500
"""Steps of one decision; a repair has about five, ratings may follow."""

_KEPT_BACK: Final = 50
"""Steps beyond it for what becomes of a repair: an incident that cannot be moved on holds up every tick of orderd."""
_CHATTER: Final = frozenset({"rated", "ticket", "recovered"})
"""Words that come again and again: with every rating, with every restart of an orderd that keeps failing."""


_SMALL: Final = JournalConfig(ballast_bytes=RESERVE_BYTES)


def bounds_of(config: JournalConfig) -> Bounds:
    """Return what a configuration lets the journal keep."""
    return Bounds(
        bytes_max=config.bytes_max,
        age_s_max=config.age_s_max,
        evidence_bytes_max=config.evidence_bytes_max,
        reserve_bytes=config.ballast_bytes,
    )


def intent(decision: Decision) -> Step:
    """Return the first step of a decision: what orderd is about to do."""
    return Step(
        decision_id=decision.decision_id,
        at=decision.at,
        state=_FIRST_STATE[decision.action],
        what="intent",
        detail=decision.detail,
    )


def _same(one: Step, other: Step) -> bool:
    """Tell whether two steps are the same; a missing duration (NaN) equals a missing one."""
    return repr(one) == repr(other)


class Journal(JournalReader):
    """The decision journal: reads it and is its only writer; safe to share between threads.

    Every method that writes returns after the change is on the disk, and every incident ends in exactly one terminal state.
    """

    def __init__(self, reader: sqlite3.Connection, path: str, writer: Writer, retention: Retention) -> None:
        """Take over open connections; use ``open`` instead."""
        super().__init__(reader, path)
        self._writer = writer
        self._retention = retention
        self.kept = KeptState(writer)

    @classmethod
    def open(cls, path: str | Path, config: JournalConfig = _SMALL) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Open the journal, creating or migrating it.

        Args:
            path: of the SQLite file; its folder has to exist.
            config: how much it may keep, and how much room to hold ready; its path is not looked at.

        Raises:
            JournalError: it cannot be opened, is damaged, or is of a newer orderd; the message says what to do.
        """
        name = str(path)
        with journal_errors(name, "open it"), ExitStack() as undo:
            writer = Writer.open(name, config.ballast_bytes)
            undo.callback(writer.close)
            reader = connect_reader(name)
            undo.callback(reader.close)
            journal = cls(reader, name, writer, Retention(writer, bounds_of(config)))
            undo.pop_all()
        return journal

    def record(self, decision: Decision, evidence: Evidence | None = None) -> DecisionRecord:
        """Make a decision and the intent to carry it out durable, before anything is touched.

        Args:
            decision: the choice.
            evidence: what it was made from; recorded in the same transaction. It is left out when the room that is left on a
                full file system is needed for decisions.

        Returns:
            The decision with its first step, whose state follows from the action: repairing, waiting or escalated.

        Raises:
            JournalError: it was not recorded; nothing may be touched.
        """
        self._check(decision)
        if evidence is None or self._writer.reserve.short:
            return self._record(decision, None)
        try:
            return self._record(decision, evidence)
        except JournalError as error:
            if primary_code(error.__cause__) != sqlite3.SQLITE_FULL:
                raise
            # What is left of the room belongs to decisions.
            return self._record(decision, None)

    def _record(self, decision: Decision, evidence: Evidence | None) -> DecisionRecord:
        first = intent(decision)

        def insert(connection: sqlite3.Connection) -> DecisionRecord:
            self._open_incident(connection, decision)
            self._move(connection, decision.incident_id, first)
            number = rows.insert_decision(connection, decision, first.state)
            rows.insert_step(connection, first)
            if evidence is not None:
                self._retention.recorded(*evidence_rows.insert(connection, number, evidence))
            return DecisionRecord(decision=decision, steps=(first,))

        return self._writer.write(f"record decision {decision.decision_id}", insert)

    def retain(self, now: Instant) -> bool:
        """Do a bounded piece of removing what is too old or too much; call it now and then, off the tick's path.

        Evidence goes first, then whole ended incidents, oldest first. What is open never goes.

        Args:
            now: both clocks; age counts once they have agreed for an hour.

        Returns:
            Whether more is left to do.

        Raises:
            JournalError: the file cannot be written.
        """
        return self._retention.work(now)

    def append(self, step: Step) -> DecisionRecord:
        """Make one more step of a decision durable.

        A step that stands there as the newest already is not written a second time: whoever was told of a failure may try again.
        After the end only words about it may follow (``rated``, ``ticket``), which leave the state as it is.

        Returns:
            The decision with all its steps.

        Raises:
            JournalError: it was not recorded, its incident has ended already, or there is no such decision.
        """
        doing = f"append {step.what!r} to decision {step.decision_id}"
        return self._writer.write(doing, lambda connection: self._append(connection, step))

    def rate(self, rating: Rating) -> DecisionRecord:
        """Make what a person thought of a decision durable, and a step ``rated`` with it. Never changes a state.

        Returns:
            The decision with all its steps.

        Raises:
            JournalError: it was not recorded, or there is no such decision.
        """
        return self._writer.write(f"rate decision {rating.decision_id}", lambda connection: self._rate(connection, rating))

    def _rate(self, connection: sqlite3.Connection, rating: Rating) -> DecisionRecord:
        number, incident_id = self._place(connection, rating.decision_id)
        state = connection.execute("SELECT state FROM incidents WHERE incident_id = ?", (incident_id,)).fetchone()[0]
        rows.insert_rating(connection, number, rating)
        detail = ": ".join(filter(None, (rating.by, "good" if rating.good else "bad", rating.note)))
        step = Step(decision_id=rating.decision_id, at=rating.at, state=IncidentState(state), what="rated", detail=detail)
        return self._append(connection, step)

    def close(self) -> None:
        """Close the file; what was recorded stays."""
        self._writer.close()
        # Last, because it is read-only: SQLite then leaves the write-ahead log, and its room on a full disk, where it is.
        super().close()

    def _check(self, decision: Decision) -> None:
        other = decision.other_diagnosis
        for diagnosis in (decision.diagnosis, *(() if other is None else (other,))):
            if not math.isfinite(diagnosis.probability):
                msg = f"{self._path}: decision {decision.decision_id}: probability is {diagnosis.probability}: not recorded"
                raise JournalError(msg)

    def _open_incident(self, connection: sqlite3.Connection, decision: Decision) -> None:
        connection.execute(
            "INSERT INTO incidents (incident_id, state, terminal, failure, entity) VALUES (?, ?, 0, ?, ?) "
            "ON CONFLICT (incident_id) DO NOTHING",
            (
                decision.incident_id,
                str(IncidentState.OPEN),
                str(decision.diagnosis.failure),
                str(decision.diagnosis.entity),
            ),
        )

    def _place(self, connection: sqlite3.Connection, decision_id: str) -> tuple[int, str]:
        """Return number and incident of a decision."""
        found = connection.execute("SELECT number, incident_id FROM decisions WHERE decision_id = ?", (decision_id,)).fetchone()
        if found is None:
            msg = f"{self._path}: there is no decision {decision_id}: record it before its steps"
            raise JournalError(msg)
        return found

    def _append(self, connection: sqlite3.Connection, step: Step) -> DecisionRecord:
        number, incident_id = self._place(connection, step.decision_id)
        record = rows.select(connection, [number])[0]
        if record.steps and _same(record.steps[-1], step):
            return record
        ends = step.state.terminal and step.what not in AFTERWARDS
        if len(record.steps) >= STEPS_MAX + (0 if step.what in _CHATTER else _KEPT_BACK) and not ends:
            msg = f"{self._path}: decision {step.decision_id} has {len(record.steps)} steps already: {step.what!r} was refused"
            raise JournalError(msg)
        self._move(connection, incident_id, step)
        rows.insert_step(connection, step)
        rows.touch(connection, number)
        return replace(record, steps=(*record.steps, step))

    def _move(self, connection: sqlite3.Connection, incident_id: str, step: Step) -> None:
        """Put an incident into the state of a step, once it has not ended."""
        was, terminal = connection.execute(
            "SELECT state, terminal FROM incidents WHERE incident_id = ?", (incident_id,)
        ).fetchone()
        if terminal and not (step.what in AFTERWARDS and step.state == was):
            msg = (
                f"{self._path}: incident {incident_id} has ended already: {step.what!r} ({step.state}) of decision "
                f"{step.decision_id} was refused: open a new incident"
            )
            raise JournalError(msg)
        if step.state != was:
            connection.execute(
                "UPDATE incidents SET state = ?, terminal = ? WHERE incident_id = ?",
                (str(step.state), int(step.state.terminal), incident_id),
            )
            rows.change_state(connection, incident_id, step.state)
