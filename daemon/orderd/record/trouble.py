"""SQLite and OS errors -> JournalError with the path and what a person can do. Pure."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import msgspec

from orderd.errors import JournalError

_REMEDIES: Final = {
    sqlite3.SQLITE_FULL: "free space on its file system; orderd repairs nothing until it can record again",
    sqlite3.SQLITE_CANTOPEN: "create its folder and give it to the user orderd runs as",
    sqlite3.SQLITE_PERM: "give the file to the user orderd runs as",
    sqlite3.SQLITE_READONLY: "give the file and its folder to the user orderd runs as, and mount the file system read-write",
    sqlite3.SQLITE_BUSY: "another process writes it: stop the second orderd",
    sqlite3.SQLITE_LOCKED: "another process writes it: stop the second orderd",
    sqlite3.SQLITE_IOERR: "check the disk and the kernel log; orderd repairs nothing until it can record again",
    sqlite3.SQLITE_CORRUPT: "move it aside (with its -wal and -shm files) and restart orderd to begin a new one",
    sqlite3.SQLITE_NOTADB: "the path holds another file: correct journal.path, or move that file aside",
}
_OTHERWISE: Final = "check the file and its file system"
_PRIMARY: Final = 0xFF
"""Extended SQLite result codes carry the primary code in their lowest byte."""


def primary_code(error: BaseException | None) -> int:
    """Return SQLite's primary result code of an error, 0 when it has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY


@contextmanager
def journal_errors(path: str, doing: str) -> Generator[None]:
    """Turn what goes wrong inside into JournalError.

    Args:
        path: of the journal.
        doing: what was tried, for the message.

    Raises:
        JournalError: SQLite, the operating system or a damaged record stood in the way.
    """
    try:
        yield
    except sqlite3.Error as error:
        msg = f"{path}: cannot {doing}: {error}: {_REMEDIES.get(primary_code(error), _OTHERWISE)}"
        raise JournalError(msg) from error
    except OSError as error:
        msg = f"{path}: cannot {doing}: {error.strerror}: {_REMEDIES[sqlite3.SQLITE_CANTOPEN]}"
        raise JournalError(msg) from error
    except (msgspec.MsgspecError, ValueError) as error:
        msg = f"{path}: cannot {doing}: a record is damaged: {error}: {_REMEDIES[sqlite3.SQLITE_CORRUPT]}"
        raise JournalError(msg) from error
