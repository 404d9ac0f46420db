"""Links compared with their record, in a network of the test's own."""

import asyncio
import json
import socket
import stat
import struct

import msgspec
import pytest

from networks import own_network, sh
from orderd.config.schema import Config
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.sampling import linkstate, rtnetlink
from orderd.sampling.known_good import links
from orderd.sampling.link import BUSY_EVERY_S, EVERY_S, LinkCollector, concerns
from orderd.sampling.rtnetlink import LINK_HEADER, ROUTE_HEADER, RTM_NEWLINK, RTM_NEWROUTE, attributes, messages

NET0 = Entity.parse("nic:net0")
HEALTHY = dict.fromkeys(LinkCollector.signals - {"nic_crowded_ratio"}, 0.0)
NOW = Instant(mono_ns=1, utc_ns=0)
LLADDR = "02:00:5e:00:53:0a"


@pytest.fixture
def network():
    """A network with one link that somebody set up, net0, and its other end, far0."""
    with own_network():
        yield


@pytest.fixture
def recorded(network, tmp_path):
    """Return a collector, and the record of the network as it is, by link."""
    record(tmp_path)
    return LinkCollector(tmp_path), links.read(tmp_path / links.LINKS)


def record(folder, *, keep=False):
    return links.capture(Config(), folder, keep=keep)


async def row(collector, entity=NET0):
    return (await collector.collect(NOW)).entities[entity]


def differing(row):
    """Return the signals that are not those of a healthy link."""
    return {name: row.get(name) for name in HEALTHY if row.get(name) != HEALTHY[name]}


async def test_a_link_is_recorded_as_it_was_set_up(recorded, tmp_path):
    """Addresses and routes of both families that somebody gave it, for all to compare with; its bare end is not recorded."""
    collector, known = recorded
    assert list(known) == ["net0"]
    link = known["net0"]
    assert (link.up, link.carrier, link.mtu, link.queueing.root, link.queueing.own) == (True, True, 1500, "noqueue", False)
    assert [(each.address, each.leased) for each in link.addresses] == [("10.1.0.1/24", False), ("fd00::1/64", False)]
    assert [(each.destination, each.gateway, each.metric) for each in link.routes] == [
        ("10.97.0.0/24", "10.1.0.2", 0),
        ("default", "fd00::2", 50),
    ]
    assert stat.S_IMODE((tmp_path / links.LINKS).stat().st_mode) == 0o644
    assert await row(collector) == HEALTHY


@pytest.mark.parametrize(
    ("commands", "signals"),
    [
        (["ip link set net0 down"], {"nic_down_ratio": 1, "nic_routes_missing_ratio": 1, "nic_addresses_missing_ratio": 0.5}),
        (["ip link set far0 down"], {"nic_down_ratio": 1, "nic_routes_missing_ratio": 0.5}),
        (["ip link delete net0"], dict.fromkeys(HEALTHY, None) | {"nic_down_ratio": 1}),
        (["ip address delete 10.1.0.1/24 dev net0"], {"nic_addresses_missing_ratio": 0.5, "nic_routes_missing_ratio": 0.5}),
        (["ip route delete 10.97.0.0/24"], {"nic_routes_missing_ratio": 0.5}),
        (["ip -6 route delete default"], {"nic_routes_missing_ratio": 0.5}),
        (["ip link set net0 mtu 1400"], {"nic_mtu_changed_ratio": 1}),
        (["tc qdisc add dev net0 root tbf rate 1mbit burst 8kb latency 50ms"], {"nic_queueing_changed_ratio": 1}),
        (["tc qdisc add dev net0 ingress"], {"nic_queueing_changed_ratio": 1}),
        ([f"ip neighbour add 10.1.0.2 lladdr {LLADDR} dev net0 nud permanent"], {"nic_neighbours_fixed_ratio": 1}),
    ],
)
async def test_what_is_broken_shows_in_its_own_signal(recorded, commands, signals):
    """Each way to break a link is told from the others, by whoever did it."""
    sh(*commands)
    found = differing(await row(recorded[0]))
    optional = {"nic_routes_missing_ratio"} if commands == ["ip link set far0 down"] else set()
    assert {k: v for k, v in found.items() if k not in optional} == {k: v for k, v in signals.items() if k not in optional}


@pytest.mark.parametrize(
    "commands",
    [
        [
            "ip address add 10.3.0.7/24 dev net0",
            "ip address delete 10.1.0.1/24 dev net0",
            "ip route replace 10.97.0.0/24 via 10.3.0.1",
        ],
        ["ip route replace 10.97.0.0/24 via 10.1.0.3 dev net0"],
        [
            "ip route delete 10.97.0.0/24",
            "ip address add 10.5.0.1/24 dev far0",
            "ip route add 10.97.0.0/24 via 10.5.0.2 dev far0",
        ],
        ["ip address add 10.2.0.1/24 dev net0", "ip route add 10.98.0.0/24 via 10.1.0.2"],
        [f"ip neighbour add 10.1.0.2 lladdr {LLADDR} dev net0 nud permanent", "ip neighbour delete 10.1.0.2 dev net0"],
        [f"ip neighbour add 10.1.0.2 lladdr {LLADDR} dev net0 nud permanent protocol zebra"],
        [f"ip neighbour add 10.1.0.2 lladdr {LLADDR} dev net0 nud reachable"],
        ["tc qdisc add dev far0 root pfifo", "ip link set far0 mtu 1400"],
    ],
)
async def test_what_is_different_and_works_is_no_failure(recorded, commands):
    """Another address of the family, another gateway or link to a destination, more of both, and whatever befalls other links."""
    sh(*commands)
    assert await row(recorded[0]) == HEALTHY


async def test_a_destination_that_is_refused_on_purpose_has_no_route(recorded):
    """A blackhole in the place of a route leads nowhere."""
    sh("ip route delete 10.97.0.0/24", "ip route add blackhole 10.97.0.0/24")
    assert differing(await row(recorded[0])) == {"nic_routes_missing_ratio": 0.5}


async def test_a_link_that_was_down_when_it_was_recorded_may_stay_down(network, tmp_path):
    """Its state then is its state; what else was recorded of it still counts."""
    sh("ip link set net0 down")
    record(tmp_path)
    assert await row(LinkCollector(tmp_path)) == HEALTHY


async def test_what_comes_by_itself_is_not_recorded_and_what_was_leased_is_said_to_be(network, tmp_path):
    """Link-local addresses, routes of the kernel and of routing daemons are left out, and links of containers."""
    sh(
        "ip address add 10.1.0.50/24 dev net0 valid_lft 3600 preferred_lft 3600",
        "ip address add fe80::5/64 dev net0 nodad",
        "ip route add 10.96.0.0/24 via 10.1.0.2 proto bird",
        "ip route add 10.95.0.0/24 nexthop via 10.1.0.2 nexthop via 10.1.0.3",
        "ip route add blackhole 10.94.0.0/24",
        "ip link add docker0 type bridge",
        "ip address add 172.17.0.1/16 dev docker0",
        "ip link add over0 type vxlan id 7 dstport 4789 local 10.1.0.1",
        "ip address add 10.244.0.0/32 dev over0",
    )
    record(tmp_path)
    known = links.read(tmp_path / links.LINKS)
    assert list(known) == ["net0"]
    assert [each.address for each in known["net0"].addresses if each.leased] == ["10.1.0.50/24"]
    assert not [each for each in known["net0"].addresses if each.address.startswith("fe80")]
    assert [each.destination for each in known["net0"].routes] == ["10.97.0.0/24", "default"]


async def test_a_recorded_neighbour_and_a_recorded_queue_are_as_they_should_be(network, tmp_path):
    """What somebody had set up before the record is no change, until it is another one."""
    sh(f"ip neighbour add 10.1.0.2 lladdr {LLADDR} dev net0 nud permanent", "tc qdisc add dev net0 root pfifo")
    record(tmp_path)
    collector = LinkCollector(tmp_path)
    assert links.read(tmp_path / links.LINKS)["net0"].queueing == links.Queueing(root="pfifo", own=True)
    assert await row(collector) == HEALTHY
    sh("ip neighbour replace 10.1.0.2 lladdr 02:00:5e:00:53:0b dev net0 nud permanent")
    assert differing(await row(collector)) == {"nic_neighbours_fixed_ratio": 1}


async def test_without_a_record_there_are_no_links(network, tmp_path):
    """Nobody knows how they should be; a record that comes later is read, and one that is kept is not replaced."""
    collector = LinkCollector(tmp_path)
    assert (await collector.collect(NOW)).entities == {}
    assert record(tmp_path) == [tmp_path / links.LINKS]
    assert list((await collector.collect(NOW)).entities) == [NET0]
    sh("ip link set net0 mtu 1400")
    assert record(tmp_path, keep=True) == []
    assert differing(await row(collector)) == {"nic_mtu_changed_ratio": 1}
    record(tmp_path)
    assert await row(collector) == HEALTHY


async def test_a_record_that_is_none_is_a_failure_of_the_collector(network, tmp_path):
    """What cannot be read says nothing, and is not taken for a host without links."""
    (tmp_path / links.LINKS).write_text(json.dumps({"net0": {"mtu": "big"}}))
    collector = LinkCollector(tmp_path)
    for _ in range(2):
        with pytest.raises(msgspec.DecodeError):
            await collector.collect(NOW)


def test_a_host_without_ip_records_no_links(monkeypatch, tmp_path):
    """There is nothing to be asked, and nothing is claimed."""
    monkeypatch.setattr(links, "_TOOLS_PATH", str(tmp_path))
    assert record(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


async def test_a_router_with_too_many_routes_is_compared_in_everything_else(recorded, monkeypatch):
    """The signal is missing, not zero; the rest is there."""
    monkeypatch.setattr(linkstate, "ANSWER_BYTES_MAX", 4096)
    sh(*(f"ip route add 10.200.{each}.0/24 via 10.1.0.2" for each in range(99)))
    found = await row(recorded[0])
    assert found == {name: 0 for name in HEALTHY if name != "nic_routes_missing_ratio"}


async def test_a_change_is_looked_at_at_once(recorded):
    """A change to a recorded link asks for a sample that looks anew; a change to another link does not."""
    collector, _ = recorded
    await row(collector)
    heard = asyncio.Event()
    watching = asyncio.create_task(collector.watch(heard.set))
    try:
        await asyncio.sleep(0.05)
        for command in ("ip link set far0 mtu 1400", f"ip neighbour add 10.1.0.9 lladdr {LLADDR} dev net0"):
            sh(command)
        await asyncio.sleep(0.05)
        assert not heard.is_set()
        assert collector.every_s == EVERY_S
        for command in ("ip route delete 10.97.0.0/24", "ip link set net0 down", "tc qdisc add dev net0 root pfifo"):
            sh(command)
            await asyncio.wait_for(heard.wait(), 1)
            assert collector.every_s == 0
            await row(collector)
            assert collector.every_s == EVERY_S
            heard.clear()
            await asyncio.sleep(0.3)
    finally:
        watching.cancel()


async def test_a_link_that_may_be_crowded_is_looked_at_every_second(recorded, monkeypatch):
    """And tells who crowds it; then it is left in peace again."""
    collector, _ = recorded
    shares = {"net0": 0.75}
    monkeypatch.setattr(collector._crowding, "look", lambda _at, _seen: shares)
    collector._crowding.busy = True
    assert await row(collector) == HEALTHY | {"nic_crowded_ratio": 0.75}
    assert collector.every_s == BUSY_EVERY_S
    shares["net0"], collector._crowding.busy = 0.0, False
    assert await row(collector) == HEALTHY | {"nic_crowded_ratio": 0.0}
    assert collector.every_s == EVERY_S


async def test_what_a_link_sends_is_counted(recorded):
    """By the kernel, and with the addresses it sends from."""
    before = linkstate.look(["net0"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.sendto(b"", ("10.1.0.2", 9))
    after = linkstate.look(["net0"])
    assert after.links["net0"].sent_bytes > before.links["net0"].sent_bytes
    assert after.addresses[bytes([10, 1, 0, 1])] == after.links["net0"].index


async def test_where_the_kernel_tells_nothing_links_are_looked_at_all_the_same(recorded, monkeypatch):
    """A host that forbids the socket loses the hurry, not the daemon."""

    def forbidden():
        raise PermissionError

    monkeypatch.setattr("orderd.sampling.link.listener", forbidden)
    watching = asyncio.create_task(recorded[0].watch(lambda: None))
    await asyncio.sleep(0)
    assert not watching.done()
    watching.cancel()
    assert await row(recorded[0]) == HEALTHY


def attribute(kind, value):
    """Return an attribute as the kernel writes it."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def test_only_what_concerns_recorded_links_is_heard():
    """By number, by a route's way out, and by name where the number is new."""
    link = LINK_HEADER.pack(0, 0, 7, 0, 0) + attribute(3, b"net0\0")
    assert concerns(RTM_NEWLINK, link, {7}, ())
    assert concerns(RTM_NEWLINK, link, (), {"net0"})
    assert not concerns(RTM_NEWLINK, link, {8}, {"net1"})
    route = ROUTE_HEADER.pack(2, 24, 0, 0, 254, 4, 0, 1, 0) + attribute(1, bytes(4)) + attribute(4, struct.pack("=I", 7))
    assert concerns(RTM_NEWROUTE, route, {7}, ())
    assert not concerns(RTM_NEWROUTE, route, {8}, ())


def test_a_torn_message_ends_the_reading():
    """Lengths that cannot be are not followed."""
    assert list(messages(bytes(32))) == []
    assert list(messages(b"\x10\0")) == []
    assert attributes(attribute(3, b"net0\0") + bytes(4), 0) == {3: b"net0\0"}


def test_what_goes_on_changing_while_it_is_told_is_an_error(network, monkeypatch):
    """A half-told answer is asked for again, and in the end not believed."""
    asked = []

    def interrupted(*words):
        asked.append(words)
        raise InterruptedError

    with rtnetlink.Netlink() as netlink:
        monkeypatch.setattr(netlink, "_ask", interrupted)
        with pytest.raises(OSError, match="changing"):
            netlink.dump(rtnetlink.RTM_GETADDR, b"", 1)
    assert len(asked) == 3
