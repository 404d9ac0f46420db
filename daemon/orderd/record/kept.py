"""What people ordered and the guard remembers, one row each, in the journal's own file. Writes through the journal's writer.

A value is a frozen dataclass of `orderd.domain.standing`, kept as JSON under its kind and a key. A row that cannot be read costs
that row and is reported; it never costs the others, and it stays in the file for a person to look at.
"""

import logging
import sqlite3
from typing import Final, TypeVar

import msgspec

from orderd.domain.standing import Standing
from orderd.errors import JournalError
from orderd.record.writer import Writer

log = logging.getLogger(__name__)

T = TypeVar("T")

VALUE_BYTES_MAX: Final = 64 << 10
"""Largest value; a ticket with a long history has about 4 KiB."""

KEPT_MAX: Final = 4096
"""Values of one kind; far more than one host has, and small enough to be read whole at start."""

_OLDEST_GIVES_WAY: Final = frozenset({Standing.REQUEST, Standing.NOTICE, Standing.TICKET, Standing.APPROVAL})
"""Kinds that are a history: a new value is worth more than the oldest. Of the others none may be lost to make room."""

_encoder: Final = msgspec.json.Encoder()


class KeptState:
    """Keeps values durably by kind and key; safe to share between threads."""

    def __init__(self, writer: Writer, kept_max: int = KEPT_MAX) -> None:
        """Take the journal's writer; use ``Journal.kept`` instead.

        Args:
            writer: of the journal.
            kept_max: values of one kind.
        """
        self._writer = writer
        self._kept_max = kept_max
        self.unreadable: tuple[str, ...] = ()
        """What the last ``load`` of each kind had to leave out, for people; at most 16."""

    def put(self, kind: Standing, key: str, value: object) -> None:
        """Keep a value; durable when the call returns. An older one of that key is replaced.

        Raises:
            JournalError: it was not kept: the file cannot be written, the value is too large, or there are too many of its kind.
        """
        body = _encoder.encode(value)
        if len(body) > VALUE_BYTES_MAX:
            msg = f"{self._writer.path}: {kind} {key!r} has {len(body)} bytes, at most {VALUE_BYTES_MAX} are kept: shorten it"
            raise JournalError(msg)
        self._writer.write(f"keep {kind} {key!r}", lambda connection: self._put(connection, kind, key, body))

    def drop(self, kind: Standing, key: str) -> bool:
        """Forget a value; durable when the call returns. Return whether there was one.

        Raises:
            JournalError: the file cannot be written.
        """
        forget = "DELETE FROM kept WHERE kind = ? AND key = ?"
        return self._writer.write(f"forget {kind} {key!r}", lambda c: c.execute(forget, (str(kind), key)).rowcount > 0)

    def load(self, kind: Standing, of: type[T]) -> dict[str, T]:
        """Return every value of a kind by key, in the order in which they were last put.

        Args:
            kind: which.
            of: what the values are.

        Raises:
            JournalError: the file cannot be read. A value that is damaged is left out, logged, and named in ``unreadable``.
        """
        with self._writer.reading() as connection:
            found = connection.execute("SELECT key, body FROM kept WHERE kind = ? ORDER BY number", (str(kind),)).fetchall()
        values: dict[str, T] = {}
        for key, body in found:
            try:
                values[key] = msgspec.json.decode(body, type=of)
            except (msgspec.MsgspecError, ValueError, TypeError) as error:
                self._report(f"{kind} {key!r} cannot be read and is left out: {error}")
        return values

    def _report(self, what: str) -> None:
        log.error("%s: %s", self._writer.path, what)
        if what not in self.unreadable:
            self.unreadable = (*self.unreadable, what)[-16:]

    def _put(self, connection: sqlite3.Connection, kind: Standing, key: str, body: bytes) -> None:
        connection.execute("DELETE FROM kept WHERE kind = ? AND key = ?", (str(kind), key))
        connection.execute("INSERT INTO kept (kind, key, body) VALUES (?, ?, ?)", (str(kind), key, body))
        count = connection.execute("SELECT count(*) FROM kept WHERE kind = ?", (str(kind),)).fetchone()[0]
        if count <= self._kept_max:
            return
        if kind not in _OLDEST_GIVES_WAY:
            msg = f"{self._writer.path}: {self._kept_max} of kind {kind} are kept already: end some of them first"
            raise JournalError(msg)
        connection.execute(
            "DELETE FROM kept WHERE number IN (SELECT number FROM kept WHERE kind = ? ORDER BY number LIMIT ?)",
            (str(kind), count - self._kept_max),
        )
