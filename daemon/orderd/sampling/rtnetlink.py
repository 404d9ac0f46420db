"""What the kernel says of links, addresses, routes, queues and neighbours. Asks over a NETLINK_ROUTE socket; unprivileged.

By hand, because the daemon sits idle and its memory counts: a library for this brings a hundred modules along for six questions.
Nothing waits: the kernel puts its answer into the socket while it is being asked.

References:
    Linux 6.12, include/uapi/linux/{netlink,rtnetlink,if_link,if_addr,neighbour,pkt_sched}.h, for the numbers and the layouts.
"""

import contextlib
import errno
import socket
import struct
from collections.abc import Iterator
from typing import Final, Self

LINK_GROUPS: Final = 0x1 | 0x8 | 0x10 | 0x40 | 0x100 | 0x400
"""RTMGRP_LINK, TC, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR and IPV6_ROUTE. Not NEIGH: those come and go with every packet."""
RTM_NEWLINK: Final = 16
RTM_DELLINK: Final = 17
RTM_GETLINK: Final = 18
RTM_GETADDR: Final = 22
RTM_NEWROUTE: Final = 24
RTM_DELROUTE: Final = 25
RTM_GETROUTE: Final = 26
RTM_GETNEIGH: Final = 30
RTM_GETQDISC: Final = 38
LINK_HEADER: Final = struct.Struct("=BxHiII")
"""struct ifinfomsg: family, type, index, flags, change."""
ADDRESS_HEADER: Final = struct.Struct("=BBBBi")
"""struct ifaddrmsg: family, prefix length, flags, scope, index."""
ROUTE_HEADER: Final = struct.Struct("=BBBBBBBBI")
"""struct rtmsg: family, destination length, source length, tos, table, protocol, scope, type, flags."""
NEIGHBOUR_HEADER: Final = struct.Struct("=BxxxiHBB")
"""struct ndmsg: family, index, state, flags, type."""
QUEUE_HEADER: Final = struct.Struct("=BxxxiIII")
"""struct tcmsg: family, index, handle, parent, info."""
_HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")
_ERROR: Final = struct.Struct("=i")
_REQUEST, _MULTI, _INTERRUPTED, _DUMP = 0x1, 0x2, 0x10, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_SOL_NETLINK, _GET_STRICT_CHK = 270, 12
_NESTED_BITS: Final = 0x3FFF
_ANSWER_S: Final = 0.05
_CHUNK_BYTES: Final = 1 << 15
_TRIES: Final = 3
IFLA_IFNAME: Final = 3


class TooMuchError(Exception):
    """The kernel has more to say than anybody wants to hear."""


class Netlink:
    """A conversation with the kernel, over at the first error; a context manager."""

    def __init__(self, protocol: int = socket.NETLINK_ROUTE) -> None:
        """Open the socket.

        Args:
            protocol: whom to talk to.

        Raises:
            OSError: such sockets are forbidden here.
        """
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.settimeout(_ANSWER_S)
        with contextlib.suppress(OSError):  # Linux 4.20: from there on the kernel leaves out which routes are not meant
            self._socket.setsockopt(_SOL_NETLINK, _GET_STRICT_CHK, 1)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the socket."""
        self._socket.close()

    def link(self, name: str) -> bytes | None:
        """Return what the kernel says of one link, from its ``ifinfomsg`` on; None when there is no such link."""
        body = LINK_HEADER.pack(0, 0, 0, 0, 0) + _attribute(IFLA_IFNAME, name.encode() + b"\0")
        try:
            return self._ask(RTM_GETLINK, _REQUEST, body, _CHUNK_BYTES)[0]
        except OSError as error:
            if error.errno == errno.ENODEV:
                return None
            raise

    def dump(self, kind: int, body: bytes, bytes_max: int) -> list[bytes]:
        """Return everything of a kind, each from its own header on.

        Args:
            kind: RTM_GETADDR and the like.
            body: the header of that kind, with what is asked for filled in.
            bytes_max: at most so much is read.

        Raises:
            TooMuchError: there is more.
            OSError: the kernel refused, or did not answer.
        """
        for _ in range(_TRIES):
            try:
                return self._ask(kind, _REQUEST | _DUMP, body, bytes_max)
            except InterruptedError:  # it changed while it was told
                continue
        raise OSError(errno.EAGAIN, "it goes on changing")

    def _ask(self, kind: int, flags: int, body: bytes, bytes_max: int) -> list[bytes]:
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body)
        told: list[bytes] = []
        size, interrupted = 0, 0
        while True:
            chunk = self._socket.recv(_CHUNK_BYTES)
            size += len(chunk)
            for said, bits, message in messages(chunk):
                interrupted |= bits & _INTERRUPTED
                if said in (_NLMSG_ERROR, _NLMSG_DONE):
                    if code := _ERROR.unpack_from(message)[0]:
                        raise OSError(-code, f"rtnetlink {kind}")
                    if interrupted:
                        raise InterruptedError
                    return told
                told.append(message)
                if not bits & _MULTI:
                    return told
            if size > bytes_max:
                raise TooMuchError(f"rtnetlink {kind}: more than {bytes_max} bytes")


def listener() -> socket.socket:
    """Return a socket that hears of every change to links, addresses, routes and queues.

    Raises:
        OSError: such sockets are forbidden here.
    """
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    heard = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
    try:
        heard.bind((0, LINK_GROUPS))
    except OSError:
        heard.close()
        raise
    return heard


def messages(chunk: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield kind, flags and body of each message in what was received."""
    at = 0
    while at + _HEADER.size <= len(chunk):
        length, kind, flags, _sequence, _port = _HEADER.unpack_from(chunk, at)
        if length < _HEADER.size:
            return
        yield kind, flags, chunk[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def attributes(message: bytes, start: int) -> dict[int, bytes]:
    """Return the attributes of a message, which follow its own header."""
    found: dict[int, bytes] = {}
    at = start
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if length < _ATTRIBUTE.size:
            return found
        found[kind & _NESTED_BITS] = message[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)
