"""Who is calling: the kernel's word, carried past gRPC. Listens on a unix socket and connects to another.

gRPC for Python does not pass on SO_PEERCRED, but it does pass on the name a client's socket is bound to. So the public socket
is accepted here, the kernel is asked who connected and with which groups, and the bytes are relayed to gRPC's own socket from a
socket whose abstract name says which connection it is. gRPC's own socket lies in a folder that only orderd can enter, so nobody
else can bring a name of their own choosing.
"""

import asyncio
import contextlib
import re
import secrets
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orderd.rpc.relay import End

_NAME: Final = re.compile(r"unix-abstract:(?P<name>orderd-peer-\d+-\d+-[0-9a-f]+)")
_UCRED: Final = struct.Struct("3i")
_SO_PEERGROUPS: Final = 59
"""Not in the socket module; asm-generic/socket.h, Linux 4.13 and later."""
_GROUPS_BYTES_MAX: Final = 1024
"""The longest answer Python takes: 256 groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPeer:
    """Who connected, as the kernel knew it at that moment.

    Attributes:
        uid: user.
        pid: process.
        groups: the process's group and its supplementary groups.
    """

    uid: int
    pid: int
    groups: frozenset[int]


def _credentials(peer: socket.socket) -> LocalPeer:
    pid, uid, gid = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    others: tuple[int, ...] = ()
    # A kernel or a sandbox without the option, or more groups than fit: the group of the process alone counts.
    with contextlib.suppress(OSError):
        raw = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_BYTES_MAX)
        others = struct.unpack(f"{len(raw) // 4}I", raw)
    return LocalPeer(uid=uid, pid=pid, groups=frozenset((gid, *others)))


class PeerRelay:
    """Accepts clients on the public socket and hands them to gRPC under their kernel-given names."""

    def __init__(self, inner: Path, connections_max: int) -> None:
        """Prepare to relay.

        Args:
            inner: gRPC's own socket.
            connections_max: further clients are turned away.
        """
        self._inner = str(inner)
        self._connections_max = connections_max
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._peers: dict[str, LocalPeer] = {}

    def peer(self, name: str) -> LocalPeer | None:
        """Return who is behind a connection.

        Args:
            name: ``context.peer()`` of a call.

        Returns:
            The kernel's word; None for a call that came another way.
        """
        found = _NAME.fullmatch(name)
        return self._peers.get(found["name"]) if found else None

    async def start(self, listener: socket.socket) -> None:
        """Begin to accept on a bound socket."""
        self._server = await asyncio.get_running_loop().create_unix_server(lambda: End(self._accepted), sock=listener)

    async def close(self) -> None:
        """Accept no more and cut what is connected."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accepted(self, outer: End) -> None:
        if len(self._tasks) >= self._connections_max:
            outer.transport.close()
            return
        task = asyncio.get_running_loop().create_task(self._relay(outer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, outer: End) -> None:
        found = _credentials(outer.transport.get_extra_info("socket"))
        name = f"orderd-peer-{found.uid}-{found.pid}-{secrets.token_hex(8)}"
        self._peers[name] = found
        try:
            with contextlib.suppress(OSError):
                inner = await self._connect(name)
                try:
                    outer.join(inner)
                    await asyncio.wait((outer.closed, inner.closed))
                finally:
                    inner.transport.close()
        finally:
            outer.transport.close()
            del self._peers[name]

    async def _connect(self, name: str) -> End:
        inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        loop = asyncio.get_running_loop()
        try:
            inner.bind(f"\0{name}")
            await loop.sock_connect(inner, self._inner)
            _, end = await loop.create_unix_connection(End, sock=inner)
        except BaseException:
            inner.close()
            raise
        return end
