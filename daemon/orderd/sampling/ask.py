"""How a service is asked whether it works: one short conversation per kind of probe. Network: loopback (config allows no other).

Every conversation returns when the service is fine and raises ``ProbeFailedError`` when it is not; the caller limits its time.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Callable, Coroutine
from urllib.parse import urlsplit

from orderd.config.schema import DnsProbe, HttpProbe, PostgresProbe, ProbeConfig, TcpProbe
from orderd.sampling.dns_wire import Rcode, answers, query

Ask = Callable[[], Coroutine[None, None, None]]
"""Asks once: returns when the service is fine, raises ``ProbeFailedError`` when it is not."""

_LINE_BYTES_MAX = 4096
_ASK_NEXT = frozenset(Rcode)
# Message length 8, then the code 1234.5679 that PostgreSQL takes for "may I speak TLS?" (protocol documentation, SSLRequest).
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


class ProbeFailedError(Exception):
    """The service answered wrongly, or not at all."""


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

    async def ask() -> None:
        async with _connected(host, port) as (reader, writer):
            writer.write(request)
            line = await reader.readline()
            _check_status(line)

    return ask


def _check_status(line: bytes) -> None:
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/1.") or rest[:1] not in {b"2", b"3"}:
        msg = f"HTTP status line {line[:80]!r}"
        raise ProbeFailedError(msg)


def _tcp(address: str, send: bytes, expect: bytes) -> Ask:
    host, port = split_address(address)

    async def ask() -> None:
        async with _connected(host, port) as (reader, writer):
            if send:
                writer.write(send)
            if expect and (got := await reader.readexactly(len(expect))) != expect:
                msg = f"expected {expect!r}, got {got!r}"
                raise ProbeFailedError(msg)

    return ask


def _postgres(address: str) -> Ask:
    host, port = split_address(address)

    async def ask() -> None:
        async with _connected(host, port) as (reader, writer):
            writer.write(_SSL_REQUEST)
            if (got := await reader.readexactly(1)) not in {b"S", b"N"}:
                msg = f"expected S or N, got {got!r}"
                raise ProbeFailedError(msg)

    return ask


@contextlib.asynccontextmanager
async def _connected(host: str, port: int) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        reader, writer = await asyncio.open_connection(host, port, limit=_LINE_BYTES_MAX)
        try:
            yield reader, writer
        finally:
            writer.close()
    except (OSError, EOFError, ValueError) as error:  # ValueError: an endless line
        msg = f"{type(error).__name__}: {error}"
        raise ProbeFailedError(msg) from error


class _Exchange(asyncio.DatagramProtocol):
    """One question on its way; ignores datagrams that do not answer it."""

    def __init__(self, question: bytes) -> None:
        self._question = question
        self.answer: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        del addr  # the socket is connected: only the server can send
        answer = answers(data, self._question)
        if answer is not None and not self.answer.done():
            self.answer.set_result(answer)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _exchange(host: str, port: int, name: str) -> tuple[int, int]:
    loop = asyncio.get_running_loop()
    try:
        question = query(name, secrets.randbelow(1 << 16))
        transport, protocol = await loop.create_datagram_endpoint(lambda: _Exchange(question), remote_addr=(host, port))
        try:
            transport.sendto(question)
            return await protocol.answer
        finally:
            transport.close()
    except (OSError, ValueError) as error:  # ValueError: a name or address that cannot be encoded
        msg = f"{host}: {type(error).__name__}: {error}"
        raise NoAnswerError(msg) from error
