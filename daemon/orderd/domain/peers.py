"""Who may ask for what: roles and callers. Pure, frozen.

A caller is a local user, named by the kernel, or a certificate, named by the authority of the fleet. Roles are ordered: whoever
may do more may do all that comes before.
"""

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What a caller may do; each includes those below it, but for TRAINER and HOST, which stand beside the people's roles."""

    NONE = 0
    READER = 1
    OPERATOR = 2
    ADMIN = 3
    TRAINER = 10
    HOST = 11

    def may(self, needed: "Role") -> bool:
        """Tell whether a caller of this role may do what needs another."""
        people = (Role.READER, Role.OPERATOR, Role.ADMIN)
        if needed is Role.NONE:
            return False
        return self is needed or (self in people and needed in people and self > needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who made a call.

    Attributes:
        name: for records: ``alice (uid 1000)`` or ``spiffe://fleet/operator/alice``.
        role: what it may do.
        local: came over the unix socket.
        known: is a user or certificate at all; False for no certificate.
    """

    name: str
    role: Role
    local: bool
    known: bool = True
