"""The small values inside larger messages: instant, entity, members of enumerations. Pure."""

from enum import StrEnum
from typing import TypeVar

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.v1 import common_pb2

E = TypeVar("E", bound=StrEnum)


def member(kind: type[E], value: str, field: str) -> E:
    """Return the member of an enumeration that a string field names.

    Args:
        kind: the enumeration.
        value: what was sent.
        field: its name, for the error.

    Raises:
        ValueError: there is no such member.
    """
    try:
        return kind(value)
    except ValueError as error:
        msg = f"{field} = {value[:80]!r}: allowed are {', '.join(kind)}"
        raise ValueError(msg) from error


def instant_to_wire(instant: Instant) -> common_pb2.Instant:
    """Return the message of an instant."""
    return common_pb2.Instant(mono_ns=instant.mono_ns, utc_ns=instant.utc_ns)


def instant_from_wire(message: common_pb2.Instant) -> Instant:
    """Return the instant of a message; every pair of integers is one."""
    return Instant(mono_ns=message.mono_ns, utc_ns=message.utc_ns)


def entity_to_wire(entity: Entity) -> common_pb2.Entity:
    """Return the message of an entity."""
    return common_pb2.Entity(kind=entity.kind, key=entity.key)


def entity_from_wire(message: common_pb2.Entity, field: str = "entity") -> Entity:
    """Return the entity of a message.

    Args:
        message: what was sent.
        field: its name, for the error.

    Raises:
        ValueError: the kind is unknown or the key does not have the kind's shape.
    """
    kind = member(EntityKind, message.kind, f"{field}.kind")
    try:
        return Entity(kind=kind, key=message.key)
    except ValueError as error:
        msg = f"{field}.key = {message.key[:80]!r}: not a valid {kind} key"
        raise ValueError(msg) from error
