"""What goes when the journal is too old or too large: evidence first, then whole ended incidents, oldest first. Writes the file.

Open incidents never go, nor does the decision that changed last and the newest ids: numbers that were given out stay behind us.
A piece of work is bounded, in transactions short enough that a tick which records meanwhile waits some milliseconds. Freed pages
are used again for what comes; a file that has shrunk for good gives them back to the file system.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orderd.domain.clock import Instant
from orderd.errors import JournalError
from orderd.record.trouble import primary_code
from orderd.record.writer import Writer

_BATCH: Final = 32
"""Incidents, or pieces of evidence, in one transaction: some ten milliseconds."""
_TRANSACTIONS_MAX: Final = 16
"""In one piece of work."""
_VACUUM_PAGES: Final = 512
"""Given back in one transaction."""
_SLACK_BYTES: Final = 8 << 20
"""Free room beyond the reserve that is kept for what comes, rather than given back and asked for again."""

_STEADY_NS: Final = 3600 * 10**9
"""How long wall clock and monotonic time have to agree before age counts: a clock that is wrong for a while removes nothing."""
_JUMP_NS: Final = 60 * 10**9

EVIDENCE_SHARE: Final = 4
"""Evidence takes at most one part in so many of the whole file, and facts without a window at most one of evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may be kept.

    Attributes:
        bytes_max: of the file, reserve included.
        age_s_max: of an ended incident, by its newest decision.
        evidence_bytes_max: of all evidence.
        reserve_bytes: free room inside the file.
    """

    bytes_max: int
    age_s_max: float
    evidence_bytes_max: int
    reserve_bytes: int


class Retention:
    """Keeps the journal within bounds, piece by piece."""

    def __init__(self, writer: Writer, bounds: Bounds) -> None:
        """Take the journal's writer.

        Args:
            writer: of the journal.
            bounds: what may be kept.
        """
        self._writer = writer
        self._bounds = bounds
        self._evidence_max = min(bounds.evidence_bytes_max, bounds.bytes_max // EVIDENCE_SHARE)
        self._bytes: tuple[int, int] | None = None
        self._batch = _BATCH
        self._offset_ns: int | None = None
        self._steady_since_ns = 0
        self.removed = 0
        """Incidents removed since the start."""

    def work(self, now: Instant) -> bool:
        """Do a bounded piece of work; return whether more is left.

        Raises:
            JournalError: the file cannot be written; what was removed before stays removed.
        """
        self._writer.keep_room()
        self._batch = _BATCH
        old_ns = self._too_old_ns(now)
        pieces: tuple[Callable[[sqlite3.Connection], bool], ...] = (
            self._drop_evidence,
            lambda connection: self._drop_aged(connection, old_ns),
            self._drop_oldest,
            self._give_back,
        )
        return all(any(self._piece(piece) for piece in pieces) for _ in range(_TRANSACTIONS_MAX))

    def recorded(self, heavy: int, facts: int) -> None:
        """Count evidence that was recorded; called inside the transaction that does it.

        Args:
            heavy: bytes of window and scores.
            facts: bytes of facts.
        """
        if self._bytes is not None:
            self._bytes = (self._bytes[0] + heavy, self._bytes[1] + facts)

    def _piece(self, piece: Callable[[sqlite3.Connection], bool]) -> bool:
        while True:
            try:
                return self._writer.write("remove what is old", piece)
            except JournalError as error:
                self._bytes = None  # counted anew: what was taken off stayed
                if primary_code(error.__cause__) != sqlite3.SQLITE_FULL or self._batch == 1:
                    raise
                # Removing needs room as well, in the log: less of it where less is removed at once.
                self._batch = max(1, self._batch // 4)

    def _too_old_ns(self, now: Instant) -> int | None:
        """Return the UTC moment before which ended incidents go, None while the clock cannot be trusted."""
        offset = now.utc_ns - now.mono_ns
        if self._offset_ns is None or abs(offset - self._offset_ns) > _JUMP_NS:
            self._steady_since_ns = now.mono_ns
        self._offset_ns = offset
        if now.mono_ns - self._steady_since_ns < _STEADY_NS:
            return None
        return now.utc_ns - int(self._bounds.age_s_max * 1e9)

    def _drop_evidence(self, connection: sqlite3.Connection) -> bool:
        if self._bytes is None:
            self._bytes = _evidence_bytes(connection)
        heavy, facts = self._bytes
        if heavy + facts <= self._evidence_max:
            return False
        # Facts are small and replay the guard without the window: they outlive it, up to their share.
        bare = facts > self._evidence_max // EVIDENCE_SHARE
        found = [] if bare else connection.execute(_OLDEST_WHOLE, (self._batch,)).fetchall()
        query = _STRIP if found else _DROP
        found = found or connection.execute(_OLDEST_EVIDENCE, (self._batch,)).fetchall()
        for number, its_heavy, its_facts in found:
            if heavy + facts <= self._evidence_max:
                break
            connection.execute(query, (number,))
            heavy -= its_heavy
            facts -= its_facts if query is _DROP else 0
        self._bytes = (heavy, facts)
        return bool(found)

    def _drop_aged(self, connection: sqlite3.Connection, old_ns: int | None) -> bool:
        if old_ns is None:
            return False
        found = connection.execute(_OLDEST_INCIDENTS, (self._batch,)).fetchall()
        old = [incident_id for incident_id, newest_ns in found if newest_ns < old_ns]
        self._remove(connection, old)
        return bool(old)

    def _drop_oldest(self, connection: sqlite3.Connection) -> bool:
        page, count, free = (_pragma(connection, name) for name in ("page_size", "page_count", "freelist_count"))
        if (count - free) * page + self._bounds.reserve_bytes <= self._bounds.bytes_max:
            return False
        found = [incident_id for incident_id, _ in connection.execute(_OLDEST_INCIDENTS, (self._batch,))]
        self._remove(connection, found)
        return bool(found)

    def _give_back(self, connection: sqlite3.Connection) -> bool:
        incremental = 2
        if _pragma(connection, "auto_vacuum") != incremental:
            return False
        page, free = _pragma(connection, "page_size"), _pragma(connection, "freelist_count")
        surplus = free - (self._bounds.reserve_bytes + _SLACK_BYTES) // page
        if surplus <= 0:
            return False
        connection.execute(f"PRAGMA incremental_vacuum({min(surplus, _VACUUM_PAGES)})").fetchall()
        return True

    def _remove(self, connection: sqlite3.Connection, incident_ids: list[str]) -> None:
        """Remove incidents with all that belongs to them."""
        for incident_id in incident_ids:
            found = connection.execute(_OF_INCIDENT, (incident_id,)).fetchall()
            for number, decision_id, _, heavy, facts in found:
                connection.execute("DELETE FROM steps WHERE decision_id = ?", (decision_id,))
                for table in ("evidence", "ratings", "entries", "decisions"):
                    connection.execute(f"DELETE FROM {table} WHERE number = ?", (number,))  # noqa: S608 - fixed names
                self.recorded(-heavy, -facts)
            for entity in {row[2] for row in found}:
                connection.execute(
                    "DELETE FROM entities WHERE entity = ?1 AND NOT EXISTS (SELECT 1 FROM entries WHERE entity = ?1)", (entity,)
                )
            connection.execute("DELETE FROM incidents WHERE incident_id = ?", (incident_id,))
        if incident_ids:
            connection.execute(_FORGET_ERAS)
            self.removed += len(incident_ids)


_WHOLE: Final = "(window IS NOT NULL OR scores IS NOT NULL)"
_ENDED: Final = "(SELECT terminal FROM decisions JOIN incidents USING (incident_id) WHERE decisions.number = evidence.number) = 1"
_SIZES: Final = "number, coalesce(length(window), 0) + coalesce(length(scores), 0), length(facts)"
_OLDEST_WHOLE: Final = f"SELECT {_SIZES} FROM evidence WHERE {_WHOLE} AND {_ENDED} ORDER BY number LIMIT ?"  # noqa: S608 - fixed text
_OLDEST_EVIDENCE: Final = f"SELECT {_SIZES} FROM evidence WHERE {_ENDED} ORDER BY number LIMIT ?"  # noqa: S608 - fixed text
_STRIP: Final = "UPDATE evidence SET window = NULL, scores = NULL WHERE number = ?"
_DROP: Final = "DELETE FROM evidence WHERE number = ?"

_OLDEST_INCIDENTS: Final = """
SELECT i.incident_id, coalesce(
    (SELECT max(e.utc_ns) FROM decisions AS d JOIN entries AS e USING (number) WHERE d.incident_id = i.incident_id), 0)
FROM incidents AS i
WHERE i.terminal = 1
    AND i.incident_id <> (SELECT max(incident_id) FROM incidents)
    AND i.incident_id NOT IN (SELECT incident_id FROM decisions WHERE number IN (
        (SELECT max(number) FROM entries), (SELECT number FROM entries ORDER BY changed DESC LIMIT 1),
        (SELECT number FROM decisions ORDER BY decision_id DESC LIMIT 1)))
ORDER BY i.incident_id LIMIT ?
"""
_OF_INCIDENT: Final = """
SELECT
    d.number, d.decision_id, e.entity,
    coalesce(length(v.window), 0) + coalesce(length(v.scores), 0), coalesce(length(v.facts), 0)
FROM decisions AS d JOIN entries AS e USING (number) LEFT JOIN evidence AS v USING (number) WHERE d.incident_id = ?
"""
_FORGET_ERAS: Final = """
DELETE FROM eras WHERE first < (SELECT max(first) FROM eras WHERE first <= (SELECT min(number) FROM entries))
"""


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _evidence_bytes(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return bytes of windows and scores, and of facts; reads no blob, only how long each is."""
    return connection.execute(
        "SELECT coalesce(sum(coalesce(length(window), 0) + coalesce(length(scores), 0)), 0), coalesce(sum(length(facts)), 0) "
        "FROM evidence"
    ).fetchone()
