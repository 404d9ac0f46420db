"""One typed message a datagram over AF_UNIX SOCK_SEQPACKET, in asyncio. Touches sockets.

asyncio has no streams for SEQPACKET; its socket calls work on it, and the kernel keeps message boundaries.
"""

import asyncio
import socket
from typing import Self, TypeVar

import msgspec

from orderd.executor.messages import MESSAGE_BYTES_MAX, encode

T = TypeVar("T")


class Channel:
    """A connected SEQPACKET socket that speaks messages."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over a connected socket."""
        sock.settimeout(0)
        self._sock = sock

    @classmethod
    async def connect(cls, path: str) -> Self:
        """Connect to a listening socket.

        Raises:
            OSError: nobody listens there.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            sock.settimeout(0)
            await asyncio.get_running_loop().sock_connect(sock, path)
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    async def send(self, message: msgspec.Struct) -> None:
        """Send one message."""
        await asyncio.get_running_loop().sock_sendall(self._sock, encode(message))

    async def receive(self, decoder: msgspec.json.Decoder[T]) -> T | None:
        """Receive one message.

        Args:
            decoder: of the messages that are allowed now.

        Returns:
            The message, None when the other side has closed.

        Raises:
            msgspec.ValidationError: it is no such message.
        """
        datagram = await self.receive_bytes()
        return decoder.decode(datagram) if datagram else None

    async def receive_bytes(self) -> bytes:
        """Receive one datagram without looking into it; empty when the other side has closed."""
        try:
            return await asyncio.get_running_loop().sock_recv(self._sock, MESSAGE_BYTES_MAX)
        except ConnectionResetError:
            return b""

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()
