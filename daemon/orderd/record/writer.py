"""The one connection that writes the journal's file, its lock and its transactions. Writes one SQLite file and its log.

Write-ahead log with ``synchronous=FULL``: one fsync a commit. Whoever writes to the file goes through here, so that a transaction
is never half of one caller and half of another.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self, TypeVar

from orderd.errors import JournalError
from orderd.record import schema
from orderd.record.reserve import RESERVE_BYTES, Reserve
from orderd.record.trouble import journal_errors, primary_code

T = TypeVar("T")

_BUSY_S: Final = 1.0
"""Longest wait for another writer; longer would stop the tick."""


def connect_writer(path: str) -> sqlite3.Connection:
    """Open the file for writing, creating or migrating it.

    Raises:
        JournalError: it is of a newer orderd.
        OSError: it cannot be created.
        sqlite3.Error: it cannot be opened or migrated.
    """
    # Created here rather than by SQLite, so that the file is never readable by everybody, not even for a moment.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640))
    _sync_folder(path)
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        # Only a file without tables can still choose to give pages back; one of an older orderd uses its own again instead.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # Some builds overwrite whatever is freed with zeros, through the log: removing would then cost as much as writing.
        connection.execute("PRAGMA secure_delete = FAST")
        # Tables are rebuilt by migrations; only what orderd writes from then on is checked for what it refers to.
        schema.migrate(connection, path)
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _sync_folder(path: str) -> None:
    """Make the file's name durable: a power cut must not lose a file whose content was synced."""
    folder = os.open(Path(path).absolute().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Writer:
    """Writes the file; safe to share between threads, one transaction at a time."""

    def __init__(self, connection: sqlite3.Connection, path: str, reserve_bytes: int = RESERVE_BYTES) -> None:
        """Take over an open connection; use ``open`` instead."""
        self.connection = connection
        self.path = path
        self.reserve = Reserve(connection, reserve_bytes)
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: str, reserve_bytes: int = RESERVE_BYTES) -> Self:
        """Open the file for writing, creating or migrating it.

        Args:
            path: of the SQLite file; its folder has to exist.
            reserve_bytes: room to keep inside the file.

        Raises:
            JournalError: it cannot be opened, is damaged, or is of a newer orderd.
        """
        with journal_errors(path, "open it"):
            return cls(connect_writer(path), path, reserve_bytes)

    def write(self, doing: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in a transaction of its own; durable when the call returns.

        On a full file system the log cannot grow to where SQLite would begin it anew: what it holds is then carried into the
        file, whose free pages take it, and the work is done once more in a log that is empty.

        Args:
            doing: what is tried, for the message.
            work: done inside; a second time when there was no room the first time.

        Raises:
            JournalError: nothing of it was written.
        """
        try:
            with self.transaction(doing) as connection:
                return work(connection)
        except JournalError as error:
            if primary_code(error.__cause__) != sqlite3.SQLITE_FULL:
                raise
        with self._lock, journal_errors(self.path, doing):
            self.connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        with self.transaction(doing) as connection:
            return work(connection)

    @contextmanager
    def transaction(self, doing: str) -> Generator[sqlite3.Connection]:
        """Make everything inside durable together, or nothing of it.

        Args:
            doing: what is tried, for the message.

        Raises:
            JournalError: nothing of it was written.
        """
        with self._lock, journal_errors(self.path, doing):
            # What an earlier trouble left open would refuse every transaction from now on.
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
            self.reserve.wrote()

    def keep_room(self) -> None:
        """Look whether the reserve has shrunk, and fill it. Never raises."""
        with self._lock:
            self.reserve.refill()

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """Read with the writer's own eyes, between two transactions.

        Raises:
            JournalError: the file cannot be read.
        """
        with self._lock, journal_errors(self.path, "read it"):
            yield self.connection

    def close(self) -> None:
        """Close the file; what was written stays."""
        with self._lock:
            self.connection.close()
