"""orderctl over the network: mutual TLS with the identity of whoever types. Touches TCP and that identity.

Python's own TLS shakes hands first: it says in words what is wrong (another name, a certificate that has ended or is not
taken), where gRPC says only that a service is unavailable.
"""

import socket
import ssl
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import grpc

from orderd.ctl.client import ENROL_AGAIN, CtlError, Exit
from orderd.ctl.enrol import own_directory, run
from orderd.errors import IdentityError
from orderd.identity.store import CURRENT, Identity, load
from orderd.identity.tls import channel_credentials

_TIMEOUT_S: Final = 5.0
_OPTIONS: Final = (("grpc.enable_http_proxy", 0), ("grpc.service_config_disable_resolution", 1))


def _own(directory: Path) -> Identity:
    """Return the person's identity, renewed when half of its life is over.

    Raises:
        CtlError: there is none, or it has expired.
    """
    try:
        found = load(directory)
    except IdentityError as error:
        raise CtlError(Exit.NOT_ALLOWED, f"you are not enrolled ({error}); {ENROL_AGAIN}") from error
    now = time.time()
    if now > found.not_after:
        raise CtlError(Exit.NOT_ALLOWED, f"your certificate has expired, or this clock is wrong; {ENROL_AGAIN}")
    if now > found.not_before + found.lifetime_s / 2:
        with suppress(CtlError, IdentityError):  # what still holds is used; the next call tries again
            run("renew", directory)
            return load(directory)
    return found


def _shake_hands(address: str, directory: Path) -> None:
    """Find out in words whether the other end is a host of the fleet and takes this certificate.

    Raises:
        CtlError: it is not, or does not.
    """
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context(cafile=str(directory / CURRENT / "authority.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    context.load_cert_chain(directory / CURRENT / "certificate.pem", directory / CURRENT / "key.pem")
    host = host.strip("[]")
    try:
        with (
            socket.create_connection((host, int(port)), _TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            # In TLS 1.3 the server judges the client's certificate after the handshake; a gRPC server that takes it speaks first.
            if not wrapped.recv(1):
                raise CtlError(Exit.NOT_ALLOWED, f"{address} does not take your certificate: of another fleet? {ENROL_AGAIN}")
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message or str(error)
        remedy = "enrol that host with `ordertrainer token --role host --address NAME`, or use a name its certificate carries"
        raise CtlError(Exit.NOT_ALLOWED, f"{address} is not to be believed: {why}; {remedy}") from error
    except ssl.SSLError as error:
        raise CtlError(Exit.NOT_ALLOWED, f"{address} does not take your certificate ({error.reason}); {ENROL_AGAIN}") from error
    except (OSError, ValueError) as error:
        raise CtlError(Exit.NOT_RUNNING, f"cannot reach orderd at {address}: {error}; is rpc.listen set there?") from error


@contextmanager
def channel(address: str) -> Generator[grpc.Channel]:
    """Open a channel to an orderd over the network.

    Args:
        address: ``HOST:PORT``; the name has to be one that the host was enrolled with.

    Raises:
        CtlError: it cannot be reached or believed, or does not believe this person.
    """
    directory = own_directory()
    identity = _own(directory)
    _shake_hands(address, directory)
    with grpc.secure_channel(f"dns:///{address}", channel_credentials(identity), options=_OPTIONS) as opened:
        yield opened
