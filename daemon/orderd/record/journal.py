"""Writes the journal: every decision and every step durable when the call returns. Reads and writes one SQLite file and its log.

Write-ahead log with ``synchronous=FULL``: one fsync a commit. One writer per file. ``reserve`` keeps room for writing while the
file system is full.
"""

import math
import os
import sqlite3
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Self

from orderd.domain.values import Action, Decision, DecisionRecord, IncidentState, Step
from orderd.errors import JournalError
from orderd.record import rows, schema
from orderd.record.reader import JournalReader, connect_reader
from orderd.record.reserve import Reserve
from orderd.record.trouble import journal_errors

_BUSY_S: Final = 1.0
"""Longest wait for another writer; longer would stop the tick."""

_FIRST_STATE: Final = {
    Action.REPAIR: IncidentState.REPAIRING,
    Action.WAIT: IncidentState.WAITING,
    Action.ESCALATE: IncidentState.ESCALATED,
}


def intent(decision: Decision) -> Step:
    """Return the first step of a decision: what orderd is about to do."""
    return Step(
        decision_id=decision.decision_id,
        at=decision.at,
        state=_FIRST_STATE[decision.action],
        what="intent",
        detail=decision.detail,
    )


def connect_writer(path: str) -> sqlite3.Connection:
    """Open the file for writing, creating or migrating it.

    Raises:
        JournalError: it is of a newer orderd.
        OSError: it cannot be created.
        sqlite3.Error: it cannot be opened or migrated.
    """
    # Created here rather than by SQLite, so that the file is never readable by everybody, not even for a moment.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640))
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        schema.migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


class Journal(JournalReader):
    """The decision journal: reads it and is its only writer; safe to share between threads.

    Every method that writes returns after the change is on the disk, and every incident ends in exactly one terminal state.
    """

    def __init__(self, reader: sqlite3.Connection, path: str, writer: sqlite3.Connection) -> None:
        """Take over open connections; use ``open`` instead."""
        super().__init__(reader, path)
        self._writer = writer
        self._write_lock = threading.Lock()
        self._reserve = Reserve(writer)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open the journal, creating or migrating it.

        Args:
            path: of the SQLite file; its folder has to exist.

        Raises:
            JournalError: it cannot be opened, is damaged, or is of a newer orderd; the message says what to do.
        """
        name = str(path)
        with journal_errors(name, "open it"), ExitStack() as undo:
            writer = connect_writer(name)
            undo.callback(writer.close)
            reader = connect_reader(name)
            undo.callback(reader.close)
            journal = cls(reader, name, writer)
            undo.pop_all()
        return journal

    def record(self, decision: Decision) -> DecisionRecord:
        """Make a decision and the intent to carry it out durable, before anything is touched.

        Returns:
            The decision with its first step, whose state follows from the action: repairing, waiting or escalated.

        Raises:
            JournalError: it was not recorded; nothing may be touched.
        """
        first = intent(decision)
        self._check(decision)
        with self._transaction(f"record decision {decision.decision_id}"):
            self._open_incident(decision)
            rows.insert_decision(self._writer, decision)
            self._insert(decision.incident_id, first)
        return DecisionRecord(decision=decision, steps=(first,))

    def append(self, step: Step) -> DecisionRecord:
        """Make one more step of a decision durable.

        Returns:
            The decision with all its steps.

        Raises:
            JournalError: it was not recorded, its incident has ended already, or there is no such decision.
        """
        with self._transaction(f"append {step.what!r} to decision {step.decision_id}"):
            found = self._writer.execute(
                "SELECT incident_id FROM decisions WHERE decision_id = ?", (step.decision_id,)
            ).fetchone()
            if found is None:
                msg = f"{self._path}: there is no decision {step.decision_id}: record it before its steps"
                raise JournalError(msg)
            self._insert(found[0], step)
            return rows.select(self._writer, "WHERE decision_id = ?", (step.decision_id,))[0]

    def close(self) -> None:
        """Close the file; what was recorded stays."""
        with self._write_lock:
            self._writer.close()
        # Last, because it is read-only: SQLite then leaves the write-ahead log, and its room on a full disk, where it is.
        super().close()

    def _check(self, decision: Decision) -> None:
        other = decision.other_diagnosis
        for diagnosis in (decision.diagnosis, *(() if other is None else (other,))):
            if not math.isfinite(diagnosis.probability):
                msg = f"{self._path}: decision {decision.decision_id}: probability is {diagnosis.probability}: not recorded"
                raise JournalError(msg)

    def _open_incident(self, decision: Decision) -> None:
        self._writer.execute(
            "INSERT INTO incidents (incident_id, state, terminal, failure, entity) VALUES (?, ?, 0, ?, ?) "
            "ON CONFLICT (incident_id) DO NOTHING",
            (
                decision.incident_id,
                str(IncidentState.OPEN),
                str(decision.diagnosis.failure),
                str(decision.diagnosis.entity),
            ),
        )

    def _insert(self, incident_id: str, step: Step) -> None:
        changed = self._writer.execute(
            "UPDATE incidents SET state = ?, terminal = ? WHERE incident_id = ? AND terminal = 0",
            (str(step.state), int(step.state.terminal), incident_id),
        )
        if changed.rowcount != 1:
            msg = (
                f"{self._path}: incident {incident_id} has ended already: {step.what!r} ({step.state}) of decision "
                f"{step.decision_id} was refused: open a new incident"
            )
            raise JournalError(msg)
        rows.insert_step(self._writer, step)

    @contextmanager
    def _transaction(self, doing: str) -> Generator[None]:
        with self._write_lock, journal_errors(self._path, doing):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            self._reserve.wrote()
