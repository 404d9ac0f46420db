"""What can fail and what it can fail on: failure classes and entities. Pure.

FAULT (what chaos does) -> SYMPTOM (what can be seen) -> FAILURE (a service no longer correct). This file names failures and
the entities they happen to; faults themselves live in playbooks/faults.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self


class EntityKind(StrEnum):
    """The kinds of things on a host that can fail."""

    UNIT = "unit"
    MOUNT = "mount"
    PROCESS = "process"
    RESOLVER = "resolver"
    CLOCK = "clock"
    NIC = "nic"
    HOST = "host"


class Failure(StrEnum):
    """Failure classes, and at the end what nobody can name."""

    OK = "ok"
    SERVICE_DOWN = "service_down"
    SERVICE_MASKED = "service_masked"
    SERVICE_HUNG = "service_hung"
    SERVICE_CRASH_LOOP = "service_crash_loop"
    DISK_FULL = "disk_full"
    CPU_RUNAWAY = "cpu_runaway"
    MEMORY_LEAK = "memory_leak"
    DNS_BROKEN = "dns_broken"
    CLOCK_STEPPED = "clock_stepped"
    SERVICE_START_LIMIT = "service_start_limit"
    SERVICE_LOAD_ERROR = "service_load_error"
    SERVICE_SLOW = "service_slow"
    DISK_INODES_FULL = "disk_inodes_full"
    MOUNT_READ_ONLY = "mount_read_only"
    MOUNT_MISSING = "mount_missing"
    MOUNT_STUCK = "mount_stuck"
    MOUNT_ACCESS_LOST = "mount_access_lost"
    SERVICE_SQUEEZED = "service_squeezed"
    NIC_DOWN = "nic_down"
    NIC_MISCONFIGURED = "nic_misconfigured"
    HOST_MISCONFIGURED = "host_misconfigured"
    NIC_SATURATED = "nic_saturated"
    UNKNOWN = "unknown"


KINDS: Final = tuple(EntityKind)
"""Every kind, in the order of the model's kind index; only ever appended to (`orderd.domain.schema`)."""
FAILURES: Final = (
    Failure.OK,
    Failure.SERVICE_DOWN,
    Failure.SERVICE_MASKED,
    Failure.SERVICE_HUNG,
    Failure.SERVICE_CRASH_LOOP,
    Failure.DISK_FULL,
    Failure.CPU_RUNAWAY,
    Failure.MEMORY_LEAK,
    Failure.DNS_BROKEN,
    Failure.CLOCK_STEPPED,
    Failure.SERVICE_START_LIMIT,
    Failure.SERVICE_LOAD_ERROR,
    Failure.SERVICE_SLOW,
    Failure.DISK_INODES_FULL,
    Failure.MOUNT_READ_ONLY,
    Failure.MOUNT_MISSING,
    Failure.MOUNT_STUCK,
    Failure.MOUNT_ACCESS_LOST,
    Failure.SERVICE_SQUEEZED,
    Failure.NIC_DOWN,
    Failure.NIC_MISCONFIGURED,
    Failure.HOST_MISCONFIGURED,
    Failure.NIC_SATURATED,
)
"""The classes a model tells apart, in the order of its class index; ``OK`` is index 0. Only ever appended to.

A class that a model was never taught gets no probability from it, and is named by rules alone. ``UNKNOWN`` is what is left when
something is wrong and nobody can name it.
"""

KIND_OF: Final = {
    Failure.SERVICE_DOWN: EntityKind.UNIT,
    Failure.SERVICE_MASKED: EntityKind.UNIT,
    Failure.SERVICE_HUNG: EntityKind.UNIT,
    Failure.SERVICE_CRASH_LOOP: EntityKind.UNIT,
    Failure.DISK_FULL: EntityKind.MOUNT,
    Failure.CPU_RUNAWAY: EntityKind.PROCESS,
    Failure.MEMORY_LEAK: EntityKind.PROCESS,
    Failure.DNS_BROKEN: EntityKind.RESOLVER,
    Failure.CLOCK_STEPPED: EntityKind.CLOCK,
    Failure.SERVICE_START_LIMIT: EntityKind.UNIT,
    Failure.SERVICE_LOAD_ERROR: EntityKind.UNIT,
    Failure.SERVICE_SLOW: EntityKind.UNIT,
    Failure.DISK_INODES_FULL: EntityKind.MOUNT,
    Failure.MOUNT_READ_ONLY: EntityKind.MOUNT,
    Failure.MOUNT_MISSING: EntityKind.MOUNT,
    Failure.MOUNT_STUCK: EntityKind.MOUNT,
    Failure.MOUNT_ACCESS_LOST: EntityKind.MOUNT,
    Failure.SERVICE_SQUEEZED: EntityKind.UNIT,
    Failure.NIC_DOWN: EntityKind.NIC,
    Failure.NIC_MISCONFIGURED: EntityKind.NIC,
    Failure.HOST_MISCONFIGURED: EntityKind.HOST,
    Failure.NIC_SATURATED: EntityKind.NIC,
}
"""The one entity kind each failure class happens to (``OK`` happens to all)."""

ASKED_FIRST: Final = frozenset(
    {
        Failure.SERVICE_SQUEEZED,
        Failure.MOUNT_ACCESS_LOST,
        Failure.NIC_MISCONFIGURED,
        Failure.NIC_SATURATED,
        Failure.HOST_MISCONFIGURED,
    }
)
"""Failures that somebody may have wanted: a difference from the record that was not recorded, an upload that fills the line."""

# Keys are data from the observed host: anything that is not exactly one of these shapes never becomes an entity.
_KEY_SHAPES: Final = {
    EntityKind.UNIT: re.compile(r"[A-Za-z0-9:_.@-]{1,200}\.(?:service|socket|timer|mount)"),
    EntityKind.MOUNT: re.compile(r"/[A-Za-z0-9._/+@-]{0,250}"),
    EntityKind.PROCESS: re.compile(r"[1-9][0-9]{0,9}:[0-9]{1,19}"),
    EntityKind.RESOLVER: re.compile(r"system"),
    EntityKind.CLOCK: re.compile(r"system"),
    EntityKind.NIC: re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}"),
    EntityKind.HOST: re.compile(r"system"),
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Entity:
    """One thing on the host that can fail.

    Attributes:
        kind: what it is.
        key: its identity within the kind: a unit name, a mount path, ``PID:STARTTIME`` (clock ticks since boot), or ``system``.
    """

    kind: EntityKind
    key: str

    def __post_init__(self) -> None:
        """Refuse keys that are not of the kind's shape.

        Raises:
            ValueError: the key has another shape, or a path climbs with ``..``.
        """
        if _KEY_SHAPES[self.kind].fullmatch(self.key) is None or ".." in self.key.split("/"):
            msg = f"{self.key!r} is not a valid {self.kind} key"
            raise ValueError(msg)

    def __str__(self) -> str:
        """Return ``kind:key``, the form used in records, on the wire and in messages to the executor."""
        return f"{self.kind}:{self.key}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``kind:key``.

        Raises:
            ValueError: the kind is unknown or the key has the wrong shape.
        """
        kind, _, key = text.partition(":")
        return cls(kind=EntityKind(kind), key=key)
