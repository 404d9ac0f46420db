"""Two sockets whose bytes are handed from one to the other, with as little work a chunk as Python allows. Touches both.

Streams cost two task switches a chunk; here a chunk is read into one buffer that all connections share, and written at once.
A side that reads slowly stops the other from being read, so that nothing piles up.
"""

import asyncio
from collections.abc import Callable
from typing import Final

CHUNK_BYTES: Final = 64 << 10
_BUFFER: Final = memoryview(bytearray(CHUNK_BYTES))
"""Filled and emptied within one call on the event loop, so one is enough for all."""


class End(asyncio.BufferedProtocol):
    """One of the two sockets."""

    def __init__(self, connected: Callable[["End"], None] = lambda _: None) -> None:
        """Prepare.

        Args:
            connected: called once, when the socket is there; nothing is read before ``join``.
        """
        self._connected = connected
        self._early = b""
        self._other: End | None = None
        self._transport: asyncio.Transport | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def transport(self) -> asyncio.Transport:
        """Return the transport of the socket."""
        assert self._transport is not None
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - asyncio's
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.pause_reading()
        self._connected(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: D102 - asyncio's
        del sizehint
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:  # noqa: D102 - asyncio's
        # A copy: what the other socket does not take at once is kept by its transport, and the buffer is used again.
        if self._other is None:
            # Before Python 3.11.4 a pause from within connection_made does not take: what comes too early is kept for `join`.
            self._early += bytes(_BUFFER[:nbytes])
            self.transport.pause_reading()
        else:
            self._other.transport.write(bytes(_BUFFER[:nbytes]))

    def pause_writing(self) -> None:  # noqa: D102 - asyncio's
        if self._other is not None:
            self._other.transport.pause_reading()

    def resume_writing(self) -> None:  # noqa: D102 - asyncio's
        if self._other is not None and not self._other.transport.is_closing():
            self._other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102 - asyncio's
        del exc
        if self._other is not None:
            self._other.transport.close()
        if not self.closed.done():
            self.closed.set_result(None)

    def join(self, other: "End") -> None:
        """Begin to hand bytes over, both ways."""
        self.hand_to(other)
        other.hand_to(self)

    def hand_to(self, other: "End") -> None:
        """Begin to hand bytes over, one way."""
        self._other = other
        if self._early:
            other.transport.write(self._early)
            self._early = b""
        if not self.transport.is_closing():
            self.transport.resume_reading()
