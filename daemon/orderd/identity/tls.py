"""Mutual TLS as gRPC sees it: credentials of both sides, and the caller behind a connection. Touches nothing.

Names in certificates, not addresses, say who a trainer is: its certificate carries TRAINER_NAME, which the authority gives to no
other, so a trainer may move without a new certificate for its clients.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import grpc

from orderd.domain.peers import Caller, PeerName, Role
from orderd.errors import IdentityError, NotAllowedError
from orderd.identity.store import Identity
from orderd.identity.validity import validity

TRAINER_NAME: Final = "trainer.orderd.internal"
TRAINER_OPTION: Final = ("grpc.ssl_target_name_override", TRAINER_NAME)
_VERSION: Final = b"TLSv1.3"


def channel_credentials(identity: Identity) -> grpc.ChannelCredentials:
    """Return what a client shows and whom it believes."""
    return grpc.ssl_channel_credentials(identity.authority, identity.key, identity.certificate)


def server_credentials(newest: Callable[[], Identity], *, members_only: bool = True) -> grpc.ServerCredentials:
    """Return what a server shows, and that every client has to show a certificate of the same authority.

    Args:
        newest: the identity in force; asked for every connection, so that a new certificate needs no restart.
        members_only: False: clients show nothing. gRPC for Python cannot leave it to them.
    """
    served: list[Identity] = [newest()]

    def configuration() -> Any:
        identity = served[0]
        believed = identity.authority if members_only else None
        return grpc.ssl_server_certificate_configuration([(identity.key, identity.certificate)], believed)

    def fetch() -> Any:  # None: what is served stays
        found = newest()
        if found.generation == served[0].generation:
            return None
        served[0] = found
        return configuration()

    return grpc.dynamic_ssl_server_credentials(configuration(), fetch, require_client_authentication=members_only)


def caller_of(context: Any, fleet: str, *, utc: Callable[[], float] = time.time) -> Caller:
    """Return who is at the other end of a connection.

    gRPC has verified the certificate when the connection began. What can have changed or is looser there is asked again here:
    the version of TLS, the name, and whether the certificate still holds.

    Args:
        context: of the call.
        fleet: whose names count.
        utc: seconds since 1970.

    Raises:
        IdentityError: no certificate, or one that has expired.
        NotAllowedError: a certificate with a name that is not of this fleet, or another version of TLS.
    """
    said: dict[str, list[bytes]] = {key: list(values) for key, values in context.auth_context().items()}
    names, pem = said.get("peer_spiffe_id", []), said.get("x509_pem_cert", [])
    if not pem:
        raise IdentityError("no certificate: enrol first (`ordertrainer token`, then `orderctl enrol TOKEN`)")
    if said.get("ssl_tls_version") != [_VERSION]:
        raise NotAllowedError("TLS 1.3 only")
    try:
        (name,) = names
        peer = PeerName.parse(name.decode())
        begins, ends = validity(pem[0])
    except ValueError as error:
        raise NotAllowedError(f"the certificate names nobody of this fleet: {error}") from error
    if peer.fleet != fleet:
        raise NotAllowedError(f"{peer} is of another fleet than {fleet}")
    if not begins <= utc() <= ends:
        raise IdentityError(f"the certificate of {peer} does not hold now: renew it, or set the clock")
    host_id = peer.who if peer.role is Role.HOST else ""
    return Caller(name=str(peer), role=peer.role, local=False, host_id=host_id, expires_at=ends)
