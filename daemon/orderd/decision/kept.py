"""How the guard's memory outlives orderd: the port it is kept through, and time that is carried over a restart. Pure but for it.

Within one boot the monotonic clock goes on, so ends are carried over exactly, and no jump of the wall clock matters. After a
reboot only UTC is left; a difference that cannot be true (negative, or longer than a host is away) counts as no time at all, so
that holds, denials and rates last too long rather than too short, and never longer than they were given.
"""

from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import msgspec

from orderd.domain.clock import Instant
from orderd.domain.standing import Standing
from orderd.errors import JournalError

T = TypeVar("T")

_THIS_BOOT: Final = "this"
AWAY_S_MAX: Final = 30 * 86_400.0
"""A host that seems to have been away for longer has a wrong clock, until somebody says otherwise."""


class Keep(Protocol):
    """Where things are kept durably; `orderd.record.KeptState` is the real one."""

    def put(self, kind: Standing, key: str, value: object) -> None:
        """Keep a value under a key, in place of what was there.

        Raises:
            JournalError: it could not be made durable.
        """
        ...

    def drop(self, kind: Standing, key: str) -> object:
        """Forget a key; one that is not there is no error.

        Raises:
            JournalError: it could not be made durable.
        """
        ...

    def load(self, kind: Standing, of: type[T]) -> dict[str, T]:
        """Return everything of a kind, by key."""
        ...


class KeptInMemory:
    """A Keep that forgets at the end, for tests and where nothing is to be kept. Values pass through JSON as in the real one."""

    def __init__(self) -> None:
        """Start empty."""
        self._rows: dict[tuple[Standing, str], bytes] = {}

    def put(self, kind: Standing, key: str, value: object) -> None:
        """Keep a value."""
        self._rows[kind, key] = msgspec.json.encode(value)

    def drop(self, kind: Standing, key: str) -> None:
        """Forget a key."""
        self._rows.pop((kind, key), None)

    def load(self, kind: Standing, of: type[T]) -> dict[str, T]:
        """Return everything of a kind."""
        return {key: msgspec.json.decode(row, type=of) for (of_kind, key), row in self._rows.items() if of_kind is kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """The boot orderd runs in.

    Attributes:
        boot_id: /proc/sys/kernel/random/boot_id; monotonic times of the same boot can be compared.
        first: when orderd was first started in it. What earlier boots left is placed in time once, then: orderd may be started
            again in this boot with a clock that was set meanwhile.
    """

    boot_id: str
    first: Instant

    def same(self, boot_id: str) -> bool:
        """Tell whether a kept time is of this boot."""
        return bool(boot_id) and boot_id == self.boot_id

    def moment(self, at: Instant, boot_id: str) -> Instant:
        """Return a kept moment on this boot's monotonic clock; UTC stays as it was recorded."""
        if self.same(boot_id):
            return at
        elapsed = self.first.utc_ns - at.utc_ns
        away = elapsed if 0 <= elapsed <= AWAY_S_MAX * 1e9 else 0
        return Instant(mono_ns=self.first.mono_ns - away, utc_ns=at.utc_ns)

    def end(self, until: int, at: Instant, boot_id: str) -> int:
        """Return the monotonic end of what was given at ``at`` until ``until``: never further away than it was then."""
        return self.moment(at, boot_id).mono_ns + max(0, until - at.mono_ns)


def this_boot(keep: Keep, saver: "Saver", boot_id: str, now: Instant) -> Boot:
    """Return the boot orderd runs in, and keep when it was first seen.

    Args:
        keep: to find it when orderd is started again.
        saver: to keep it.
        boot_id: of the running kernel, or of the container; empty when it is not known.
        now: the moment of the start.
    """
    known = keep.load(Standing.BOOT, Boot).get(_THIS_BOOT)
    if known is not None and known.same(boot_id):
        return known
    boot = Boot(boot_id=boot_id, first=now)
    saver.put_late(Standing.BOOT, _THIS_BOOT, boot)
    return boot


class Saver:
    """Writes through a Keep. What people order is durable first or not done; what has happened is kept for later if need be."""

    def __init__(self, keep: Keep) -> None:
        """Write to this one."""
        self._keep = keep
        self._late: dict[tuple[Standing, str], object] = {}

    def put(self, kind: Standing, key: str, value: object) -> None:
        """Keep a value, or raise.

        Raises:
            JournalError: it could not be made durable.
        """
        self._keep.put(kind, key, value)
        self._late.pop((kind, key), None)

    def drop(self, kind: Standing, key: str) -> None:
        """Forget a key, or raise.

        Raises:
            JournalError: it could not be made durable.
        """
        self._keep.drop(kind, key)
        self._late.pop((kind, key), None)

    def put_late(self, kind: Standing, key: str, value: object) -> None:
        """Keep what has happened already, now or by `catch_up`; None forgets the key."""
        self._late.pop((kind, key), None)
        self._late[kind, key] = value
        try:
            self.catch_up()
        except JournalError:
            return

    def catch_up(self) -> None:
        """Write what could not be written when it happened; one row per key, so there are never more than things kept.

        Raises:
            JournalError: it still cannot.
        """
        for (kind, key), value in list(self._late.items()):
            if value is None:
                self._keep.drop(kind, key)
            else:
                self._keep.put(kind, key, value)
            del self._late[kind, key]
