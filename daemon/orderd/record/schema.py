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

# What lists are filtered by is a narrow row beside each decision, so that a change of state never rewrites a body. The four words
# with few values are one number: however they are combined, a page is a merge of a few index ranges.
_V2: Final = """
CREATE TABLE kinds (
    kind    INTEGER PRIMARY KEY,
    failure TEXT NOT NULL,
    action  TEXT NOT NULL,
    reason  TEXT NOT NULL,
    state   TEXT NOT NULL,
    UNIQUE (failure, action, reason, state)
);
CREATE TABLE entities (
    entity INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE
);
-- The first decision of each stretch in which the wall clock never went back: within one, time can be searched by halves.
CREATE TABLE eras (
    first INTEGER PRIMARY KEY
);

CREATE TABLE decisions_new (
    number      INTEGER PRIMARY KEY,
    decision_id TEXT NOT NULL UNIQUE,
    incident_id TEXT NOT NULL REFERENCES incidents,
    body        BLOB NOT NULL
);
INSERT INTO decisions_new (decision_id, incident_id, body)
SELECT decision_id, incident_id, body FROM decisions ORDER BY decision_id;

CREATE TEMP TABLE was AS
SELECT
    d.number AS number, d.failure AS failure, d.action AS action, d.state AS state, d.utc_ns AS utc_ns,
    coalesce(json_extract(d.body, '$.reason'), '') AS reason,
    coalesce(json_extract(d.body, '$.diagnosis.entity.kind') || ':' || json_extract(d.body, '$.diagnosis.entity.key'), d.entity)
        AS entity
FROM (
    SELECT
        n.number AS number, old.failure AS failure, old.action AS action, i.state AS state, i.entity AS entity,
        CASE WHEN json_valid(CAST(n.body AS TEXT)) THEN CAST(n.body AS TEXT) ELSE '{}' END AS body,
        coalesce((SELECT s.utc_ns FROM steps AS s WHERE s.decision_id = n.decision_id ORDER BY s.number LIMIT 1), 0) AS utc_ns
    FROM decisions_new AS n JOIN decisions AS old USING (decision_id) JOIN incidents AS i ON i.incident_id = n.incident_id
) AS d;

DROP TABLE decisions;
ALTER TABLE decisions_new RENAME TO decisions;
CREATE INDEX decisions_incident ON decisions (incident_id);
-- The end of an id, backwards: people copy whichever end is easier to reach.
CREATE INDEX decisions_tail ON decisions (
    (substr(decision_id, -1, 1) || substr(decision_id, -2, 1) || substr(decision_id, -3, 1) || substr(decision_id, -4, 1))
);

CREATE TABLE entries (
    number  INTEGER PRIMARY KEY REFERENCES decisions,
    kind    INTEGER NOT NULL REFERENCES kinds,
    entity  INTEGER NOT NULL REFERENCES entities,
    utc_ns  INTEGER NOT NULL,
    changed INTEGER NOT NULL
);
INSERT INTO kinds (failure, action, reason, state) SELECT DISTINCT failure, action, reason, state FROM was;
INSERT INTO entities (name) SELECT DISTINCT entity FROM was;
INSERT INTO entries (number, kind, entity, utc_ns, changed)
SELECT w.number, k.kind, e.entity, w.utc_ns, w.number
FROM was AS w JOIN entities AS e ON e.name = w.entity
JOIN kinds AS k ON k.failure = w.failure AND k.action = w.action AND k.reason = w.reason AND k.state = w.state
ORDER BY w.number;
INSERT INTO eras (first)
SELECT number FROM (SELECT number, utc_ns, lag(utc_ns) OVER (ORDER BY number) AS before FROM entries)
WHERE before IS NULL OR before > utc_ns;
DROP TABLE was;
CREATE INDEX entries_kind ON entries (kind);
CREATE INDEX entries_entity ON entries (entity, kind);
CREATE UNIQUE INDEX entries_changed ON entries (changed);
CREATE TRIGGER decisions_are_kept BEFORE UPDATE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions are never changed'); END;

CREATE TABLE ratings (
    number  INTEGER NOT NULL REFERENCES decisions,
    place   INTEGER NOT NULL,
    mono_ns INTEGER NOT NULL,
    utc_ns  INTEGER NOT NULL,
    good    INTEGER NOT NULL CHECK (good IN (0, 1)),
    note    TEXT NOT NULL,
    rated_by TEXT NOT NULL,
    PRIMARY KEY (number, place)
) WITHOUT ROWID;

CREATE TABLE evidence (
    number INTEGER PRIMARY KEY REFERENCES decisions,
    facts  BLOB NOT NULL,
    scores BLOB,
    window BLOB
);
CREATE INDEX evidence_whole ON evidence (number) WHERE window IS NOT NULL OR scores IS NOT NULL;

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
