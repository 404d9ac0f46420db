"""Who may ask for what: roles and callers. Pure, frozen.

A caller is a local user, named by the kernel, or a certificate, named by the authority of the fleet. Roles are ordered: whoever
may do more may do all that comes before.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self


class Role(IntEnum):
    """What a caller may do; each includes those below it, but for those from TRAINER on, which stand beside the people's roles.

    A STRANGER has no certificate yet and comes to get one.
    """

    NONE = 0
    READER = 1
    OPERATOR = 2
    ADMIN = 3
    TRAINER = 10
    HOST = 11
    STRANGER = 12

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
        host_id: of the host that calls, by its certificate; empty for all others.
        expires_at: end of its certificate, UTC seconds; 0: does not end.
    """

    name: str
    role: Role
    local: bool
    known: bool = True
    host_id: str = ""
    expires_at: float = 0.0

    @property
    def key(self) -> str:
        """Return what stays the same of a caller: of a local one the uid, though its name could not be looked up this time."""
        found = _UID.search(self.name) if self.local else None
        return found["uid"] if found else self.name


_UID: Final = re.compile(r"(?P<uid>uid [0-9]+)\)?$")
_SEGMENTS: Final = {
    "host": Role.HOST,
    "operator": Role.OPERATOR,
    "admin": Role.ADMIN,
    "reader": Role.READER,
    "trainer": Role.TRAINER,
}
_SPIFFE: Final = re.compile(
    r"spiffe://(?P<fleet>[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?)/(?P<role>[a-z]{1,16})/(?P<who>[A-Za-z0-9][A-Za-z0-9._@-]{0,63})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerName:
    """What a certificate says: ``spiffe://FLEET/host/ID``, ``spiffe://FLEET/operator/NAME``, ...

    Attributes:
        fleet: whose authority gave the name; lower-case letters, digits, dots and dashes.
        role: what it may do.
        who: host id, or a person's name.
    """

    fleet: str
    role: Role
    who: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Return the name in a URI.

        Raises:
            ValueError: it is not a name of this kind.

        References:
            SPIFFE-ID, section 2: a trust domain and a path, at most 2048 bytes; ours are shorter.
        """
        found = _SPIFFE.fullmatch(uri)
        role = _SEGMENTS.get(found["role"]) if found else None
        if found is None or role is None:
            msg = f"{uri[:200]!r} is no name of a fleet: spiffe://FLEET/host|operator|admin|reader|trainer/NAME"
            raise ValueError(msg)
        return cls(fleet=found["fleet"], role=role, who=found["who"])

    def __str__(self) -> str:
        return f"spiffe://{self.fleet}/{self.role.name.lower()}/{self.who}"


def host_id(machine_id: str) -> str:
    """Return a host's public id: the machine id hashed, because the machine id itself is to be kept confidential.

    References:
        machine-id(5): "should be considered confidential [...] hash it with a fixed, application-specific key".
    """
    return hashlib.sha256(b"orderd:" + machine_id.strip().encode()).hexdigest()[:32]
