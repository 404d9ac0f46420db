"""What people order: holds and the pause. In memory, kept durably, bounded; durable before it counts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from orderd.decision.kept import Boot, Saver
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.standing import Pause, Standing
from orderd.domain.values import Hold

HOLDS_MAX: Final = 1000
"""More announcements than a host has services mean a broken client."""
_THE_PAUSE: Final = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptHold:
    """A hold as it is kept: with the boot its times belong to."""

    hold: Hold
    boot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPause:
    """A pause as it is kept: with the boot its times belong to."""

    pause: Pause
    boot_id: str


class Holds:
    """The announcements in force, one per entity; the newest replaces the one before."""

    def __init__(self, *, saver: Saver, boot: Boot, kept: Mapping[str, KeptHold]) -> None:
        """Take what was kept; none lasts longer than it was given."""
        self._saver = saver
        self._boot_id = boot.boot_id
        self._holds: dict[Entity, Hold] = {}
        for k in kept.values():
            end, at = boot.end(k.hold.until, k.hold.at, k.boot_id), boot.moment(k.hold.at, k.boot_id)
            self._holds[k.hold.entity] = replace(k.hold, at=at, until=end)

    def put(self, hold: Hold) -> None:
        """Announce.

        Raises:
            ValueError: there are too many holds.
            JournalError: it could not be made durable, so it does not count.
        """
        self._expire(hold.at)
        if hold.entity not in self._holds and len(self._holds) >= HOLDS_MAX:
            raise ValueError(f"more than {HOLDS_MAX} holds")
        self._saver.put(Standing.HOLD, str(hold.entity), KeptHold(hold=hold, boot_id=self._boot_id))
        self._holds[hold.entity] = hold

    def release(self, entity: Entity) -> bool:
        """End a hold early; tell whether there was one.

        Raises:
            JournalError: it could not be made durable, so the hold stands.
        """
        if entity not in self._holds:
            return False
        self._saver.drop(Standing.HOLD, str(entity))
        del self._holds[entity]
        return True

    def of(self, entity: Entity, now: Instant) -> Hold | None:
        """Return the hold in force on an entity."""
        self._expire(now)
        return self._holds.get(entity)

    def in_force(self, now: Instant) -> tuple[Hold, ...]:
        """Return all holds in force, by entity."""
        self._expire(now)
        return tuple(self._holds[entity] for entity in sorted(self._holds))

    def _expire(self, now: Instant) -> None:
        for entity in [e for e, hold in self._holds.items() if hold.until <= now.mono_ns]:
            del self._holds[entity]
            self._saver.put_late(Standing.HOLD, str(entity), None)


class HostPause:
    """The pause of the whole host, at most one; the newest replaces the one before."""

    def __init__(self, *, saver: Saver, boot: Boot, kept: Mapping[str, KeptPause]) -> None:
        """Take what was kept; one without an end stands until somebody resumes."""
        self._saver = saver
        self._boot_id = boot.boot_id
        self._pause: Pause | None = None
        for k in kept.values():
            end = boot.end(k.pause.until, k.pause.at, k.boot_id) if k.pause.until else 0
            self._pause = replace(k.pause, at=boot.moment(k.pause.at, k.boot_id), until=end)

    def put(self, pause: Pause) -> None:
        """Pause.

        Raises:
            JournalError: it could not be made durable, so it does not count.
        """
        self._saver.put(Standing.PAUSE, _THE_PAUSE, KeptPause(pause=pause, boot_id=self._boot_id))
        self._pause = pause

    def resume(self) -> bool:
        """End the pause; tell whether there was one.

        Raises:
            JournalError: it could not be made durable, so the pause stands.
        """
        if self._pause is None:
            return False
        self._saver.drop(Standing.PAUSE, _THE_PAUSE)
        self._pause = None
        return True

    def in_force(self, now: Instant) -> Pause | None:
        """Return the pause in force."""
        if self._pause is not None and self._pause.until and self._pause.until <= now.mono_ns:
            self._pause = None
            self._saver.put_late(Standing.PAUSE, _THE_PAUSE, None)
        return self._pause
