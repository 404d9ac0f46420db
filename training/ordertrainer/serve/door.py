"""The trainer's door: its own certificate, the port for members, the port for those who enrol. Touches DATA/authority.

The trainer's certificate is made anew at half its life, when the next one comes to the door; connections that are open stay open.
"""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc.aio
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from orderd.domain.peers import PeerName, Role
from orderd.identity.store import Identity
from orderd.identity.tls import TRAINER_NAME, server_credentials
from orderd.identity.validity import validity
from orderd.v1.fleet_pb2_grpc import add_EnrolmentServiceServicer_to_server
from ordertrainer.serve.authority import LIFETIME_S, Authority, open_authority
from ordertrainer.serve.enrolment import Enrolment
from ordertrainer.serve.errors import ServeError
from ordertrainer.serve.roles import member_gate, stranger_gate
from ordertrainer.serve.tokens import Members

_ENROL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 16 << 10),
    ("grpc.max_concurrent_streams", 4),
    ("grpc.so_reuseport", 0),
)
_ENROL_AT_ONCE_MAX: Final = 32
_ANYWHERE: Final = frozenset({"0.0.0.0", "[::]", ""})  # noqa: S104  compared with, never bound to


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the trainer is known.

    Attributes:
        enrol: ``HOST:PORT`` to enrol on; empty: the port after the first address's.
        names: DNS names and addresses by which others know this trainer; the first one is put into tokens.
        fleet: what the fleet is called; only counts when its authority is made.
        lifetime_s: seconds for which certificates hold.
    """

    enrol: str = ""
    names: tuple[str, ...] = ()
    fleet: str = ""
    lifetime_s: float = LIFETIME_S


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """Where a running trainer is; `ordertrainer token` reads it.

    Attributes:
        trainer: ``HOST:PORT`` for members.
        enrol: ``HOST:PORT`` for those who enrol.
    """

    trainer: str
    enrol: str


def served(data: Path) -> Served | None:
    """Return where the trainer of a data directory was listening last, None before it ever did."""
    try:
        return msgspec.json.decode((data / "authority" / "served.json").read_bytes(), type=Served)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise ServeError(
            f"{data / 'authority' / 'served.json'} cannot be read: {error}; start ordertrainer serve again"
        ) from error


def split(address: str) -> tuple[str, int]:
    """Return host and port.

    Raises:
        ServeError: it is not ``HOST:PORT``.
    """
    host, colon, port = address.rpartition(":")
    if not (colon and port.isdigit() and int(port) <= 65535):  # noqa: PLR2004  the highest port
        raise ServeError(f"{address!r} is not HOST:PORT")
    return host, int(port)


class OwnCertificate:
    """The trainer's key and certificate, from its own authority; renewed where it is asked for, by threads of gRPC."""

    def __init__(
        self, authority: Authority, names: Sequence[str], lifetime_s: float, *, utc: Callable[[], float] = time.time
    ) -> None:
        """Prepare.

        Args:
            authority: signs.
            names: DNS names and addresses others may know the trainer by, beside TRAINER_NAME.
            lifetime_s: seconds for which a certificate holds.
            utc: seconds since 1970.
        """
        self._authority = authority
        self._names = (TRAINER_NAME, *names)
        self._lifetime_s = lifetime_s
        self._utc = utc
        self._lock = threading.Lock()
        self._made = 0
        self._current = self._make()

    def newest(self) -> Identity:
        """Return a certificate that holds for at least half its life."""
        with self._lock:
            if self._current.not_after - self._utc() < self._lifetime_s / 2:
                self._current = self._make()
            return self._current

    def _make(self) -> Identity:
        self._made += 1
        key = ec.generate_private_key(ec.SECP256R1())
        name = PeerName(fleet=self._authority.fleet, role=Role.TRAINER, who="serve")
        issued = self._authority.issue(
            key.public_key(), name, addresses=self._names, lifetime_s=self._lifetime_s, serves=True
        ).encode()
        begins, ends = validity(issued)
        encryption = serialization.NoEncryption()
        return Identity(
            name=name,
            key=key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption),
            certificate=issued,
            authority=self._authority.pem.encode(),
            not_before=begins,
            not_after=ends,
            trainer="",
            generation=str(self._made),
        )


class Door:
    """Credentials for the members' port, and the server of the other one."""

    def __init__(self, data: Path, listen: str, tls: Tls) -> None:
        """Open or make the authority.

        Args:
            data: the data directory.
            listen: ``HOST:PORT`` of the members' port, the port may be 0.
            tls: how the trainer is known.

        Raises:
            ServeError: the authority's files cannot be used.
        """
        self._data = data
        self._tls = tls
        self._host, self._port = split(listen)
        self._authority = open_authority(data, tls.fleet)
        self._members = Members(data)
        self._enrolment = Enrolment(self._authority, self._members, tls.lifetime_s)
        self._names = tls.names or (socket.gethostname() if self._host in _ANYWHERE else self._host.strip("[]"),)
        self._own = OwnCertificate(self._authority, self._names, tls.lifetime_s)
        self._server: grpc.aio.Server | None = None
        self.enrol_address = ""

    def hosts(self) -> frozenset[str]:
        """Return the ids of the hosts that are enrolled; asks the disk."""
        return self._members.hosts()

    def gate(self) -> grpc.aio.ServerInterceptor:
        """Return what guards the members' port."""
        return member_gate(self._authority.fleet)

    def admit(self, server: grpc.aio.Server) -> None:
        """Add what members need of the authority to their server."""
        add_EnrolmentServiceServicer_to_server(self._enrolment, server)

    def credentials(self) -> grpc.ServerCredentials:
        """Return what members see and must show."""
        return server_credentials(self._own.newest)

    async def start(self, port: int) -> None:
        """Open the port for those who enrol, and write down where both ports are.

        Args:
            port: of the members, as it turned out.

        Raises:
            ServeError: the address is taken.
        """
        self._server = grpc.aio.server(
            interceptors=(stranger_gate(),), options=_ENROL_OPTIONS, maximum_concurrent_rpcs=_ENROL_AT_ONCE_MAX
        )
        add_EnrolmentServiceServicer_to_server(self._enrolment, self._server)
        wanted = self._tls.enrol or f"{self._host}:{self._port + 1 if self._port else 0}"
        host, _ = split(wanted)
        try:
            enrol_port = self._server.add_secure_port(wanted, server_credentials(self._own.newest, members_only=False))
        except RuntimeError as error:
            raise ServeError(f"cannot listen on {wanted}: {error}; choose another --enrol HOST:PORT") from error
        await self._server.start()
        self.enrol_address = f"{host}:{enrol_port}"
        name = f"[{self._names[0]}]" if ":" in self._names[0] else self._names[0]
        told = Served(trainer=f"{name}:{port}", enrol=f"{name}:{enrol_port}")
        (self._data / "authority" / "served.json").write_bytes(msgspec.json.encode(told))

    async def stop(self) -> None:
        """Close the port for those who enrol."""
        if self._server is not None:
            await self._server.stop(grace=0)
