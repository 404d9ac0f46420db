"""The trainer's server: gRPC servers over one data directory. Touches TCP ports and the directory.

Members come with mutual TLS 1.3, by certificates of the authority in the data directory. gRPC for Python can ask every client for
a certificate or none, so those who have none yet enrol on a port of their own, where nothing else is served. Without TLS
(``insecure``) it belongs on a loopback address or the cable to a drill host: whoever reaches it can write samples.
"""

import asyncio
import ipaddress
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

# gRPC's fork handlers hang a process that forks while a server runs; the variable is read at import.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc.aio

from orderd.v1.fleet_pb2_grpc import add_BudgetServiceServicer_to_server
from orderd.v1.telemetry_pb2_grpc import add_TelemetryServiceServicer_to_server
from ordertrainer.serve.budget import Budget
from ordertrainer.serve.committer import SEGMENT_AGE_S_MAX, Committer
from ordertrainer.serve.door import Door, Tls, split
from ordertrainer.serve.errors import ServeError
from ordertrainer.serve.leases import Terms
from ordertrainer.serve.roles import cable_gate
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
_TLS: Final = Tls()
_TERMS: Final = Terms()


class TrainerServer:
    """Takes telemetry into a directory; start and stop it inside one event loop."""

    def __init__(
        self,
        root: Path,
        listen: str | Sequence[str],
        *,
        segment_age_s_max: float = SEGMENT_AGE_S_MAX,
        insecure: bool = False,
        tls: Tls = _TLS,
        terms: Terms = _TERMS,
    ) -> None:
        """Prepare; nothing is opened before `start`.

        Args:
            root: the data directory, made when absent.
            listen: ``HOST:PORT``, one or several; port 0 takes a free one.
            segment_age_s_max: how long a batch may wait for Parquet.
            insecure: without TLS and without an authority; only on loopback and private addresses.
            tls: how the trainer is known.
            terms: how many hosts may be under repair at once.
        """
        self._root = root
        self._listen = (listen,) if isinstance(listen, str) else tuple(listen)
        self._segment_age_s_max = segment_age_s_max
        self._insecure = insecure
        self._tls = tls
        self._terms = terms
        self._door: Door | None = None
        self._addresses: tuple[str, ...] = ()
        self._telemetry: Telemetry | None = None
        self._budget: Budget | None = None

    @property
    def address(self) -> str:
        """Return the first address that is listened on, with its real port; empty before `start`."""
        return self._addresses[0] if self._addresses else ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return every address that is listened on."""
        return self._addresses

    @property
    def enrol_address(self) -> str:
        """Return where hosts and people enrol; empty before `start`, and without TLS."""
        return self._door.enrol_address if self._door else ""

    @property
    def ingested(self) -> Ingested:
        """Return what came in since the start."""
        return self._telemetry.ingested if self._telemetry else Ingested()

    @property
    def budget(self) -> str:
        """Return one sentence on the hosts under repair; empty before `start`."""
        return self._budget.describe() if self._budget else ""

    async def start(self) -> None:
        """Open the directory and listen.

        Raises:
            ServeError: the directory cannot be used, or an address is taken.
        """
        store = await asyncio.to_thread(Store, self._root)
        self._committer = Committer(store, segment_age_s_max=self._segment_age_s_max)
        try:
            await self._open_budget()
            await self._open_ports()
        except ServeError:
            if self._budget:
                await self._budget.close()
            await self._committer.close()
            raise
        self._commits = asyncio.create_task(self._committer.run(), name="trainer-committer")

    async def _open_budget(self) -> None:
        self._door = None if self._insecure else await asyncio.to_thread(Door, self._root, self._listen[0], self._tls)
        enrolled = self._door.hosts if self._door else frozenset
        budget = Budget(self._root / "budget.sqlite", self._terms, enrolled=enrolled)
        await budget.open()
        self._budget = budget
        self._telemetry = Telemetry(self._committer, saw=budget.saw)

    async def _open_ports(self) -> None:
        self._server = grpc.aio.server(interceptors=(self._door.gate() if self._door else cable_gate(),), options=_OPTIONS)
        add_TelemetryServiceServicer_to_server(self._telemetry, self._server)
        add_BudgetServiceServicer_to_server(self._budget, self._server)
        credentials = None
        if self._door:
            self._door.admit(self._server)
            credentials = self._door.credentials()
        self._addresses = tuple(_bind(self._server, address, credentials) for address in self._listen)
        await self._server.start()
        if self._door:
            try:
                await self._door.start(split(self._addresses[0])[1])
            except ServeError:
                await self._server.stop(grace=0)
                raise

    async def stop(self) -> None:
        """Stop listening, end the streams, compact everything; what was not acknowledged will be sent again."""
        if self._door:
            await self._door.stop()
        await self._server.stop(grace=0)
        self._commits.cancel()
        with suppress(asyncio.CancelledError):
            await self._commits
        await self._committer.close()
        await self._budget.close()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()


def _bind(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> str:
    host, _ = split(address)
    try:
        if credentials:
            port = server.add_secure_port(address, credentials)
        else:
            _only_private(host)
            port = server.add_insecure_port(address)
    except RuntimeError as error:
        msg = f"cannot listen on {address}: {error}; choose another --listen HOST:PORT"
        raise ServeError(msg) from error
    return f"{host}:{port}"


def _only_private(host: str) -> None:
    """Refuse to listen without TLS where strangers may come.

    Raises:
        ServeError: the address is neither this machine's own nor private.
    """
    if host == "localhost":
        return
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError as error:
        raise ServeError(f"--insecure needs an address and no name to listen on, not {host!r}") from error
    if address.is_unspecified or not (address.is_private or address.is_link_local):
        raise ServeError(
            f"--insecure only on loopback and private addresses, not on {host}: whoever reaches it can write samples"
        )
