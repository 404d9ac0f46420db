"""The gRPC server: which services, on which socket, within which bounds. Listens on a unix socket, and on TCP where asked."""

import asyncio
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from orderd.config.schema import RpcConfig
from orderd.identity.gate import Gate
from orderd.record import DecisionHub, JournalReader
from orderd.rpc import auth, listener
from orderd.rpc.decisions import DecisionServicer
from orderd.rpc.errors import refuse
from orderd.rpc.feed import Feed
from orderd.rpc.handlers import service_handler
from orderd.rpc.host import HostServicer
from orderd.rpc.peers import PeerRelay
from orderd.rpc.requests import KeptPart, Requests
from orderd.rpc.telling import Teller
from orderd.rpc.tls import IdentityPart, RemotePort
from orderd.rpc.view import HostView
from orderd.v1 import decision_pb2, host_pb2

_DECISIONS: Final = decision_pb2.DESCRIPTOR.services_by_name["DecisionService"]
_HOST: Final = host_pb2.DESCRIPTOR.services_by_name["HostService"]
_UNARY_MAX: Final = 64
"""Short calls at a time, beside the watchers."""
_METADATA_BYTES_MAX: Final = 8 << 10
_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service and who serves it.

    Attributes:
        descriptor: of the service.
        servicer: has ``async def Method(self, request, call)`` for each of its methods.
    """

    descriptor: ServiceDescriptor
    servicer: object


class RpcServer:
    """A running gRPC server."""

    def __init__(self, server: grpc.aio.Server, relay: PeerRelay, feed: Feed, public: socket.socket, folder: Path) -> None:
        """Take over what ``serve`` has built."""
        self._server = server
        self._relay = relay
        self.feed = feed
        self._public = public
        self._path = Path(public.getsockname())
        self._folder = folder
        self._services: tuple[str, ...] = ()
        self._handlers: tuple[grpc.GenericRpcHandler, ...] = ()
        self._remote: RemotePort | None = None
        self._listening: asyncio.Task[None] | None = None
        self._health = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue] - set when imported on Python 3
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)

    def add(self, services: Sequence[Service]) -> None:
        """Serve these, and say so by reflection; before ``start``."""
        self._handlers = tuple(service_handler(each.descriptor, each.servicer, auth.authorise) for each in services)
        self._server.add_generic_rpc_handlers(self._handlers)
        self._services = tuple(service.descriptor.full_name for service in services)
        reflection.enable_server_reflection((*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)

    def listen(self, config: RpcConfig, identity: IdentityPart) -> None:
        """Answer on rpc.listen too, with mutual TLS and without reflection; after ``add`` and before ``start``."""

        def build(gate: Gate) -> grpc.aio.Server:
            concurrent = config.watchers_max + _UNARY_MAX
            server = grpc.aio.server(maximum_concurrent_rpcs=concurrent, options=_options(config), interceptors=(gate,))
            server.add_generic_rpc_handlers(self._handlers)
            health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
            return server

        self._remote = RemotePort(config.listen, identity, build, refuse)

    @property
    def remote_address(self) -> str:
        """Return the TCP address that is answered on, empty while none is."""
        return self._remote.address if self._remote else ""

    @property
    def problem(self) -> str:
        """Return why nobody is answered on rpc.listen; empty when all is well."""
        return self._remote.problem if self._remote else ""

    async def set_serving(self, serving: bool) -> None:  # noqa: FBT001 - the health protocol is a yes or no
        """Tell health checks whether orderd does its work."""
        for service in ("", *self._services):
            await self._health.set(service, _SERVING if serving else _NOT_SERVING)

    async def start(self) -> None:
        """Begin to answer.

        Raises:
            JournalError: the journal cannot be read.
        """
        await self.feed.start()
        await self._server.start()
        await self._relay.start(self._public)
        if self._remote:
            self._listening = asyncio.create_task(self._remote.run(), name="rpc-listen")
        await self.set_serving(True)

    async def stop(self, grace_s: float = 1.0) -> None:
        """End the watches, let short calls finish, and remove the socket.

        Args:
            grace_s: seconds that running calls get.
        """
        await self._health.enter_graceful_shutdown()
        await self.feed.close()
        if self._remote and self._listening:
            self._listening.cancel()
            await asyncio.gather(self._listening, self._remote.stop(grace_s), return_exceptions=True)
        await self._server.stop(grace_s)
        await self._relay.close()
        self._path.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)


def _options(config: RpcConfig) -> tuple[tuple[str, Any], ...]:
    return (
        ("grpc.max_receive_message_length", config.message_bytes_max),
        ("grpc.max_metadata_size", _METADATA_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", _METADATA_BYTES_MAX),
        ("grpc.so_reuseport", 0),
    )


async def serve(
    config: RpcConfig,
    journal: JournalReader,
    hub: DecisionHub,
    view: HostView,
    *,
    kept: KeptPart | None = None,
    more: Sequence[Service] = (),
    identity: IdentityPart | None = None,
) -> RpcServer:
    """Start the gRPC server.

    Args:
        config: socket, roles and bounds.
        journal: answers about the past.
        hub: says that something changed.
        view: the host as the loop sees it.
        kept: where request ids outlive a restart; None keeps them in memory only.
        more: further services.
        identity: of this host; for rpc.listen.

    Returns:
        The server, which answers already.

    Raises:
        ConfigError: the socket cannot be bound; the message says what to do.
        JournalError: the journal cannot be read.
    """
    # First of all: a socket that another orderd serves is left alone, and so is the folder beside it.
    public = listener.bind(Path(config.socket))
    folder = listener.private_folder(Path(config.socket))
    inner = folder / "grpc.sock"
    concurrent = config.watchers_max + _UNARY_MAX
    relay = PeerRelay(inner, concurrent)
    gate = auth.local_gate(config.roles, relay, refuse)
    server = grpc.aio.server(maximum_concurrent_rpcs=concurrent, options=_options(config), interceptors=(gate,))
    feed = Feed(journal, hub, Teller(view).decision, config.watchers_max)
    running = RpcServer(server, relay, feed, public, folder)
    requests = Requests(kept)
    decisions = DecisionServicer(
        journal=journal, feed=feed, view=view, requests=requests, page_bytes_max=config.message_bytes_max
    )
    own = (Service(descriptor=_DECISIONS, servicer=decisions), Service(descriptor=_HOST, servicer=HostServicer(view, requests)))
    running.add((*own, *more))
    server.add_insecure_port(f"unix:{inner}")
    if config.listen and identity is not None:
        running.listen(config, identity)
    await running.start()
    return running
