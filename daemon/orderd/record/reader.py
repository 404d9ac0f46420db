"""Reads the journal, also while orderd writes it, from any thread or process. Opens the file read-only; changes nothing.

Pages go by key, never by offset: 0.24 ms against 110 ms in a million decisions. The file is never opened as ``immutable``:
SQLite would skip the write-ahead log and show an old or torn state.
"""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from orderd.domain.standing import Rating
from orderd.domain.values import DecisionRecord, Evidence
from orderd.record import evidence, rows, schema
from orderd.record.listing import Filters, listed
from orderd.record.trouble import journal_errors

PAGE_MAX: Final = 1000
"""Most decisions one page returns; bounds memory."""

CHANGES_MAX: Final = 1000
"""Most changes returned at once."""

_TAIL: Final = (
    "substr(decision_id, -1, 1) || substr(decision_id, -2, 1) || substr(decision_id, -3, 1) || substr(decision_id, -4, 1)"
)
"""As the index has it."""
_TAIL_DIGITS: Final = 4

_AFTER_ALL: Final = "\U0010ffff"
"""Sorts after every character of an id."""


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
        return next(iter(self._select("SELECT number FROM decisions WHERE decision_id = ?", (decision_id,))), None)

    def find(self, part: str, limit: int = 2) -> list[str]:
        """Return ids of decisions that begin or end with a part of an id, the whole id alone when it is one.

        Args:
            part: at least one character.
            limit: at most this many; two tell whether a part fits one decision only.

        Raises:
            JournalError: the file cannot be read.
        """
        if not part:
            return []
        tail = part[: -_TAIL_DIGITS - 1 : -1]
        queries = (
            "decision_id = @part",
            "decision_id > @part AND decision_id < @part || @last",
            f"({_TAIL}) >= @tail AND ({_TAIL}) < @tail || @last AND substr(decision_id, -length(@part)) = @part",
        )
        named = {"part": part, "tail": tail, "last": _AFTER_ALL, "limit": limit}
        found: dict[str, None] = {}
        with self._lock, journal_errors(self._path, "read it"):
            for where in queries:
                query = f"SELECT decision_id FROM decisions WHERE {where} LIMIT @limit"  # noqa: S608 - fixed text
                found |= dict.fromkeys(row[0] for row in self._connection.execute(query, named))
                if part in found:
                    return [part]
        return list(found)[:limit]

    def evidence(self, decision_id: str) -> Evidence | None:
        """Return what a decision was made from, None when it was dropped to save room, or never recorded.

        Raises:
            JournalError: the file cannot be read.
        """
        with self._lock, journal_errors(self._path, "read it"):
            return evidence.select(self._connection, decision_id)

    def ratings(self, decision_id: str) -> tuple[Rating, ...]:
        """Return what people thought of a decision, newest first.

        Raises:
            JournalError: the file cannot be read.
        """
        with self._lock, journal_errors(self._path, "read it"):
            return rows.select_ratings(self._connection, decision_id)

    def page(
        self,
        limit: int,
        before_id: str = "",
        *,
        failure: str = "",
        action: str = "",
        entity: str = "",
        state: str = "",
        reason: str = "",
        since_utc_ns: int = 0,
        until_utc_ns: int = 0,
    ) -> list[DecisionRecord]:
        """Return decisions, newest first. Filters that are empty or zero let everything through.

        Args:
            limit: at most this many, 1 to PAGE_MAX.
            before_id: only older ones than this; empty for the newest.
            failure: only of this failure class.
            action: only of this action.
            entity: only of this entity, as ``kind:key``.
            state: only of incidents that are in this state now.
            reason: only of this reason code.
            since_utc_ns: only decided at or after this moment.
            until_utc_ns: only decided before this moment.

        Raises:
            JournalError: the file cannot be read.
        """
        filters = Filters(
            failure=failure,
            action=action,
            entity=entity,
            state=state,
            reason=reason,
            since_utc_ns=since_utc_ns,
            until_utc_ns=until_utc_ns,
        )
        with self._snapshot() as connection:
            return rows.select(connection, listed(connection, filters, before_id, max(1, min(limit, PAGE_MAX))))

    def changes(self, after: int, limit: int = CHANGES_MAX) -> list[tuple[int, DecisionRecord]]:
        """Return decisions that changed after a change, in the order of their newest change, each once and whole.

        Args:
            after: number of a change; 0 for all decisions.
            limit: at most this many, 1 to CHANGES_MAX.

        Returns:
            The number of each decision's newest change with the decision. Numbers rise for ever and are never given twice.

        Raises:
            JournalError: the file cannot be read.
        """
        with self._snapshot() as connection:
            found = connection.execute(
                "SELECT number, changed FROM entries WHERE changed > ? ORDER BY changed LIMIT ?",
                (after, max(1, min(limit, CHANGES_MAX))),
            ).fetchall()
            records = rows.select(connection, [number for number, _ in found])
        return [(changed, record) for (_, changed), record in zip(found, records, strict=True)]

    def newest_change(self) -> int:
        """Return the number of the newest change, 0 when there is none.

        Raises:
            JournalError: the file cannot be read.
        """
        with self._lock, journal_errors(self._path, "read it"):
            return self._connection.execute("SELECT coalesce(max(changed), 0) FROM entries").fetchone()[0]

    def incident(self, incident_id: str) -> list[DecisionRecord]:
        """Return every decision of an incident, oldest first.

        Raises:
            JournalError: the file cannot be read.
        """
        return self._select("SELECT number FROM decisions WHERE incident_id = ? ORDER BY number", (incident_id,))

    def unfinished(self) -> list[DecisionRecord]:
        """Return the newest decision of every incident that is not in a terminal state, oldest first.

        Raises:
            JournalError: the file cannot be read.
        """
        newest = (
            "SELECT max(d.number) FROM incidents AS i JOIN decisions AS d USING (incident_id) "
            "WHERE i.terminal = 0 GROUP BY i.incident_id ORDER BY 1"
        )
        return self._select(newest, ())

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

    def _select(self, query: str, parameters: rows.Parameters) -> list[DecisionRecord]:
        with self._snapshot() as connection:
            return rows.select(connection, rows.numbers(connection, query, parameters))

    @contextmanager
    def _snapshot(self) -> Generator[sqlite3.Connection]:
        """Have every statement inside see the same moment of the file."""
        with self._lock, journal_errors(self._path, "read it"):
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("COMMIT")
