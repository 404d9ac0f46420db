"""Holds: what people announced they are changing on purpose. Keeps them in memory, bounded."""

from typing import Final

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.values import Hold

HOLDS_MAX: Final = 1000
"""More announcements than a host has services mean a broken client."""


class Holds:
    """The announcements in force, one per entity; the newest replaces the one before."""

    def __init__(self) -> None:
        """Start without any."""
        self._holds: dict[Entity, Hold] = {}

    def put(self, hold: Hold) -> None:
        """Announce.

        Raises:
            ValueError: there are too many holds.
        """
        if hold.entity not in self._holds and len(self._holds) >= HOLDS_MAX:
            msg = f"more than {HOLDS_MAX} holds"
            raise ValueError(msg)
        self._holds[hold.entity] = hold

    def release(self, entity: Entity) -> bool:
        """End a hold early; tell whether there was one."""
        return self._holds.pop(entity, None) is not None

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
