"""Join tokens and members: which secrets are still good, and who was let in. Touches DATA/authority/members.sqlite.

A secret is kept as its hash, is good once and for a quarter of an hour. SQLite's transactions decide between two that come at
once, in one process or in several.
"""

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orderd.domain.peers import PeerName, Role
from ordertrainer.serve.errors import ServeError

LIFETIME_S: Final = 900.0
_BUSY_S: Final = 10.0
_KEPT_S: Final = 30 * 86_400.0
_SECRET_BYTES: Final = 32

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS tokens (
    hash TEXT PRIMARY KEY, role INTEGER NOT NULL, who TEXT NOT NULL, addresses TEXT NOT NULL, ends REAL NOT NULL, used REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS members (
    name TEXT PRIMARY KEY, addresses TEXT NOT NULL, since REAL NOT NULL, ends REAL NOT NULL
) WITHOUT ROWID;
"""


class JoinRefusedError(ServeError):
    """A token is unknown, used, too old, or of somebody else; the message says which, as far as a stranger may know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token is good for.

    Attributes:
        role: of whoever brings it.
        who: name of a person, or host id; empty for a host that may bring its own.
        addresses: DNS names and IP addresses a host may answer at.
    """

    role: Role
    who: str
    addresses: tuple[str, ...] = ()


class Members:
    """Tokens and members of one fleet; every method opens the file for itself, so threads and processes may share it."""

    def __init__(self, data: Path, *, utc: Callable[[], float] = time.time) -> None:
        """Prepare.

        Args:
            data: directory of the trainer's data.
            utc: seconds since 1970.

        Raises:
            ServeError: the file cannot be used.
        """
        self._path = data / "authority" / "members.sqlite"
        self._utc = utc
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._open() as database:
            database.executescript(_SCHEMA)
        self._path.chmod(0o600)

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)) as database:
                database.execute("PRAGMA synchronous=FULL")
                yield database
        except sqlite3.Error as error:
            raise ServeError(f"{self._path} cannot be used: {error}") from error

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    def make(self, grant: Grant, lifetime_s: float = LIFETIME_S) -> str:
        """Return a new secret that is good once.

        Args:
            grant: for what.
            lifetime_s: seconds it is good for.
        """
        secret, now = secrets.token_urlsafe(_SECRET_BYTES), self._utc()
        row = (_hash(secret), int(grant.role), grant.who, "\n".join(grant.addresses), now + lifetime_s)
        with self._writing() as database:
            database.execute("DELETE FROM tokens WHERE ends < ?", (now - _KEPT_S,))
            database.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, NULL)", row)
        return secret

    def redeem(self, secret: str, fleet: str, host_id: str, lifetime_s: float) -> tuple[PeerName, tuple[str, ...]]:
        """Use a token up and let whoever brought it in.

        Args:
            secret: as the token carried it.
            fleet: of the name that is given.
            host_id: what a host says it is; empty for a person.
            lifetime_s: seconds for which the first certificate will hold.

        Returns:
            Its name, and the addresses it may answer at.

        Raises:
            JoinRefusedError: it is not good, or not for this host; a token that is not for this host stays good.
        """
        now = self._utc()
        with self._writing() as database:
            grant = _good(database, secret, now)
            name = _name(grant, fleet, host_id)
            self._only_host(database, name, grant, now)
            database.execute("UPDATE tokens SET used = ? WHERE hash = ?", (now, _hash(secret)))
            _let_in(database, name, grant.addresses, now, now + lifetime_s)
        return name, grant.addresses

    def renew(self, name: PeerName, lifetime_s: float) -> tuple[str, ...]:
        """Note that a member gets another certificate, and return the addresses it may answer at.

        Raises:
            JoinRefusedError: it is no member any more.
        """
        now = self._utc()
        with self._writing() as database:
            row = database.execute("SELECT addresses FROM members WHERE name = ?", (str(name),)).fetchone()
            if row is None:
                raise JoinRefusedError(f"{name} is no member of this fleet: enrol it again")
            database.execute("UPDATE members SET ends = ? WHERE name = ?", (now + lifetime_s, str(name)))
        return _split(row[0])

    def hosts(self) -> frozenset[str]:
        """Return the ids of the hosts whose certificates hold."""
        with self._open() as database:
            rows = database.execute("SELECT name FROM members WHERE ends > ?", (self._utc(),)).fetchall()
        names = (PeerName.parse(name) for (name,) in rows)
        return frozenset(name.who for name in names if name.role is Role.HOST)

    @staticmethod
    def _only_host(database: sqlite3.Connection, name: PeerName, grant: Grant, now: float) -> None:
        """Refuse a host that says it is a member already; only a token for that very host may say so."""
        if name.role is not Role.HOST or grant.who:
            return
        if database.execute("SELECT 1 FROM members WHERE name = ? AND ends > ?", (str(name), now)).fetchone():
            raise JoinRefusedError(
                f"{name} is a member already, and this token is for a new host: if it is the same machine, make the token with "
                f"--name {name.who}; if it is a clone, give it a machine-id of its own (systemd-machine-id-setup)"
            )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _split(addresses: str) -> tuple[str, ...]:
    return tuple(filter(None, addresses.split("\n")))


def _good(database: sqlite3.Connection, secret: str, now: float) -> Grant:
    asked = "SELECT role, who, addresses, ends, used FROM tokens WHERE hash = ?"
    row = database.execute(asked, (_hash(secret),)).fetchone()
    if row is None:
        raise JoinRefusedError("this token is unknown here: it was changed on the way, or made by another trainer")
    role, who, addresses, ends, used = row
    if used is not None:
        raise JoinRefusedError(
            "this token was used before: make another with `ordertrainer token`; if you did not use it, find out who did"
        )
    if now > ends:
        raise JoinRefusedError(f"this token ended {now - ends:.0f} s ago: make another with `ordertrainer token`")
    return Grant(role=Role(role), who=who, addresses=_split(addresses))


def _name(grant: Grant, fleet: str, host_id: str) -> PeerName:
    if grant.role is Role.HOST:
        if not host_id:
            raise JoinRefusedError("this token is for a host, and whoever brought it is none: leave --me out")
        if grant.who not in {"", host_id}:
            raise JoinRefusedError(f"this token is for the host {grant.who}, not for {host_id[:64]}")
    elif host_id:
        raise JoinRefusedError(f"this token is for the {grant.role.name.lower()} {grant.who}, not for a host: add --me")
    who = host_id or grant.who
    try:
        return PeerName.parse(f"spiffe://{fleet}/{grant.role.name.lower()}/{who}")
    except ValueError as error:
        raise JoinRefusedError(str(error)) from error


def _let_in(database: sqlite3.Connection, name: PeerName, addresses: Sequence[str], now: float, ends: float) -> None:
    database.execute(
        "INSERT INTO members VALUES (?, ?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET addresses = excluded.addresses, ends = excluded.ends",
        (str(name), "\n".join(addresses), now, ends),
    )
