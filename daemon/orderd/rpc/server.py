"""The gRPC server: which services, on which socket, within which bounds. Listens on a unix socket."""

import shutil
import socket
from pathlib import Path
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from orderd.config.schema import RpcConfig
from orderd.record import DecisionHub, JournalReader
from orderd.rpc import listener
from orderd.rpc.decisions import DecisionServicer
from orderd.rpc.host import HostServicer
from orderd.rpc.peers import PeerRelay
from orderd.rpc.view import HostView
from orderd.v1 import decision_pb2, decision_pb2_grpc, host_pb2, host_pb2_grpc

SERVICES: Final = (
    decision_pb2.DESCRIPTOR.services_by_name["DecisionService"].full_name,
    host_pb2.DESCRIPTOR.services_by_name["HostService"].full_name,
)
_UNARY_MAX: Final = 64
"""Short calls at a time, beside the watchers."""
_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING


class RpcServer:
    """A running gRPC server."""

    def __init__(self, server: grpc.aio.Server, relay: PeerRelay, hub: DecisionHub, public: socket.socket, folder: Path) -> None:
        """Take over what ``serve`` has built."""
        self._server = server
        self._relay = relay
        self._hub = hub
        self._public = public
        self._path = Path(public.getsockname())
        self._folder = folder
        self._health = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue] - set when imported on Python 3
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)

    async def set_serving(self, serving: bool) -> None:  # noqa: FBT001 - the health protocol is a yes or no
        """Tell health checks whether orderd does its work."""
        for service in ("", *SERVICES):
            await self._health.set(service, _SERVING if serving else _NOT_SERVING)

    async def start(self) -> None:
        """Begin to answer."""
        await self._server.start()
        await self._relay.start(self._public)
        await self.set_serving(True)

    async def stop(self, grace_s: float = 1.0) -> None:
        """End the watches, let short calls finish, and remove the socket.

        Args:
            grace_s: seconds that running calls get.
        """
        await self._health.enter_graceful_shutdown()
        self._hub.close()
        await self._server.stop(grace_s)
        await self._relay.close()
        self._path.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)


async def serve(config: RpcConfig, journal: JournalReader, hub: DecisionHub, view: HostView) -> RpcServer:
    """Start the gRPC server.

    Args:
        config: socket and bounds.
        journal: answers about the past.
        hub: tells of changes.
        view: the host as the loop sees it.

    Returns:
        The server, which answers already.

    Raises:
        ConfigError: the socket cannot be bound; the message says what to do.
    """
    # First of all: a socket that another orderd serves is left alone, and so is the folder beside it.
    public = listener.bind(Path(config.socket))
    folder = listener.private_folder(Path(config.socket))
    inner = folder / "grpc.sock"
    concurrent = config.watchers_max + _UNARY_MAX
    server = grpc.aio.server(
        maximum_concurrent_rpcs=concurrent,
        options=(("grpc.max_receive_message_length", config.message_bytes_max), ("grpc.so_reuseport", 0)),
    )
    decision_pb2_grpc.add_DecisionServiceServicer_to_server(DecisionServicer(journal, hub, config.message_bytes_max), server)
    host_pb2_grpc.add_HostServiceServicer_to_server(HostServicer(view), server)
    reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    running = RpcServer(server, PeerRelay(inner, concurrent), hub, public, folder)
    server.add_insecure_port(f"unix:{inner}")
    await running.start()
    return running
