"""Who may call what on a host: the table of all methods, and who is calling. Asks the relay, the user database, the certificate.

What is not in the table is denied to everybody; tests/reliability/test_t10_authorisation.py walks the descriptors and fails when
a method has no row. Readers look; operators do what an incident needs; admins change what orderd may do by itself. The trainer
installs models and reads. Hosts have no business with each other.
"""

from collections.abc import Callable
from typing import Any, Final

from orderd.config.schema import RolesConfig
from orderd.domain.peers import Caller, Role
from orderd.errors import NotAllowedError
from orderd.identity import gate
from orderd.identity.gate import Gate, Refuse, Table
from orderd.identity.store import Identity
from orderd.identity.tls import caller_of
from orderd.rpc.accounts import Accounts
from orderd.rpc.peers import PeerRelay

_READ: Final = (Role.READER, Role.TRAINER)
_OPERATE: Final = (Role.OPERATOR,)
_ADMINISTER: Final = (Role.ADMIN,)
_RELEASE: Final = (Role.ADMIN, Role.TRAINER)

TABLE: Final[Table] = {
    "/orderd.v1.DecisionService/ListDecisions": _READ,
    "/orderd.v1.DecisionService/GetDecision": _READ,
    "/orderd.v1.DecisionService/WatchDecisions": _READ,
    "/orderd.v1.DecisionService/ExplainDecision": _READ,
    "/orderd.v1.DecisionService/ReplayDecision": _READ,
    "/orderd.v1.DecisionService/ApproveDecision": _OPERATE,
    "/orderd.v1.DecisionService/RejectDecision": _OPERATE,
    "/orderd.v1.DecisionService/RateDecision": _OPERATE,
    "/orderd.v1.HostService/GetStatus": _READ,
    "/orderd.v1.HostService/Hold": _OPERATE,
    "/orderd.v1.HostService/ReleaseHold": _OPERATE,
    "/orderd.v1.HostService/Pause": _OPERATE,
    "/orderd.v1.HostService/Resume": _OPERATE,
    "/orderd.v1.HostService/RunRepair": _OPERATE,
    "/orderd.v1.HostService/ListTickets": _READ,
    "/orderd.v1.HostService/CloseTicket": _OPERATE,
    "/orderd.v1.HostService/GetScorecard": _READ,
    "/orderd.v1.HostService/SetAuthority": _ADMINISTER,
    "/orderd.v1.HostService/LiftDenial": _ADMINISTER,
    "/orderd.v1.ModelService/GetModel": _READ,
    "/orderd.v1.ModelService/InstallModel": _RELEASE,
    "/orderd.v1.ModelService/RollBackModel": _ADMINISTER,
    "/grpc.health.v1.Health/Check": _READ,
    "/grpc.health.v1.Health/Watch": _READ,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": _READ,
}


def caller(context: Any) -> Caller:
    """Return who makes a call, for records; a stranger without a role where no gate was passed.

    Args:
        context: of the call that is being answered.
    """
    del context  # the gate has kept it beside the call
    return gate.caller()


async def authorise(context: Any, method: str) -> Caller:
    """Return who makes a call; the gate has refused those who may not before this is reached.

    Args:
        context: of the call that is being answered.
        method: its full name.

    Raises:
        NotAllowedError: the server has no gate, which only a mistake of orderd can be.
    """
    found = caller(context)
    if not found.known:
        raise NotAllowedError(f"{method} was reached past the gate")
    return found


def local_gate(roles: RolesConfig, relay: PeerRelay, refuse: Refuse) -> Gate:
    """Return what guards the unix socket.

    Args:
        roles: of users and groups.
        relay: knows who is behind each connection.
        refuse: ends a call with what went wrong.
    """
    accounts = Accounts(roles)

    async def who(context: Any) -> Caller:
        peer = relay.peer(context.peer())
        if peer is None:
            raise NotAllowedError("this connection did not come over orderd's public socket")
        return await accounts.caller(peer)

    return Gate(TABLE, who, refuse=refuse)


def remote_gate(newest: Callable[[], Identity], refuse: Refuse) -> Gate:
    """Return what guards the TCP port.

    Args:
        newest: the identity of this host; callers have to be of its fleet.
        refuse: ends a call with what went wrong.
    """

    async def who(context: Any) -> Caller:
        return caller_of(context, newest().name.fleet)

    return Gate(TABLE, who, refuse=refuse)
