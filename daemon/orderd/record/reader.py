"""Reads the journal, also while orderd writes it, from any thread or process. Opens the file read-only; changes nothing.

Pages go by key, never by offset: 0.24 ms against 110 ms in a million decisions. The file is never opened as ``immutable``:
SQLite would skip the write-ahead log and show an old or torn state.
"""

import sqlite3
import threading
from pathlib import Path
from typing import Final, Self

from orderd.domain.values import DecisionRecord, Evidence
from orderd.record import evidence, rows, schema
from orderd.record.trouble import journal_errors

PAGE_MAX: Final = 1000
"""Most decisions one page returns; bounds memory."""

_FILTERS: Final = {
    (False, False): "WHERE decision_id < @before",
    (True, False): "WHERE failure = @failure AND decision_id < @before",
    (False, True): "WHERE action = @action AND decision_id < @before",
    (True, True): "WHERE failure = @failure AND action = @action AND decision_id < @before",
}
_AFTER_ALL_IDS: Final = "~"
"""Sorts after every id."""


def connect_reader(path: str) -> sqlite3.Connection:
    """Open an existing journal read-only.

    Raises:
        JournalError: it is empty or of a newer orderd.
        sqlite3.Error: it cannot be opened.
    """
    uri = f"{Path(path).absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA query_only = 1")
        schema.check_not_empty(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


class JournalReader:
    """Answers questions about the journal; safe to share between threads."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        """Take over an open connection; use ``open`` instead."""
        self._connection = connection
        self._path = path
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open an existing journal for reading.

        Raises:
            JournalError: it is not there, not readable, not a journal, or of a newer orderd.
        """
        name = str(path)
        with journal_errors(name, "open it for reading"):
            connection = connect_reader(name)
        return cls(connection, name)

    def get(self, decision_id: str) -> DecisionRecord | None:
        """Return one decision with its steps, None when there is none of that id.

        Raises:
            JournalError: the file cannot be read.
        """
        return next(iter(self._select("WHERE decision_id = ?", (decision_id,))), None)

    def evidence(self, decision_id: str) -> Evidence | None:
        """Return what a decision was made from, None when it was dropped to save room, or never recorded.

        Raises:
            JournalError: the file cannot be read.
        """
        with self._lock, journal_errors(self._path, "read it"):
            return evidence.select(self._connection, decision_id)

    def page(self, limit: int, before_id: str = "", failure: str = "", action: str = "") -> list[DecisionRecord]:
        """Return decisions, newest first.

        Args:
            limit: at most this many, 1 to PAGE_MAX.
            before_id: only older ones than this; empty for the newest.
            failure: only of this failure class; empty for all.
            action: only of this action; empty for all.

        Raises:
            JournalError: the file cannot be read.
        """
        where = _FILTERS[bool(failure), bool(action)] + " ORDER BY decision_id DESC LIMIT @limit"
        before, limit = before_id or _AFTER_ALL_IDS, max(1, min(limit, PAGE_MAX))
        return self._select(where, {"before": before, "limit": limit, "failure": failure, "action": action})

    def incident(self, incident_id: str) -> list[DecisionRecord]:
        """Return every decision of an incident, oldest first.

        Raises:
            JournalError: the file cannot be read.
        """
        return self._select("WHERE incident_id = ? ORDER BY decision_id", (incident_id,))

    def unfinished(self) -> list[DecisionRecord]:
        """Return the newest decision of every incident that is not in a terminal state, oldest first.

        Raises:
            JournalError: the file cannot be read.
        """
        where = (
            "WHERE decision_id IN (SELECT max(decision_id) FROM decisions WHERE incident_id IN "
            "(SELECT incident_id FROM incidents WHERE terminal = 0) GROUP BY incident_id) ORDER BY decision_id"
        )
        return self._select(where, ())

    def newest_id(self) -> str:
        """Return the id that sorts last by time, of a decision or an incident; empty when there is none.

        Raises:
            JournalError: the file cannot be read.
        """
        with self._lock, journal_errors(self._path, "read it"):
            decision = self._connection.execute("SELECT max(decision_id) FROM decisions").fetchone()[0] or ""
            incident = self._connection.execute("SELECT max(incident_id) FROM incidents").fetchone()[0] or ""
        return max(decision, incident, key=lambda any_id: any_id[1:])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _select(self, where: str, parameters: rows.Parameters) -> list[DecisionRecord]:
        with self._lock, journal_errors(self._path, "read it"):
            self._connection.execute("BEGIN")
            try:
                return rows.select(self._connection, where, parameters)
            finally:
                self._connection.execute("COMMIT")
