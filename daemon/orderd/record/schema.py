"""The tables of the journal and how an older file becomes a newer one. Pure text, applied to a connection.

``PRAGMA user_version`` counts the migrations a file has had. A migration, once released, never changes: the next version is
appended. What is filtered or sorted by is a column; the whole decision is JSON beside it.
"""

import sqlite3
from typing import Final

from orderd.errors import JournalError

APPLICATION_ID: Final = 0x6F726465
"""``orde``: lets ``file`` and a careless administrator tell the journal from any other SQLite file."""

_V1: Final = f"""
PRAGMA application_id = {APPLICATION_ID};
CREATE TABLE incidents (
    incident_id TEXT PRIMARY KEY,
    state       TEXT NOT NULL,
    terminal    INTEGER NOT NULL CHECK (terminal IN (0, 1)),
    failure     TEXT NOT NULL,
    entity      TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX incidents_unfinished ON incidents (incident_id) WHERE terminal = 0;

CREATE TABLE decisions (
    decision_id TEXT NOT NULL UNIQUE,
    incident_id TEXT NOT NULL REFERENCES incidents,
    failure     TEXT NOT NULL,
    action      TEXT NOT NULL,
    body        BLOB NOT NULL
);
CREATE INDEX decisions_incident ON decisions (incident_id, decision_id);
CREATE INDEX decisions_failure ON decisions (failure, decision_id);
CREATE INDEX decisions_action ON decisions (action, decision_id);
CREATE INDEX decisions_failure_action ON decisions (failure, action, decision_id);

CREATE TABLE steps (
    decision_id TEXT NOT NULL REFERENCES decisions (decision_id),
    number      INTEGER NOT NULL,
    mono_ns     INTEGER NOT NULL,
    utc_ns      INTEGER NOT NULL,
    state       TEXT NOT NULL,
    what        TEXT NOT NULL,
    detail      TEXT NOT NULL,
    outcome     TEXT,
    seconds     REAL,
    PRIMARY KEY (decision_id, number)
) WITHOUT ROWID;

-- The database itself refuses a second terminal state, whoever writes.
CREATE TRIGGER incidents_end_once BEFORE UPDATE ON incidents WHEN OLD.terminal = 1
BEGIN SELECT RAISE(ABORT, 'incident already ended'); END;
CREATE TRIGGER steps_are_kept BEFORE UPDATE ON steps
BEGIN SELECT RAISE(ABORT, 'steps are never changed'); END;
"""

_V2: Final = """
CREATE TABLE evidence (
    decision_id TEXT NOT NULL UNIQUE REFERENCES decisions (decision_id),
    facts       BLOB NOT NULL,
    scores      BLOB,
    window      BLOB
);

CREATE TABLE kept (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind   TEXT NOT NULL,
    key    TEXT NOT NULL,
    body   BLOB NOT NULL,
    UNIQUE (kind, key)
);
CREATE INDEX kept_oldest ON kept (kind, number);
"""

MIGRATIONS: Final = (_V1, _V2)
"""Script n takes a file from version n to n + 1."""


def version(connection: sqlite3.Connection) -> int:
    """Return the schema version of a file, 0 when it is new."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_version(connection: sqlite3.Connection, path: str) -> int:
    """Return the schema version of a file.

    Raises:
        JournalError: the file was written by a newer orderd.
    """
    found = version(connection)
    if found > len(MIGRATIONS):
        msg = (
            f"{path}: journal version {found} was written by a newer orderd, this one knows up to {len(MIGRATIONS)}: "
            "install that orderd again, or move the file aside to start a new journal"
        )
        raise JournalError(msg)
    return found


def check_not_empty(connection: sqlite3.Connection, path: str) -> None:
    """Refuse a file that no journal was ever written to.

    Raises:
        JournalError: it holds none, or was written by a newer orderd.
    """
    if check_version(connection, path) == 0:
        msg = f"{path}: holds no journal yet: start orderd once, or correct the path"
        raise JournalError(msg)


def migrate(connection: sqlite3.Connection, path: str, migrations: tuple[str, ...] = MIGRATIONS) -> None:
    """Bring a file to the newest version, each step in a transaction of its own.

    Args:
        connection: open for writing, in autocommit mode.
        path: of the file, for errors.
        migrations: all of them, oldest first.

    Raises:
        JournalError: the file was written by a newer orderd.
        sqlite3.Error: a step failed; the file is as it was before that step.
    """
    for number in range(check_version(connection, path), len(migrations)):
        script = f"BEGIN IMMEDIATE;\n{migrations[number]}\nPRAGMA user_version = {number + 1};\nCOMMIT;"
        try:
            connection.executescript(script)
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
