import asyncio
import contextlib
import errno
import os
import resource
import socket
import time
from pathlib import Path

import dns.message
import dns.rrset
import pytest

from orderd.config.schema import DnsProbe, HttpProbe, PostgresProbe, ResolverConfig, TcpProbe
from orderd.sampling.ask import NotAskedError, ProbeFailedError, conversation
from orderd.sampling.prober import Prober
from orderd.sampling.resolver import resolve, watch


@contextlib.asynccontextmanager
async def serving(answer):
    """Serve TCP on loopback: read something, write ``answer`` (None: never answer), close; yields the port."""
    writers = []

    async def handle(reader, writer):
        writers.append(writer)
        await reader.read(1024)
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)


class NameServer(asyncio.DatagramProtocol):
    """Answers every question with one address, or with another response code."""

    def __init__(self, rcode):
        self.rcode = rcode

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        asked = dns.message.from_wire(data)
        response = dns.message.make_response(asked)
        response.set_rcode(self.rcode)
        if self.rcode == 0:
            response.answer.append(dns.rrset.from_text(asked.question[0].name, 1, "IN", "A", "10.0.0.1"))
        self.transport.sendto(b"noise", addr)
        self.transport.sendto(response.to_wire(), addr)


@contextlib.asynccontextmanager
async def naming(rcode=0, host="127.0.0.1", port=0):
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: NameServer(rcode), local_addr=(host, port))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


async def works(probe):
    try:
        async with asyncio.timeout(0.2):
            await conversation(probe)()
    except (ProbeFailedError, TimeoutError):
        return False
    return True


def http(port):
    return HttpProbe(url=f"http://127.0.0.1:{port}/healthz?a=1")


def tcp(port):
    return TcpProbe(address=f"localhost:{port}", send="PING\n", expect="PONG")


def postgres(port):
    return PostgresProbe(address=f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("probe", "answer", "good"),
    [
        (http, b"HTTP/1.1 200 OK\r\n\r\n", True),
        (http, b"HTTP/1.0 302 Found\r\n\r\n", True),
        (http, b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (http, b"+PONG\r\n", False),
        (http, b"H" * 100_000, False),
        (tcp, b"PONG\n", True),
        (tcp, b"LOADING\n", False),
        (tcp, b"PO", False),
        (postgres, b"N", True),
        (postgres, b"S", True),
        (postgres, b"E", False),
        (http, b"", False),
        (http, None, False),
        (tcp, None, False),
        (postgres, None, False),
    ],
)
async def test_a_probe_tells_good_answers_from_bad(probe, answer, good):
    """Right answers are good; wrong, short, endless, missing ones and silence are not."""
    async with serving(answer) as port:
        assert await works(probe(port)) is good


@pytest.mark.parametrize("probe", [http, tcp, postgres])
async def test_a_closed_port_fails_at_once(probe):
    """A dead service is known in milliseconds, not at the time limit."""
    async with serving(b"") as port:
        pass
    started = time.monotonic()
    assert not await works(probe(port))
    assert time.monotonic() - started < 0.15


@pytest.mark.parametrize(("rcode", "good"), [(0, True), (2, False), (3, False), (5, False)])
async def test_a_dns_probe_wants_an_answer(rcode, good):
    """NOERROR with an address is good; SERVFAIL, NXDOMAIN and REFUSED are not; noise before the answer is ignored."""
    async with naming(rcode) as port:
        assert await works(DnsProbe(address=f"127.0.0.1:{port}", name="host.drill.test")) is good


async def test_the_resolver_passes_over_a_server_that_refuses(tmp_path):
    """With a refusing server first and a good one second, names resolve, as they do for programs."""
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 127.0.0.2\nnameserver 127.0.0.3\n")
    config = ResolverConfig(name="host.drill.test", resolv_conf=str(file))
    async with naming(5, "127.0.0.2") as port, naming(0, "127.0.0.3", port):
        await resolve(config, port)
        file.write_text("nameserver 127.0.0.2\n")
        with pytest.raises(ProbeFailedError, match="REFUSED"):
            await resolve(config, port)


async def test_a_changed_resolv_conf_is_asked_about_at_once(tmp_path):
    """A changed file starts a question within a fraction of a second, not at the next interval."""
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 127.0.0.2\n")
    asked = []

    async def ask():
        asked.append(time.monotonic())

    prober = Prober(name="x", ask=ask, timeout_s=1, interval_s=60, on_flip=lambda: None)
    config = ResolverConfig(name="a.test", resolv_conf=str(file))
    tasks = [asyncio.create_task(prober.run()), asyncio.create_task(watch(config, prober))]
    await asyncio.sleep(0.05)
    file.write_text("nameserver 127.0.0.33\n")
    await asyncio.sleep(0.6)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(asked) == 2


async def serve_on(host, answers=b"PONG"):
    async def handle(reader, writer):
        await reader.read(1024)
        writer.write(answers)
        writer.close()

    return await asyncio.start_server(handle, host, 0)


async def test_a_probe_speaks_ipv6():
    """A service and a name server that answer on ::1 alone are good, and a closed port there is not."""
    server = await serve_on("::1")
    port = server.sockets[0].getsockname()[1]
    probe = TcpProbe(address=f"[::1]:{port}", send="PING\n", expect="PONG")
    assert await works(probe)
    server.close()
    await server.wait_closed()
    assert not await works(probe)
    async with naming(0, "::1") as port:
        assert await works(DnsProbe(address=f"[::1]:{port}", name="host.drill.test"))


async def test_an_answer_may_come_in_pieces():
    """A status line and a word that arrive byte by byte are whole answers; one that breaks off is none."""

    async def handle(reader, writer):
        asked = await reader.read(1024)
        for byte in b"HTTP/1.1 204 \r\n" if asked.startswith(b"GET") else b"PONG":
            writer.write(bytes([byte]))
            await asyncio.sleep(0.001)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await works(http(port))
        assert await works(tcp(port))
        assert not await works(TcpProbe(address=f"127.0.0.1:{port}", send="PING\n", expect="PONG and more"))


async def test_where_connecting_is_enough_a_full_queue_is_a_failure():
    """A service that takes no connections any more is not good because its port is open; one that does is."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as service:
        probe = TcpProbe(address=f"127.0.0.1:{service.getsockname()[1]}")
        assert await works(probe)
        waiting = []
        for _ in range(4):
            waiting.append(socket.socket(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
            waiting[-1].connect_ex(service.getsockname())
        await asyncio.sleep(0.05)
        assert not await works(probe)
        for each in waiting:
            each.close()


async def test_a_connection_that_is_late_is_waited_for():
    """A queue that is full now and empty a moment later costs the question a second, not its answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as service:
        waiting = socket.create_connection(service.getsockname())
        asking = asyncio.create_task(conversation(TcpProbe(address=f"127.0.0.1:{service.getsockname()[1]}"))())
        await asyncio.sleep(0.1)
        assert not asking.done()
        service.accept()[0].close()
        async with asyncio.timeout(5):
            await asking
        waiting.close()


@contextlib.contextmanager
def no_descriptor_left():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Path(os.devnull).open("rb") as free:  # the lowest number that is free
        lowest = free.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    "probe", [TcpProbe(address="127.0.0.1:9"), DnsProbe(address="127.0.0.1:9", name="a.test")], ids=["tcp", "dns"]
)
async def test_a_host_without_descriptors_blames_no_service(probe):
    """It could not ask, and says so; that is no wrong answer."""
    with no_descriptor_left(), pytest.raises(NotAskedError, match="Too many open files"):
        await conversation(probe)()


async def test_a_host_without_ports_blames_no_service(monkeypatch):
    """All local ports taken: the kernel says so when it is to connect."""
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: errno.EADDRNOTAVAIL)
    with pytest.raises(NotAskedError, match="Cannot assign requested address"):
        await conversation(TcpProbe(address="127.0.0.1:9"))()


def open_descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_a_probe_leaves_no_descriptor_open():
    """After good, bad, refused and unanswered questions as many descriptors are open as before."""
    async with serving(b"PONG\n") as good, serving(None) as silent:
        before = open_descriptors()
        for port in (good, silent, 1):
            await works(tcp(port))
        await works(DnsProbe(address="127.0.0.1:1", name="a.test"))
        await asyncio.sleep(0.05)
        # The silent server of this test still holds its own end.
        assert open_descriptors() <= before + 1
