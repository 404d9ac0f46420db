"""What people were seen changing: kept as holds that nobody announced, so that a restart of orderd does not forget it.

    a person's change is seen -> a hold with ``seen``, for the same time -> its time is over | released | the unit runs again

While the change is seen its hold follows it. After a restart only the hold is left, and what the unit does. Writes through the
guard's memory.
"""

import contextlib
from typing import Final

from orderd.decision import GuardMemory
from orderd.domain.changes import Change, ChangeKind
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.values import EntityRow, Hold, Sample
from orderd.loop.parts import ChangesPart

RUNS_AGAIN_S: Final = 5.0
"""A unit that was up for so long, and is not masked, was put back: whoever took it down is done with it."""


class Hands:
    """Knows what people have their hands on."""

    def __init__(self, changes: ChangesPart, memory: GuardMemory) -> None:
        """Take who sees changes, and where they are kept."""
        self._changes = changes
        self._memory = memory
        self._released: dict[Entity, int] = {}
        self._up_since: dict[Entity, Instant] = {}

    def current(self) -> tuple[Change, ...]:
        """Return the planned changes seen now, but for those that a person has declared over."""
        return tuple(change for change in self._changes.current() if not self._is_released(change))

    def keep(self, sample: Sample) -> None:
        """Keep what people are seen doing, and end what is over; call it at every tick, before anything is decided.

        Raises:
            JournalError: it could not be made durable.
        """
        changes = self._changes.current()
        seen = {entity for change in changes if (entity := _of_a_person(change)) is not None}
        self._released = {entity: at for entity, at in self._released.items() if entity in seen}
        mine = {entity: c for c in changes if (entity := _of_a_person(c)) is not None and not self._is_released(c)}
        for entity, change in mine.items():
            self._hold(entity, change, sample.at)
        self._end_what_runs_again(mine, sample)

    def release(self, entity: Entity, now: Instant, *, validate_only: bool = False) -> bool:
        """End the hold on an entity, and what a person was seen doing to it; tell whether there was anything to end.

        Raises:
            JournalError: it could not be made durable, so the hold stands.
        """
        there = self._memory.hold_on(entity, now) is not None or any(_of_a_person(c) == entity for c in self.current())
        if there and not validate_only:
            self._memory.release(entity)
            self._released[entity] = now.mono_ns
        return there

    def _is_released(self, change: Change) -> bool:
        entity = _of_a_person(change)
        return entity is not None and change.since.mono_ns <= self._released.get(entity, -1)

    def _hold(self, entity: Entity, change: Change, now: Instant) -> None:
        """Keep a change, unless it is kept already or somebody has announced what they do: their word stands above it."""
        hold = self._memory.hold_on(entity, now)
        if hold is not None and (not hold.seen or (hold.by, hold.why, hold.until) == (change.who, change.what, change.until)):
            return
        with contextlib.suppress(ValueError):  # too many holds: this one lasts while orderd runs
            kept = Hold(entity=entity, why=change.what, by=change.who, at=change.since, until=change.until, seen=True)
            self._memory.hold(kept)

    def _end_what_runs_again(self, mine: dict[Entity, Change], sample: Sample) -> None:
        """End what an earlier run has seen when the unit is up again; a change that is seen now knows its end itself."""
        left = (hold.entity for hold in self._memory.holds(sample.at) if hold.seen and hold.entity not in mine)
        up = [entity for entity in left if _is_up(sample.row(entity))]
        self._up_since = {entity: self._up_since.get(entity, sample.at) for entity in up}
        for entity in up:
            if sample.at.seconds_since(self._up_since[entity]) >= RUNS_AGAIN_S:
                self._memory.release(entity)


def _of_a_person(change: Change) -> Entity | None:
    return change.entity if change.kind is ChangeKind.PERSON else None


def _is_up(row: EntityRow | None) -> bool:
    # What could not be measured is NaN, which is neither.
    return row is not None and row.signal("unit_active_ratio") >= 1 and row.signal("unit_masked_ratio") < 1
