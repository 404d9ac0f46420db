"""Who may call what on the trainer: the table of all methods, and who is calling. Asks the certificate.

What is not in the table is denied to everybody; tests/reliability/test_t10_authorisation.py walks the descriptors. A host may
only speak for itself: every request that names a host must name the caller's own. Whoever has no certificate yet is a stranger,
comes to the port for enrolment, and may do nothing but enrol.
"""

from typing import Any, Final

from orderd.domain.peers import Caller, Role
from orderd.errors import NotAllowedError
from orderd.identity.gate import Gate, Table
from orderd.identity.tls import caller_of

ENROL: Final = "/orderd.v1.EnrolmentService/Enrol"
_HOST: Final = (Role.HOST,)

TABLE: Final[Table] = {
    "/orderd.v1.EnrolmentService/Renew": (Role.HOST, Role.READER, Role.OPERATOR, Role.ADMIN, Role.TRAINER),
    "/orderd.v1.TelemetryService/Push": _HOST,
    "/orderd.v1.BudgetService/AcquireLease": _HOST,
    "/orderd.v1.BudgetService/ReleaseLease": _HOST,
}
"""For callers with a certificate. Enrol has a port and a table of its own."""
STRANGERS: Final[Table] = {ENROL: (Role.STRANGER,)}


def own_host(caller: Caller, request: Any) -> None:
    """Check that a request speaks for no other host than the caller's.

    Raises:
        NotAllowedError: it does.
    """
    named = getattr(request, "host_id", None)
    if named is not None and named != caller.host_id:
        raise NotAllowedError(f"host_id = {named[:64]!r}: {caller.name} may only speak for itself")


def member_gate(fleet: str) -> Gate:
    """Return what guards the port for members."""

    async def who(context: Any) -> Caller:
        return caller_of(context, fleet)

    return Gate(TABLE, who, check=own_host)


def stranger_gate() -> Gate:
    """Return what guards the port for enrolment: everybody is a stranger there."""

    async def who(context: Any) -> Caller:
        return Caller(name=context.peer(), role=Role.STRANGER, local=False, known=False)

    return Gate(STRANGERS, who)


def cable_gate() -> Gate:
    """Return what guards an insecure port: whoever reaches it may do what a host may, but not enrol."""

    async def who(context: Any) -> Caller:
        return Caller(name=context.peer(), role=Role.HOST, local=False)

    return Gate({method: roles for method, roles in TABLE.items() if "Enrolment" not in method}, who)
