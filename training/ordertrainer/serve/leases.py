"""Who may repair: leases for at most a share of the fleet and of each topology group. Touches DATA/budget.sqlite; for one thread.

A lease is durable before it is granted, so that a trainer that is killed still counts it. Within a run leases end by the
monotonic clock; across a restart by UTC, and never later than they were given, whatever the clock did meanwhile.
"""

import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orderd.domain.clock import Clock, SystemClock
from ordertrainer.serve.errors import ServeError

KNOWN_S: Final = 86_400.0
HOSTS_MAX: Final = 100_000
"""Hosts beyond it are not counted, which makes the share smaller, never larger."""
AGAIN_S_MIN: Final = 1.0
AGAIN_S_MAX: Final = 15.0
LEASE_S_MIN: Final = 5.0
LEASE_S_MAX: Final = 3600.0
_SEEN_EVERY_S: Final = 3600.0
_SCHEMA: Final = 1
_DDL: Final = """
CREATE TABLE lease(host_id TEXT PRIMARY KEY, team TEXT NOT NULL, lease_id TEXT NOT NULL, until_ns INTEGER NOT NULL,
                   length_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE host(host_id TEXT PRIMARY KEY, team TEXT NOT NULL, seen_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How much of the fleet may be under repair at once.

    Attributes:
        repair_share: of the known hosts, 0 to 1; at least one host may always be.
        group_share: of the known hosts of one topology group, 0 to 1; at least one.
        lease_s: how long a lease lasts unless it is renewed, seconds.
    """

    repair_share: float = 0.1
    group_share: float = 0.25
    lease_s: float = 120.0

    def check(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            ServeError: names the option, its value and what is allowed.
        """
        for option, value, low, high in (
            ("--repair-share", self.repair_share, 0.0, 1.0),
            ("--group-share", self.group_share, 0.0, 1.0),
            ("--lease-s", self.lease_s, LEASE_S_MIN, LEASE_S_MAX),
        ):
            if not low <= value <= high:
                raise ServeError(f"{option} {value}: allowed are {low:g} to {high:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a host is told.

    Attributes:
        lease_id: of the lease; empty when it was refused.
        duration_s: seconds the lease lasts, or after which to ask again.
        detail: for people.
    """

    lease_id: str
    duration_s: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lease:
    team: str
    lease_id: str
    until: int


@dataclass(slots=True, kw_only=True)
class _Host:
    seen: int
    team: str = ""
    kept: int = -(10**18)


class Leases:
    """All leases of the fleet."""

    def __init__(
        self,
        path: Path,
        terms: Terms,
        *,
        clock: Clock | None = None,
        enrolled: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        """Open the file, making it when absent, and take over the leases that still run.

        Args:
            path: of the SQLite file.
            terms: the shares and the length.
            clock: both clocks.
            enrolled: returns the host ids that were enrolled; they are known without having sent anything.

        Raises:
            ServeError: the file cannot be used, or the terms make no sense.
        """
        terms.check()
        self._terms = terms
        self._clock = clock or SystemClock()
        self._enrolled = enrolled
        self._leases: dict[str, _Lease] = {}
        self._hosts: dict[str, _Host] = {}
        self._members: Collection[str] = frozenset()
        self._count_until = 0
        self._known = 0
        self._teams: Counter[str] = Counter()
        try:
            self._file = _open(path)
            self._restore()
        except sqlite3.Error as error:
            raise ServeError(
                f"{path}: {error}; it holds the leases of hosts under repair: move it away, wait {terms.lease_s:g} s, start again"
            ) from error

    def saw(self, hosts: Iterable[str]) -> None:
        """Note that hosts have sent telemetry just now."""
        now = self._clock.now().mono_ns
        for host_id in hosts:
            if host := self._hosts.get(host_id):
                host.seen = now
            elif len(self._hosts) < HOSTS_MAX:
                self._hosts[host_id] = _Host(seen=now)
                self._count_until = 0

    def acquire(self, host_id: str, team: str) -> Answer:
        """Grant a host its lease, renew it, or say why not.

        Args:
            host_id: who asks.
            team: its topology group, empty for none.

        Raises:
            OSError: the lease cannot be made durable; none was granted.
        """
        now = self._clock.now()
        self._expire(now.mono_ns)
        self._join(host_id, team)
        self._count(now.mono_ns)
        held = self._leases.get(host_id)
        if held is None and (why := self._fleet_is_full() or self._team_is_full(team)):
            return Answer(lease_id="", duration_s=self._again_s(now.mono_ns), detail=why)
        lease_id, length = secrets.token_hex(16), int(self._terms.lease_s * 1e9)
        row = (host_id, team, lease_id, now.utc_ns + length, length)
        self._write("INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?, ?)", row)
        self._leases[host_id] = _Lease(team=team, lease_id=lease_id, until=now.mono_ns + length)
        return Answer(lease_id=lease_id, duration_s=self._terms.lease_s, detail=self.describe())

    def release(self, host_id: str, lease_id: str) -> bool:
        """End a lease early; any other id than the newest of that host is of no effect.

        Returns:
            whether there was one.

        Raises:
            OSError: it could not be written; the lease is over, but counts again after a restart until its end.
        """
        held = self._leases.get(host_id)
        if held is None or held.lease_id != lease_id:
            return False
        del self._leases[host_id]
        self._write("DELETE FROM lease WHERE host_id = ?", (host_id,))
        return True

    def describe(self) -> str:
        """Return one sentence: how many hosts hold leases, of how many."""
        now = self._clock.now().mono_ns
        self._expire(now)
        self._count(now)
        return f"{len(self._leases)} of {self._known} hosts under repair, {self._limit()} may be"

    def keep(self) -> None:
        """Write down which hosts are known, forget those that are not any more, look who was enrolled; now and then is enough.

        Raises:
            OSError: it could not be written.
        """
        now = self._clock.now()
        self._expire(now.mono_ns)
        self._hosts = {i: h for i, h in self._hosts.items() if now.mono_ns - h.seen < int(KNOWN_S * 1e9)}
        stale = [(i, h) for i, h in self._hosts.items() if h.seen - h.kept > int(_SEEN_EVERY_S * 1e9)]
        rows = [(i, h.team, now.utc_ns - (now.mono_ns - h.seen)) for i, h in stale]
        try:
            self._members = frozenset(self._enrolled())
            over = [row for row in self._file.execute("SELECT host_id FROM lease") if row[0] not in self._leases]
            with self._file:
                self._file.executemany("DELETE FROM lease WHERE host_id = ?", over)
                self._file.executemany("INSERT OR REPLACE INTO host VALUES (?, ?, ?)", rows)
                self._file.execute("DELETE FROM host WHERE seen_ns < ?", (now.utc_ns - int(KNOWN_S * 1e9),))
        except (sqlite3.Error, ServeError) as error:
            raise OSError(f"budget.sqlite: {error}") from error
        self._count_until = 0
        for _, host in stale:
            host.kept = host.seen

    def close(self) -> None:
        """Write down what is known and let the file go."""
        try:
            self.keep()
        finally:
            self._file.close()

    def _restore(self) -> None:
        now = self._clock.now()
        self._members = frozenset(self._enrolled())
        for host_id, team, lease_id, until_ns, length_ns in self._file.execute("SELECT * FROM lease"):
            left = min(until_ns - now.utc_ns, length_ns, int(LEASE_S_MAX * 1e9))
            if left > 0:
                self._leases[host_id] = _Lease(team=team, lease_id=lease_id, until=now.mono_ns + left)
        for host_id, team, seen_ns in self._file.execute("SELECT * FROM host LIMIT ?", (HOSTS_MAX,)):
            seen = now.mono_ns - max(0, now.utc_ns - seen_ns)
            self._hosts[host_id] = _Host(seen=seen, team=team, kept=seen)

    def _expire(self, now: int) -> None:
        for host_id in [host_id for host_id, lease in self._leases.items() if lease.until <= now]:
            del self._leases[host_id]  # its row goes when `keep` is next called

    def _join(self, host_id: str, team: str) -> None:
        """Remember a known host's group; strangers change nobody's share."""
        host = self._hosts.get(host_id)
        if host is None and team and host_id in self._members and len(self._hosts) < HOSTS_MAX:
            host = self._hosts[host_id] = _Host(seen=self._clock.now().mono_ns)
        if host is not None and host.team != team:
            host.team, host.kept = team, -(10**18)
            self._count_until = 0

    def _count(self, now: int) -> None:
        if now < self._count_until:
            return
        recent = [(i, h) for i, h in self._hosts.items() if now - h.seen < int(KNOWN_S * 1e9)]
        self._known = len({i for i, _ in recent}.union(self._members))
        self._teams = Counter(h.team for _, h in recent if h.team)
        self._count_until = now + 10**9

    def _limit(self) -> int:
        return _share(self._terms.repair_share, self._known)

    def _fleet_is_full(self) -> str:
        return "" if len(self._leases) < self._limit() else self.describe()

    def _team_is_full(self, team: str) -> str:
        if not team:
            return ""
        under_repair = sum(1 for lease in self._leases.values() if lease.team == team)
        limit = _share(self._terms.group_share, self._teams[team])
        if under_repair < limit:
            return ""
        return f"{under_repair} of {self._teams[team]} hosts of {team} under repair, {limit} may be"

    def _again_s(self, now: int) -> float:
        soonest = min((lease.until for lease in self._leases.values()), default=now)
        return min(max((soonest - now) / 1e9, AGAIN_S_MIN), AGAIN_S_MAX)

    def _write(self, statement: str, values: tuple[str | int, ...]) -> None:
        try:
            with self._file:
                self._file.execute(statement, values)
        except sqlite3.Error as error:
            raise OSError(f"budget.sqlite: {error}") from error


def _share(ratio: float, hosts: int) -> int:
    """Return how many hosts a share is: rounded down, at least one."""
    return max(1, int(ratio * hosts + 1e-9))


def _open(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, check_same_thread=False)
    try:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = FULL")
        with closing(file.execute("PRAGMA user_version")) as rows:
            (version,) = rows.fetchone()
        if version > _SCHEMA:
            raise sqlite3.DatabaseError(f"it was written by a newer ordertrainer (version {version}, this one reads {_SCHEMA})")
        if version < _SCHEMA:
            with file:
                file.executescript(f"BEGIN; {_DDL} PRAGMA user_version = {_SCHEMA}; COMMIT;")
    except sqlite3.Error:
        file.close()
        raise
    return file
