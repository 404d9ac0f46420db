"""Changes that people or their tools are making: what the guard keeps out of the way of. Pure, frozen."""

from dataclasses import dataclass
from enum import StrEnum

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity


class ChangeKind(StrEnum):
    """How a planned change was seen."""

    PACKAGES = "packages"
    MARKER = "marker"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change being made now, or so lately that its effects are not over.

    Attributes:
        kind: how it was seen.
        entity: what it is about; None for the whole host.
        who: the login or program, for people: ``alice on pts/0``, ``dpkg (pid 4711)``.
        what: what it does, for people: ``systemctl stop nginx.service``.
        since: when it was first seen.
        until: monotonic nanoseconds until which repairs keep out of its way.
    """

    kind: ChangeKind
    entity: Entity | None
    who: str
    what: str
    since: Instant
    until: int
