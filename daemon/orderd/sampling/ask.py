"""How a service is asked whether it works: one short conversation per kind of probe. Network: loopback (config allows no other).

Every conversation returns when the service is fine and raises ``ProbeFailedError`` when it is not; the caller limits its time.
``NotAskedError`` is about this side: whoever has no port or descriptor left to ask from knows nothing of the service.
Each is held on a socket of its own: only a new connection proves that the service still accepts them. Plain sockets and not
asyncio's streams: questions are most of what orderd does on a healthy host, and a stream costs three times what its socket does.
"""

import asyncio
import errno
import functools
import os
import secrets
import socket
from collections.abc import Callable, Coroutine
from typing import Final
from urllib.parse import urlsplit

from orderd.config.schema import DnsProbe, HttpProbe, PostgresProbe, ProbeConfig, TcpProbe
from orderd.sampling.dns_wire import Rcode, answers, query
from orderd.sampling.readiness import READABLE, WRITABLE, until

Ask = Callable[[], Coroutine[None, None, None]]
"""Asks once: returns when it is fine; raises ``ProbeFailedError`` when it is not, ``NotAskedError`` when nobody was asked."""

_Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
_LINE_BYTES_MAX = 4096
_READ_BYTES: Final = 65536
"""Everything that is there is read, also what does not matter: closing before would tell the service of a broken connection."""
_ONGOING: Final = frozenset({errno.EINPROGRESS, errno.EALREADY})
_OURS: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Errors of whoever asks: no local port (EAGAIN for datagrams), descriptor or buffer is left."""
_ASK_NEXT = frozenset(Rcode)
# Message length 8, then the code 1234.5679 that PostgreSQL takes for "may I speak TLS?" (protocol documentation, SSLRequest).
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


class ProbeFailedError(Exception):
    """The service answered wrongly, or not at all."""


class NotAskedError(Exception):
    """This host could not even ask."""


class NoAnswerError(ProbeFailedError):
    """A name server gave no answer that counts; a resolver would ask the next one."""


def conversation(probe: ProbeConfig) -> Ask:
    """Return the conversation of a configured probe, to be held again and again."""
    match probe:
        case HttpProbe():
            return _http(probe.url)
        case TcpProbe():
            return _tcp(probe.address, probe.send.encode(), probe.expect.encode())
        case PostgresProbe():
            return _postgres(probe.address)
        case DnsProbe():
            host, port = split_address(probe.address)
            return lambda: ask_name_server(host, port, probe.name)


def split_address(address: str, port: int = 0) -> tuple[str, int]:
    """Return host and port of ``host:port`` or ``[v6]:port``; localhost as 127.0.0.1, so that no resolver is involved."""
    parts = urlsplit(f"//{address}")
    host = parts.hostname or ""
    return ("127.0.0.1" if host == "localhost" else host), parts.port or port


async def ask_name_server(host: str, port: int, name: str) -> None:
    """Ask one name server for the A records of ``name``.

    Raises:
        NoAnswerError: it refused, failed or was unreachable.
        ProbeFailedError: it answered that there is no such name or address.
        NotAskedError: this host has nothing left to ask with.
    """
    rcode, count = await _exchange(host, port, name)
    if rcode in _ASK_NEXT:
        msg = f"{host} answered {Rcode(rcode).name}"
        raise NoAnswerError(msg)
    if rcode != 0 or count == 0:
        msg = f"{host} answered code {rcode} with {count} answers for {name}"
        raise ProbeFailedError(msg)


def _http(url: str) -> Ask:
    parts = urlsplit(url)
    host, port = split_address(parts.netloc, 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: orderd\r\nConnection: close\r\n\r\n".encode()

    async def talk(connection: socket.socket) -> None:
        await asyncio.get_running_loop().sock_sendall(connection, request)
        _check_status(await _read_line(connection))

    return lambda: _connected(host, port, talk)


def _check_status(line: bytes) -> None:
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/1.") or rest[:1] not in {b"2", b"3"}:
        msg = f"HTTP status line {line[:80]!r}"
        raise ProbeFailedError(msg)


def _tcp(address: str, send: bytes, expect: bytes) -> Ask:
    host, port = split_address(address)

    async def talk(connection: socket.socket) -> None:
        if send:
            await asyncio.get_running_loop().sock_sendall(connection, send)
        if expect and (got := await _read_exactly(connection, len(expect))) != expect:
            msg = f"expected {expect!r}, got {got!r}"
            raise ProbeFailedError(msg)

    return lambda: _connected(host, port, talk)


def _postgres(address: str) -> Ask:
    host, port = split_address(address)

    async def talk(connection: socket.socket) -> None:
        await asyncio.get_running_loop().sock_sendall(connection, _SSL_REQUEST)
        if (got := await _read_exactly(connection, 1)) not in {b"S", b"N"}:
            msg = f"expected S or N, got {got!r}"
            raise ProbeFailedError(msg)

    return lambda: _connected(host, port, talk)


async def _connected(host: str, port: int, talk: Callable[[socket.socket], Coroutine[None, None, None]]) -> None:
    try:
        family, address = _where(host, port)
        with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as connection:
            await _connect(connection, address)
            await talk(connection)
    except (OSError, EOFError, ValueError) as error:  # ValueError: an endless line
        msg = f"{type(error).__name__}: {error}"
        raise (NotAskedError if _is_ours(error) else ProbeFailedError)(msg) from error


def _is_ours(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in _OURS


async def _connect(connection: socket.socket, address: _Address) -> None:
    """Connect; on loopback the handshake is over when the kernel says that it has begun, so it is asked twice before waiting."""
    error = connection.connect_ex(address)
    if error == errno.EINPROGRESS:
        error = connection.connect_ex(address)
    while error in _ONGOING:
        await until(connection.fileno(), WRITABLE)
        error = connection.connect_ex(address)
    if error:
        raise OSError(error, os.strerror(error))


async def _read(connection: socket.socket) -> bytes:
    """Return what comes next; nothing has come yet when this is called, so it is waited for first."""
    while True:
        await until(connection.fileno(), READABLE)
        try:
            return connection.recv(_READ_BYTES)
        except BlockingIOError:  # the kernel threw away what it had announced, for a bad checksum
            continue


async def _read_line(connection: socket.socket) -> bytes:
    """Return the first line, or what there is of it when the connection ends.

    Raises:
        ValueError: it is too long.
    """
    got = await _read(connection)
    while b"\n" not in got and len(got) <= _LINE_BYTES_MAX and (more := await _read(connection)):
        got += more
    line, _, _ = got.partition(b"\n")
    if len(line) > _LINE_BYTES_MAX:
        msg = f"no end of the line in {_LINE_BYTES_MAX} bytes"
        raise ValueError(msg)
    return line


async def _read_exactly(connection: socket.socket, count: int) -> bytes:
    """Return so many bytes.

    Raises:
        EOFError: the connection ended before.
    """
    got = b""
    while len(got) < count:
        more = await _read(connection)
        if not more:
            msg = f"the connection ended after {len(got)} of {count} bytes"
            raise EOFError(msg)
        got += more
    return got[:count]


async def _exchange(host: str, port: int, name: str) -> tuple[int, int]:
    """Ask one question; datagrams that do not answer it are passed over."""
    try:
        question = query(name, secrets.randbelow(1 << 16))
        family, address = _where(host, port)
        # Connected: only the server can answer, and that nobody listens there is told at once.
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as server:
            server.connect(address)
            server.send(question)
            while (answer := answers(await _read(server), question)) is None:
                pass
            return answer
    except (OSError, ValueError) as error:  # ValueError: a name or address that cannot be encoded
        msg = f"{host}: {type(error).__name__}: {error}"
        raise (NotAskedError if _is_ours(error) else NoAnswerError)(msg) from error


def _where(host: str, port: int) -> tuple[int, _Address]:
    """Return address family and socket address of a numeric address; no resolver is involved.

    Raises:
        OSError: it is none.
        UnicodeError: it cannot be one.
    """
    # The number of a scope (fe80::1%eth0) changes when its interface is made anew.
    return _numeric(host, port) if "%" in host else _kept_numeric(host, port)


def _numeric(host: str, port: int) -> tuple[int, _Address]:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
    return family, address


_kept_numeric = functools.lru_cache(maxsize=64)(_numeric)
