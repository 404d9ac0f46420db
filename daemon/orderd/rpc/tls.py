"""orderd's TCP port: mutual TLS 1.3 by this host's identity. Listens on TCP.

It opens as soon as the host is enrolled, and shows a renewed certificate to the next client, both without a restart. Reflection
is not served here: what this orderd can do is for those to ask who are on the host.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import grpc.aio

from orderd.errors import IdentityError
from orderd.identity.gate import Gate, Refuse
from orderd.identity.store import Identity
from orderd.identity.tls import server_credentials
from orderd.rpc import auth

LOG = logging.getLogger(__name__)

_AGAIN_S: Final = 10.0
"""After this long a port that was taken, or an identity that did not hold, is tried again."""


class IdentityPart(Protocol):
    """See orderd.identity.keeper.Keeper."""

    @property
    def identity(self) -> Identity | None:
        """Return the identity in force, which may have expired."""
        ...

    def holds(self) -> Identity:
        """Return the identity in force, or raise IdentityError."""
        ...

    async def changed(self, seen: str) -> None:
        """Wait until another identity than ``seen`` is in force."""
        ...


class RemotePort:
    """The TCP port, which opens when it can."""

    def __init__(self, listen: str, identity: IdentityPart, build: Callable[[Gate], grpc.aio.Server], refuse: Refuse) -> None:
        """Prepare; nothing listens before `run`.

        Args:
            listen: ``HOST:PORT``; port 0 takes a free one.
            identity: of this host.
            build: makes a server behind a gate, with everything it serves.
            refuse: ends a call with what went wrong.
        """
        self._listen = listen
        self._identity = identity
        self._build = build
        self._refuse = refuse
        self._server: grpc.aio.Server | None = None
        self._shown: Identity | None = None
        self.address = ""
        self.problem = ""

    async def run(self) -> None:
        """Open the port as soon as there is an identity, then let it serve until cancelled."""
        while self._server is None:
            try:
                self._shown = self._identity.holds()
                await self._open()
            except (IdentityError, RuntimeError) as error:
                self._told(f"rpc.listen: nobody is answered on {self._listen}: {error}")
                seen = self._identity.identity
                with suppress(TimeoutError):
                    async with asyncio.timeout(_AGAIN_S):
                        await self._identity.changed(seen.generation if seen else "")
        await asyncio.Event().wait()

    async def stop(self, grace_s: float) -> None:
        """Close the port.

        Args:
            grace_s: seconds that running calls get.
        """
        if self._server is not None:
            await self._server.stop(grace_s)

    def _told(self, problem: str) -> None:
        if problem != self.problem:
            LOG.warning("%s", problem)
        self.problem = problem

    def _newest(self) -> Identity:
        """Return what is shown; an identity that went away is shown until it ends. Called by gRPC's own threads."""
        self._shown = self._identity.identity or self._shown
        assert self._shown is not None
        return self._shown

    async def _open(self) -> None:
        server = self._build(auth.remote_gate(self._newest, self._refuse))
        port = server.add_secure_port(self._listen, server_credentials(self._newest))
        await server.start()
        self._server = server
        self.address = f"{self._listen.rpartition(':')[0]}:{port}"
        self.problem = ""
        LOG.info("answering on %s by mutual TLS as %s", self.address, self._newest().name)
