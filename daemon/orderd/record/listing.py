"""Which decisions a page shows: filters -> numbers of decisions, newest first. Pure: takes a connection, only reads.

Every combination of filters is answered from index ranges. Failure, action, reason and state together are one number, the kind,
of which a host has some hundreds; the ranges of all kinds that fit are merged. Time is searched by halves within each era, a
stretch in which the wall clock never went back.
"""

import heapq
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec

_END: Final = 1 << 62
"""More decisions than a file can hold."""

_CHUNK: Final = 32
"""Numbers read at once from one range; a page that needs more comes back for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list is narrowed to; empty or zero means all.

    Attributes:
        failure: only of this failure class.
        action: only of this action.
        entity: only of this entity, as ``kind:key``.
        state: only of incidents in this state now.
        reason: only of this reason code.
        since_utc_ns: only decided at or after this moment.
        until_utc_ns: only decided before this moment.
    """

    failure: str = ""
    action: str = ""
    entity: str = ""
    state: str = ""
    reason: str = ""
    since_utc_ns: int = 0
    until_utc_ns: int = 0


def listed(connection: sqlite3.Connection, filters: Filters, before_id: str, limit: int) -> list[int]:
    """Return numbers of decisions, newest first.

    Args:
        connection: inside one read transaction.
        filters: what to narrow to.
        before_id: only older ones than this decision, which may have been removed meanwhile; empty for the newest.
        limit: at most this many.
    """
    end = _number_of(connection, before_id) if before_id else _END
    source = _source(connection, filters)
    found: list[int] = []
    for first, last in _ranges(connection, filters, end):
        found += islice(source.newest_first(first, last), limit - len(found))
        if len(found) >= limit:
            break
    return found


def _number_of(connection: sqlite3.Connection, decision_id: str) -> int:
    """Return the number of a decision, or where it would stand."""
    found = connection.execute("SELECT number FROM decisions WHERE decision_id = ?", (decision_id,)).fetchone()
    if found is None:
        found = connection.execute(
            "SELECT number + 1 FROM decisions WHERE decision_id < ? ORDER BY decision_id DESC LIMIT 1", (decision_id,)
        ).fetchone()
    return 0 if found is None else found[0]


class _All:
    """Every decision."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def newest_first(self, first: int, end: int) -> Iterator[int]:
        """Yield numbers from below ``end`` down to ``first``."""
        query = "SELECT number FROM entries WHERE number >= ? AND number < ? ORDER BY number DESC"
        return (row[0] for row in self._connection.execute(query, (first, end)))


class _Kinds:
    """Decisions of some kinds, of one entity or of all."""

    _TOPS: Final = (
        "SELECT value, (SELECT max(number) FROM entries WHERE kind = value AND number >= ?2 AND number < ?3) FROM json_each(?1)"
    )
    _NEXT: Final = "SELECT number FROM entries WHERE kind = ?1 AND number >= ?2 AND number < ?3 ORDER BY number DESC LIMIT ?4"
    _TOPS_OF_ENTITY: Final = _TOPS.replace("WHERE", "WHERE entity = ?4 AND")
    _NEXT_OF_ENTITY: Final = _NEXT.replace("WHERE", "WHERE entity = ?5 AND")

    def __init__(self, connection: sqlite3.Connection, kinds: list[int], entity: int | None) -> None:
        self._connection = connection
        self._kinds = msgspec.json.encode(kinds).decode()
        self._entity = () if entity is None else (entity,)
        self._tops = self._TOPS if entity is None else self._TOPS_OF_ENTITY
        self._next = self._NEXT if entity is None else self._NEXT_OF_ENTITY

    def newest_first(self, first: int, end: int) -> Iterator[int]:
        """Yield numbers from below ``end`` down to ``first``."""
        # The newest of each kind in one statement: most kinds never come to their turn, and cost no more than that.
        tops = self._connection.execute(self._tops, (self._kinds, first, end, *self._entity))
        heap = [(-top, kind) for kind, top in tops if top is not None]
        heapq.heapify(heap)
        waiting: dict[int, list[int]] = {}
        while heap:
            number, kind = -heap[0][0], heap[0][1]
            yield number
            line = waiting.get(kind)
            if not line:
                rows = self._connection.execute(self._next, (kind, first, number, _CHUNK, *self._entity))
                line = waiting[kind] = [row[0] for row in rows][::-1]
            if line:
                heapq.heapreplace(heap, (-line.pop(), kind))
            else:
                heapq.heappop(heap)


def _source(connection: sqlite3.Connection, filters: Filters) -> _All | _Kinds:
    words = {"failure": filters.failure, "action": filters.action, "reason": filters.reason, "state": filters.state}
    if not filters.entity and not any(words.values()):
        return _All(connection)
    query = (
        "SELECT kind FROM kinds WHERE (@failure = '' OR failure = @failure) AND (@action = '' OR action = @action) "
        "AND (@reason = '' OR reason = @reason) AND (@state = '' OR state = @state)"
    )
    kinds = [row[0] for row in connection.execute(query, words)]
    if not filters.entity:
        return _Kinds(connection, kinds, None)
    entity = connection.execute("SELECT entity FROM entities WHERE name = ?", (filters.entity,)).fetchone()
    return _Kinds(connection, [] if entity is None else kinds, 0 if entity is None else entity[0])


def _ranges(connection: sqlite3.Connection, filters: Filters, end: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of numbers, first inclusive, end exclusive, newest first, that hold what was decided in the time asked for."""
    if not filters.since_utc_ns and not filters.until_utc_ns:
        yield 0, end
        return
    for (first,) in connection.execute("SELECT first FROM eras WHERE first < ? ORDER BY first DESC", (end,)).fetchall():
        low = _first_at(connection, filters.since_utc_ns, first, end) if filters.since_utc_ns else first
        high = _first_at(connection, filters.until_utc_ns, first, end) if filters.until_utc_ns else end
        if low < high:
            yield low, high
        end = first


def _first_at(connection: sqlite3.Connection, utc_ns: int, low: int, high: int) -> int:
    """Return the first number of an era decided at or after a moment; its end when there is none.

    Args:
        connection: to read from.
        utc_ns: the moment.
        low: first number of the era.
        high: end of the era; the newest era's is far beyond its last decision.
    """
    high = min(high, connection.execute("SELECT coalesce(max(number), 0) + 1 FROM entries").fetchone()[0])
    while low < high:
        middle = (low + high) // 2
        # Numbers have gaps where old incidents were removed.
        found = connection.execute(
            "SELECT number, utc_ns FROM entries WHERE number >= ? AND number < ? ORDER BY number LIMIT 1", (middle, high)
        ).fetchone()
        if found is None or found[1] >= utc_ns:
            high = middle
        else:
            low = found[0] + 1
    return low
