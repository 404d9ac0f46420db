"""The one connection to the trainer. Touches the network: only the configured address, through no proxy.

A host that is enrolled speaks mutual TLS. One that is not sends nothing, unless telemetry.insecure says that the line is private.
"""

import asyncio
import os
from typing import Final, Protocol

# gRPC's fork handlers hang a process that forks while a channel is open; the variable is read at import.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc.aio

from orderd.config.schema import TelemetryConfig
from orderd.errors import IdentityError, TelemetryError
from orderd.identity.store import REMEDY, Identity
from orderd.identity.tls import TRAINER_OPTION, channel_credentials

PUSH: Final = "/orderd.v1.TelemetryService/Push"

_OPTIONS: Final = (
    # The address in orderd.toml is the whole story: no proxy from the environment, no settings from DNS TXT records.
    ("grpc.enable_http_proxy", 0),
    ("grpc.service_config_disable_resolution", 1),
    # Reconnecting, with its backoff and its spool, is the uplink's own work.
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    # A trainer that vanished without a FIN (power, a pulled cable) is noticed after 30 s.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)


class IdentityPart(Protocol):
    """See orderd.identity.keeper.Keeper."""

    def holds(self) -> Identity:
        """Return the identity in force, or raise IdentityError."""
        ...

    async def changed(self, seen: str) -> None:
        """Wait until another identity than ``seen`` is in force."""
        ...


class Line:
    """How the trainer is reached: where, and as whom.

    A channel is made for every attempt, so that each uses the certificate in force.
    """

    def __init__(self, config: TelemetryConfig, identity: IdentityPart | None = None) -> None:
        """Prepare; nothing is connected.

        Args:
            config: address, and whether it may be spoken to in clear.
            identity: of this host; None: there is none and there will be none.
        """
        self._config = config
        self._identity = identity
        self._shown = ""

    def open(self) -> grpc.aio.Channel:
        """Return a channel to the trainer.

        The scheme is named, so that an address such as ``unix:7443`` is a host called unix and never a socket path.

        Raises:
            TelemetryError: this host is not enrolled, or its certificate does not hold; the message says what to do.
        """
        if self._config.insecure:
            return connect(self._config.trainer)
        try:
            identity = self._holds()
        except IdentityError as error:
            raise TelemetryError(f"nothing is sent: {error}") from error
        self._shown = identity.generation
        address = f"dns:///{self._config.trainer}"
        return grpc.aio.secure_channel(address, channel_credentials(identity), options=(*_OPTIONS, TRAINER_OPTION))

    def _holds(self) -> Identity:
        if self._identity is None:
            raise IdentityError(f"not enrolled; {REMEDY}")
        return self._identity.holds()

    async def renewed(self) -> None:
        """Wait until another certificate is in force than the newest channel uses; for ever on a line without one."""
        if self._config.insecure or self._identity is None:
            await asyncio.Event().wait()
        else:
            await self._identity.changed(self._shown)


def connect(address: str) -> grpc.aio.Channel:
    """Open a channel in clear to ``host:port``; for a line that is private."""
    return grpc.aio.insecure_channel(f"dns:///{address}", options=_OPTIONS)
