"""Who crowds a link: connections as the kernel tells them, and what counts as a crowd."""

import contextlib
import os
import socket
from dataclasses import replace

import pytest

from orderd.domain.clock import Instant
from orderd.sampling import crowd
from orderd.sampling.crowd import CROWD, Connection, Crowding, share
from orderd.sampling.linkstate import LinkState, Seen

HERE, THERE, ELSEWHERE = b"\x0a\x62\0\x01", b"\x0a\x62\0\x02", b"\x0a\x62\0\x03"
ONE = Connection(
    cookie=b"0", source=HERE, destination=THERE, user=0,
    rtt_s=0.02, rtt_min_s=0.0001, sent_bytes=1_000_000,
)  # fmt: skip


def crowd_of(count, **more):
    return [replace(ONE, cookie=str(each).encode(), **more) for each in range(count)]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_connections_are_as_the_kernel_tells_them(family):
    """Who has more to send than goes through, of those that this host opened: addresses, times, what was sent."""
    address = "127.0.0.77" if family == socket.AF_INET else "::1"
    with (
        socket.create_server((address, 0), family=family) as server,
        socket.create_connection(server.getsockname()[:2], source_address=(address, 0)) as line,
    ):
        line.settimeout(0)
        asked, _ = server.accept()
        with asked:
            assert to(address) == []
            sent = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    sent += line.send(bytes(1 << 20))
            asked.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                while True:
                    asked.send(bytes(1 << 20))
            (found,) = to(address)
            assert 10_000 < found.sent_bytes <= sent
            assert 0 < found.rtt_min_s <= found.rtt_s < 1
            assert found.user == os.getuid()


def to(address):
    """Return what is told of connections to an address, from itself."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    return [each for each in crowd._connections() if (each.source, each.destination) == (packed, packed)]


@pytest.mark.parametrize(
    ("connections", "expected"),
    [
        (crowd_of(CROWD), CROWD / 10),
        (crowd_of(CROWD + 9), 1.0),
        (crowd_of(CROWD - 1), 0.0),
        (crowd_of(1, sent_bytes=10_000_000), 0.0),
        (crowd_of(CROWD, rtt_min_s=0.018), 0.0),
        ([*crowd_of(CROWD - 1, rtt_min_s=0.018), replace(ONE, cookie=b"first")], CROWD / 10),
        ([replace(each, user=at) for at, each in enumerate(crowd_of(CROWD))], 0.0),
        ([*crowd_of(CROWD - 1), replace(ONE, cookie=b"else", destination=ELSEWHERE)], 0.0),
        ([], 0.0),
    ],
)  # fmt: skip
def test_a_crowd_is_many_that_wait_of_one_user_to_one_address(connections, expected):
    """Not one copy, nor a browser, nor a line that is merely long."""
    before = {each.cookie: 0 for each in connections}
    assert share(connections, before, 10_000_000) == pytest.approx(expected)


def test_what_was_sent_before_does_not_count():
    """Of a connection that was known, only what it has sent since; of one that was not, nothing yet."""
    assert share(crowd_of(CROWD), {}, 1_000_000) == 0
    known = {each.cookie: 900_000 for each in crowd_of(CROWD)}
    assert share(crowd_of(CROWD), known, 1_000_000) == pytest.approx(CROWD / 10)


def seen(sent_bytes, other=0):
    link = LinkState(index=3, up=True, carrier=True, mtu=1500, sent_bytes=sent_bytes)
    links = {"svc0": link, "host0": replace(link, index=2, sent_bytes=other)}
    return Seen(links=links, addresses={HERE: 3}, families=frozenset(), destinations=None, queueing={}, fixed={})


def at(seconds):
    return Instant(mono_ns=int(seconds * 1e9), utc_ns=0)


def test_nobody_is_asked_while_links_send_little(monkeypatch):
    """At first nothing can be told; then nobody crowds, and the connections are not looked at."""
    monkeypatch.setattr(crowd, "_connections", lambda: pytest.fail("asked"))
    crowding = Crowding()
    assert crowding.look(at(1), seen(0)) == {}
    assert crowding.look(at(6), seen(4_000_000)) == {"svc0": 0.0, "host0": 0.0}
    assert not crowding.busy


def test_a_few_that_wait_are_no_reason_to_look_often(monkeypatch):
    """A link that sends much all day costs little."""
    monkeypatch.setattr(crowd, "_connections", lambda: crowd_of(CROWD - 1))
    crowding = Crowding()
    for second in range(3):
        shares = crowding.look(at(second), seen(second * 10_000_000))
        assert not crowding.busy
    assert shares == {"svc0": 0.0, "host0": 0.0}


def test_a_crowd_shows_on_its_link_and_goes_with_it(monkeypatch):
    """From the second look on, of those a second apart; looks that follow at once repeat what is known."""
    told = crowd_of(CROWD)
    monkeypatch.setattr(crowd, "_connections", lambda: told)
    crowding = Crowding()
    crowding.look(at(0), seen(0))
    assert crowding.look(at(5), seen(50_000_000)) == {"host0": 0.0}
    assert crowding.busy
    told = crowd_of(CROWD, sent_bytes=2_000_000)
    assert crowding.look(at(6), seen(60_000_000)) == {"svc0": pytest.approx(0.7), "host0": 0.0}
    assert crowding.look(at(6.1), seen(61_000_000)) == {"svc0": pytest.approx(0.7), "host0": 0.0}
    told = None
    assert crowding.look(at(7), seen(70_000_000)) == {"host0": 0.0}
    assert crowding.look(at(12), seen(70_000_000)) == {"svc0": 0.0, "host0": 0.0}
    assert not crowding.busy


def test_a_crowd_on_another_link_is_not_this_ones(monkeypatch):
    """By the address that it sends from."""
    told = crowd_of(CROWD, source=ELSEWHERE)
    monkeypatch.setattr(crowd, "_connections", lambda: told)
    crowding = Crowding()
    for second in range(3):
        shares = crowding.look(at(second), seen(second * 10_000_000))
    assert shares == {"svc0": 0.0, "host0": 0.0}


def test_where_the_kernel_does_not_tell_nothing_is_claimed(monkeypatch):
    """A kernel without the module, or more connections than anybody can be told of every second."""
    monkeypatch.setattr(crowd, "ANSWER_BYTES_MAX", 0)
    assert crowd._connections() is None
