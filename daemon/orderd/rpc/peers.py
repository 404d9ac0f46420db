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

_NAME: Final = re.compile(r"unix-abstract:(?P<name>orderd-peer-\d+-\d+-[0-9a-f]+)")
_CHUNK_BYTES: Final = 64 << 10
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


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    # A side that goes away in mid-write is how connections end.
    with contextlib.suppress(ConnectionError):
        while data := await source.read(_CHUNK_BYTES):
            sink.write(data)
            await sink.drain()
    sink.close()


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
        self._server = await asyncio.start_unix_server(self._accepted, sock=listener)

    async def close(self) -> None:
        """Accept no more and cut what is connected."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= self._connections_max:
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(self._relay(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = _credentials(writer.get_extra_info("socket"))
        name = f"orderd-peer-{found.uid}-{found.pid}-{secrets.token_hex(8)}"
        self._peers[name] = found
        try:
            with contextlib.suppress(OSError):
                inner_reader, inner_writer = await self._connect(name)
                try:
                    await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
                finally:
                    inner_writer.close()
        finally:
            writer.close()
            del self._peers[name]

    async def _connect(self, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            inner.bind(f"\0{name}")
            await asyncio.get_running_loop().sock_connect(inner, self._inner)
            return await asyncio.open_unix_connection(sock=inner)
        except BaseException:
            inner.close()
            raise


async def describe(peer: str) -> str:
    """Return who called, by number; ``auth.caller`` says more."""
    found = _NAME.fullmatch(peer)
    return f"uid {found['name'].split('-')[2]}" if found else "unknown"
