"""Which slots for entities a simulated host has. Pure.

A slot is a place for one entity; slots of one kind are neighbours, in the order of KINDS. Real hosts have any number of entities
and a model takes them in any order: a slot is where the simulator keeps one, and means nothing to anybody else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from orderd.domain.faults import KINDS, Entity, EntityKind

_KEYS = {
    EntityKind.UNIT: "service-{}.service",
    EntityKind.MOUNT: "/data/{}",
    EntityKind.PROCESS: "{}:1",
    EntityKind.NIC: "eth{}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How many slots there are of each kind; of what a host has only once there is one.

    Attributes:
        units: services and timers; the last one is the host's own name server where it has one.
        mounts: declared mounts.
        processes: processes that stand out; most of these slots are empty most of the time.
        nics: links.
    """

    units: int = 10
    mounts: int = 2
    processes: int = 4
    nics: int = 2

    def count(self, kind: EntityKind) -> int:
        """Return the slots of a kind."""
        counts = {
            EntityKind.UNIT: self.units,
            EntityKind.MOUNT: self.mounts,
            EntityKind.PROCESS: self.processes,
            EntityKind.NIC: self.nics,
        }
        return counts.get(kind, 1)

    def first(self, kind: EntityKind) -> int:
        """Return the first slot of a kind."""
        return sum(self.count(before) for before in KINDS[: KINDS.index(kind)])

    def span(self, kind: EntityKind) -> slice:
        """Return the slots of a kind."""
        first = self.first(kind)
        return slice(first, first + self.count(kind))

    @property
    def slots(self) -> int:
        """Return E, the number of slots."""
        return sum(self.count(kind) for kind in KINDS)

    @property
    def kinds(self) -> tuple[EntityKind, ...]:
        """Return the kind of each slot."""
        return tuple(kind for kind in KINDS for _ in range(self.count(kind)))

    @property
    def resolver_unit(self) -> int:
        """Return the slot of the unit that serves names where a host has its own name server."""
        return self.span(EntityKind.UNIT).stop - 1

    def entity(self, slot: int) -> Entity:
        """Return a name for what is in a slot, for rules that want one."""
        return _entities(self)[slot]

    @property
    def slot_of(self) -> Mapping[Entity, int]:
        """Return the slot of each entity, by the names of ``entity``."""
        return _slot_of(self)


@cache
def _entities(layout: Layout) -> tuple[Entity, ...]:
    """Return them once: hosts are asked every second, and layouts are few."""
    numbers = ((kind, slot - layout.first(kind) + 2) for slot, kind in enumerate(layout.kinds))
    return tuple(Entity(kind=kind, key=_KEYS.get(kind, "system").format(number)) for kind, number in numbers)


@cache
def _slot_of(layout: Layout) -> Mapping[Entity, int]:
    return MappingProxyType({entity: slot for slot, entity in enumerate(_entities(layout))})
