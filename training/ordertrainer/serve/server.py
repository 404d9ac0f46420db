"""The trainer's server: one gRPC server over one data directory. Touches TCP ports and the directory.

Insecure TCP, so it belongs on a loopback address or the cable to a drill host: whoever reaches it can write samples. Mutual TLS
with enrolled certificates is a later issue, for this side and the daemon's uplink together.
"""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

# gRPC's fork handlers hang a process that forks while a server runs; the variable is read at import.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc.aio

from orderd.v1.telemetry_pb2_grpc import add_TelemetryServiceServicer_to_server
from ordertrainer.serve.committer import SEGMENT_AGE_S_MAX, Committer
from ordertrainer.serve.errors import ServeError
from ordertrainer.serve.service import Ingested, Telemetry
from ordertrainer.serve.store import Store

MESSAGE_BYTES_MAX: Final = 4 << 20
STREAMS_PER_CONNECTION_MAX: Final = 8
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION_MAX),
    ("grpc.so_reuseport", 0),  # a second trainer on the port is an error, not a silent share of the load
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # the uplink pings every 20 s
)


class TrainerServer:
    """Takes telemetry into a directory; start and stop it inside one event loop."""

    def __init__(self, root: Path, listen: str | Sequence[str], *, segment_age_s_max: float = SEGMENT_AGE_S_MAX) -> None:
        """Prepare; nothing is opened before `start`.

        Args:
            root: the data directory, made when absent.
            listen: ``HOST:PORT``, one or several; port 0 takes a free one.
            segment_age_s_max: how long a batch may wait for Parquet.
        """
        self._root = root
        self._listen = (listen,) if isinstance(listen, str) else tuple(listen)
        self._segment_age_s_max = segment_age_s_max
        self._addresses: tuple[str, ...] = ()
        self._telemetry: Telemetry | None = None

    @property
    def address(self) -> str:
        """Return the first address that is listened on, with its real port; empty before `start`."""
        return self._addresses[0] if self._addresses else ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return every address that is listened on."""
        return self._addresses

    @property
    def ingested(self) -> Ingested:
        """Return what came in since the start."""
        return self._telemetry.ingested if self._telemetry else Ingested()

    async def start(self) -> None:
        """Open the directory and listen.

        Raises:
            ServeError: the directory cannot be used, or an address is taken.
        """
        store = await asyncio.to_thread(Store, self._root)
        self._committer = Committer(store, segment_age_s_max=self._segment_age_s_max)
        self._telemetry = Telemetry(self._committer)
        self._server = grpc.aio.server(options=_OPTIONS)
        add_TelemetryServiceServicer_to_server(self._telemetry, self._server)
        try:
            self._addresses = tuple(_bind(self._server, address) for address in self._listen)
        except ServeError:
            await self._committer.close()
            raise
        await self._server.start()
        self._commits = asyncio.create_task(self._committer.run(), name="trainer-committer")

    async def stop(self) -> None:
        """Stop listening, end the streams, compact everything; what was not acknowledged will be sent again."""
        await self._server.stop(grace=0)
        self._commits.cancel()
        with suppress(asyncio.CancelledError):
            await self._commits
        await self._committer.close()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()


def _bind(server: grpc.aio.Server, address: str) -> str:
    host, _, _ = address.rpartition(":")
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        msg = f"cannot listen on {address}: {error}; choose another --listen HOST:PORT"
        raise ServeError(msg) from error
    return f"{host}:{port}"
