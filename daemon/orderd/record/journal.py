"""Writes the journal: every decision and every step durable when the call returns. Reads and writes one SQLite file and its log.

One writer per file (`orderd.record.writer`); ``reserve`` keeps room for writing while the file system is full.
"""

import math
import sqlite3
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from orderd.domain.values import Action, Decision, DecisionRecord, Evidence, IncidentState, Step
from orderd.errors import JournalError
from orderd.record import evidence as evidence_rows
from orderd.record import rows
from orderd.record.kept import KeptState
from orderd.record.reader import JournalReader, connect_reader
from orderd.record.trouble import journal_errors
from orderd.record.writer import Writer

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


class Journal(JournalReader):
    """The decision journal: reads it and is its only writer; safe to share between threads.

    Every method that writes returns after the change is on the disk, and every incident ends in exactly one terminal state.
    """

    def __init__(self, reader: sqlite3.Connection, path: str, writer: Writer) -> None:
        """Take over open connections; use ``open`` instead."""
        super().__init__(reader, path)
        self._writer = writer
        self.kept = KeptState(writer)

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
            writer = Writer.open(name)
            undo.callback(writer.close)
            reader = connect_reader(name)
            undo.callback(reader.close)
            journal = cls(reader, name, writer)
            undo.pop_all()
        return journal

    def record(self, decision: Decision, evidence: Evidence | None = None) -> DecisionRecord:
        """Make a decision and the intent to carry it out durable, before anything is touched.

        Args:
            decision: the choice.
            evidence: what it was made from; recorded in the same transaction.

        Returns:
            The decision with its first step, whose state follows from the action: repairing, waiting or escalated.

        Raises:
            JournalError: it was not recorded; nothing may be touched.
        """
        first = intent(decision)
        self._check(decision)
        with self._writer.transaction(f"record decision {decision.decision_id}") as connection:
            self._open_incident(connection, decision)
            rows.insert_decision(connection, decision)
            self._insert(connection, decision.incident_id, first)
            if evidence is not None:
                evidence_rows.insert(connection, evidence)
        return DecisionRecord(decision=decision, steps=(first,))

    def append(self, step: Step) -> DecisionRecord:
        """Make one more step of a decision durable.

        Returns:
            The decision with all its steps.

        Raises:
            JournalError: it was not recorded, its incident has ended already, or there is no such decision.
        """
        with self._writer.transaction(f"append {step.what!r} to decision {step.decision_id}") as connection:
            found = connection.execute("SELECT incident_id FROM decisions WHERE decision_id = ?", (step.decision_id,)).fetchone()
            if found is None:
                msg = f"{self._path}: there is no decision {step.decision_id}: record it before its steps"
                raise JournalError(msg)
            self._insert(connection, found[0], step)
            return rows.select(connection, "WHERE decision_id = ?", (step.decision_id,))[0]

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

    def _insert(self, connection: sqlite3.Connection, incident_id: str, step: Step) -> None:
        changed = connection.execute(
            "UPDATE incidents SET state = ?, terminal = ? WHERE incident_id = ? AND terminal = 0",
            (str(step.state), int(step.state.terminal), incident_id),
        )
        if changed.rowcount != 1:
            msg = (
                f"{self._path}: incident {incident_id} has ended already: {step.what!r} ({step.state}) of decision "
                f"{step.decision_id} was refused: open a new incident"
            )
            raise JournalError(msg)
        rows.insert_step(connection, step)
