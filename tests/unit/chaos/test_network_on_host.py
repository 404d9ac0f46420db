"""What the network faults leave to the host's own program: its undo acts on what the fault did and on nothing else."""

from __future__ import annotations

import errno
import json
import socket
import sys
import threading
from pathlib import Path

import pytest

HOST = Path(__file__).parents[3] / "playbooks" / "faults" / "common" / "host"
BOOT = "this-boot"


@pytest.fixture
def on_host(monkeypatch):
    """Import a module of the host's part as the host does."""
    monkeypatch.syspath_prepend(str(HOST))
    before = set(sys.modules)

    def module(name):
        __import__(name)
        return sys.modules[name]

    yield module
    for name in set(sys.modules) - before:
        if "common/host" in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def undo(on_host, monkeypatch):
    """The undo of the network, with the programs it would call replaced: `said` is what they answer, `ran` what was asked."""
    network = on_host("undo.network")
    network.said, network.ran = {}, []

    def run(*argv):
        network.ran.append(argv)
        answer = next((text for start, text in network.said.items() if " ".join(argv).startswith(start)), "")
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(network, "run", run)
    monkeypatch.setattr(network, "boot_id", lambda: BOOT)
    monkeypatch.setattr(network, "_existing", lambda name: name)
    return network


def changes(undo):
    """Return the commands that change something."""
    return [" ".join(argv) for argv in undo.ran if not {"show", "list", "get"} & set(argv)]


NFT = {"undo": "nft", "table": "site", "rules": "as written"}
TABLE = {"table": {"family": "inet", "name": "site", "handle": 4}}
CHAIN = {"chain": {"family": "inet", "table": "site", "name": "in", "handle": 1, "hook": "input", "prio": 10, "policy": "accept"}}
DROP = {"rule": {"family": "inet", "table": "site", "chain": "in", "handle": 2, "expr": [{"drop": None}]}}
THEIRS = {"rule": {"family": "inet", "table": "site", "chain": "in", "handle": 9, "expr": [{"accept": None}]}}


def listing(*objects):
    """Return what nft prints about some objects."""
    return json.dumps({"nftables": [{"metainfo": {"version": "1"}}, *objects]})


@pytest.mark.parametrize(
    ("now", "change"),
    [
        ([TABLE, CHAIN, DROP], ["nft delete rule inet site in handle 12; delete chain inet site in; delete table inet site"]),
        ([TABLE, CHAIN], ["nft delete chain inet site in; delete table inet site"]),
        ([TABLE, CHAIN, DROP, THEIRS], ["nft delete rule inet site in handle 12"]),
        ([TABLE, CHAIN, THEIRS], []),
        ([], []),
    ],
)
def test_of_a_table_only_the_faults_own_rules_are_removed(undo, now, change):
    """A rule that somebody else put into the fault's table stays, with its chain and the table; a removed rule is no obstacle."""
    undo.said = {
        "unshare": listing(TABLE, CHAIN, DROP),
        "nft -j list tables": listing(),
    }
    before = undo.KINDS["nft"][0](NFT)
    numbered_anew = [{kind: {**body, "handle": body["handle"] + 10} for kind, body in each.items()} for each in now]
    undo.said |= {"nft -j list tables": listing(*now[:1]), "nft -j list table inet": listing(*numbered_anew)}
    undo.ran.clear()
    undo.KINDS["nft"][1](NFT, json.loads(json.dumps(before)), BOOT)
    assert changes(undo) == change


def test_a_table_of_that_name_is_not_taken_over(undo, on_host):
    """A host that has the table already is refused."""
    undo.said = {"nft -j list tables": listing(TABLE), "nft -j list table inet": listing(TABLE)}
    with pytest.raises(on_host("failures").Refused, match="taken"):
        undo.KINDS["nft"][0](NFT)


QDISC = {"undo": "qdisc", "link": "svc0", "words": "handle 7a1: tbf rate 1mbit burst 8kb latency 400ms"}
TBF = {"kind": "tbf", "handle": "7a1:", "root": True, "refcnt": 2, "options": {"rate": 125000, "burst": 8192, "lat": 400000}}
NONE = {"kind": "noqueue", "handle": "0:", "root": True, "refcnt": 2, "options": {}}


@pytest.mark.parametrize(
    ("now", "change"),
    [
        (TBF | {"refcnt": 9}, ["tc qdisc delete dev svc0 root"]),
        (TBF | {"options": TBF["options"] | {"rate": 12500000}}, []),
        (TBF | {"kind": "htb"}, []),
        (NONE, []),
    ],
)
def test_a_queue_is_removed_only_while_it_is_the_faults(undo, now, change):
    """A queue that somebody has changed or replaced is theirs, and a link without one is left alone."""
    undo.said = {"unshare": json.dumps([TBF]), "tc": json.dumps([NONE])}
    before = undo.KINDS["qdisc"][0](QDISC)
    undo.said["tc"] = json.dumps([now])
    undo.ran.clear()
    undo.KINDS["qdisc"][1](QDISC, before, BOOT)
    assert changes(undo) == change


def test_a_link_with_a_queue_of_its_own_is_refused(undo, on_host):
    """What the revert could not put back is not replaced."""
    undo.said = {"tc": json.dumps([TBF | {"handle": "1:"}])}
    with pytest.raises(on_host("failures").Refused, match="has a queue already"):
        undo.KINDS["qdisc"][0](QDISC)


LINK = {"undo": "link", "link": "svc0"}
UP = {"flags": ["UP"], "mtu": 1500, "addr_info": [{"local": "10.98.0.1", "prefixlen": 24, "scope": "global"}]}
KERNELS = "10.98.0.0/24 proto kernel scope link src 10.98.0.1 \n"
ROUTES = f"10.97.0.0/24 via 10.98.0.2 \n{KERNELS}local 10.98.0.1 table local proto kernel scope host src 10.98.0.1 \n"


def test_a_link_gets_back_what_it_lost_and_nothing_else(undo):
    """Link, address and route are put back where they are missing; what the kernel makes by itself is left to it."""
    steps = [LINK | {"undo": kind} for kind in ("link", "addresses", "routes")]
    undo.said = {"ip -json address": json.dumps([UP]), "ip -4 route": ROUTES}
    before = [undo.KINDS[step["undo"]][0](step) for step in steps]
    undo.said = {"ip -json address": json.dumps([UP | {"flags": [], "addr_info": []}]), "ip -4 route show": "", "ip -6": ""}
    undo.ran.clear()
    for step, was in zip(steps, before, strict=True):
        undo.KINDS[step["undo"]][1](step, was, BOOT)
    assert changes(undo) == [
        "ip link set dev svc0 up",
        "ip address add 10.98.0.1/24 scope global dev svc0",
        "ip -4 route add 10.97.0.0/24 via 10.98.0.2 dev svc0",
    ]


def test_a_link_that_was_mended_is_left_alone(undo):
    """A link that is up, with its address and its route, is touched by no step."""
    undo.said = {"ip -json address": json.dumps([UP]), "ip -4 route": ROUTES}
    for kind in ("link", "addresses", "routes"):
        undo.KINDS[kind][1](LINK | {"undo": kind}, undo.KINDS[kind][0](LINK | {"undo": kind}), BOOT)
    assert changes(undo) == []


@pytest.mark.parametrize(("words", "raised"), [("RTNETLINK answers: File exists", False), ("Network is down", True)])
def test_a_route_that_somebody_else_has_made_stays(undo, words, raised):
    """Another route to the same destination is a repair; any other reason why it cannot be put back is a failure."""
    before = {"-4": [["10.97.0.0/24", "via", "10.98.0.2"]], "-6": []}
    undo.said = {"ip -4 route show": KERNELS, "ip -4 route add": OSError(words)}
    step = LINK | {"undo": "routes"}
    if raised:
        with pytest.raises(OSError, match="down"):
            undo.KINDS["routes"][1](step, before, BOOT)
    else:
        assert "0 routes" in undo.KINDS["routes"][1](step, before, BOOT)


@pytest.mark.parametrize(("mtu", "change"), [(1300, ["ip link set dev svc0 mtu 1500"]), (1400, [])])
def test_an_mtu_is_put_back_only_while_it_is_the_faults(undo, mtu, change):
    """An MTU that is neither the old one nor the fault's is somebody's choice."""
    step = LINK | {"undo": "mtu", "mtu": 1300}
    undo.said = {"ip -json address": json.dumps([UP])}
    before = undo.KINDS["mtu"][0](step)
    undo.said = {"ip -json address": json.dumps([UP | {"mtu": mtu}])}
    undo.KINDS["mtu"][1](step, before, BOOT)
    assert changes(undo) == change


@pytest.mark.parametrize(("now", "gone"), [("02:00:5e:00:53:11", True), ("02:00:5e:00:53:99", False), ("", False)])
def test_a_neighbour_is_forgotten_only_while_it_is_the_faults(undo, now, gone):
    """Another fixed hardware address is somebody's choice."""
    step = LINK | {"undo": "neighbour", "address": "10.98.0.2", "lladdr": "02:00:5e:00:53:11"}
    undo.said = {"ip -json neighbour": json.dumps([{"lladdr": now}] if now else [])}
    undo.KINDS["neighbour"][1](step, None, BOOT)
    assert changes(undo) == (["ip neighbour delete 10.98.0.2 dev svc0"] if gone else [])


@pytest.mark.parametrize(("now", "after"), [("4000\t4000\n", "32768 60999"), ("1024\t60999\n", "1024\t60999\n")])
def test_a_setting_is_put_back_only_while_it_is_the_faults(undo, monkeypatch, tmp_path, now, after):
    """A range of ports that somebody has chosen since is kept."""
    file = tmp_path / "ip_local_port_range"
    file.write_text("32768\t60999\n")
    monkeypatch.setattr(undo, "_setting", lambda _key: file)
    step = {"undo": "net_setting", "key": "net.ipv4.ip_local_port_range", "value": "4000 4000"}
    before = undo.KINDS["net_setting"][0](step)
    file.write_text(now)
    undo.KINDS["net_setting"][1](step, before, BOOT)
    assert file.read_text() == after


def test_a_line_is_taken_out_of_the_host_names_and_everything_else_stays(undo, tmp_path):
    """What others have written since stays, with the mode of the file; without the line the file is not touched."""
    file = tmp_path / "hosts"
    file.write_text("127.0.0.1 localhost\n")
    file.chmod(0o640)
    step = {"undo": "hosts_line", "path": str(file), "line": "10.98.0.101 host.drill.test"}
    before = undo.KINDS["hosts_line"][0](step)
    file.write_text("127.0.0.1 localhost\n10.98.0.101 host.drill.test\n10.0.0.1 ours\n")
    undo.KINDS["hosts_line"][1](step, before, "another-boot")
    assert file.read_text() == "127.0.0.1 localhost\n10.0.0.1 ours\n"
    assert file.stat().st_mode & 0o777 == 0o640
    written = file.stat().st_ino
    undo.KINDS["hosts_line"][1](step, before, BOOT)
    assert file.stat().st_ino == written


@pytest.mark.parametrize("kind", ["nft", "qdisc", "link", "mtu", "addresses", "routes", "neighbour", "net_setting"])
def test_what_another_boot_has_made_is_left_alone(undo, kind):
    """The kernel forgets all of this at a boot: what is there afterwards is not the fault's, however much it looks like it."""
    undo.KINDS[kind][1]({"undo": kind}, None, "another-boot")
    assert undo.ran == []


def test_the_link_that_the_injector_came_over_is_refused(on_host, monkeypatch):
    """No step may touch the way to the host, whatever a contract says."""
    network = on_host("undo.network")
    monkeypatch.setenv("SSH_CONNECTION", "10.99.1.1 40000 10.99.1.2 22")
    monkeypatch.setattr(network, "run", lambda *_argv: json.dumps([{"dst": "10.99.1.1", "dev": "lo"}]))
    with pytest.raises(on_host("failures").Refused, match="way to this host"):
        network.KINDS["link"][0]({"undo": "link", "link": "lo"})


@pytest.fixture
def sights(on_host):
    """The sights of the network."""
    return on_host("sights.network")


@pytest.fixture
def echo():
    """A UDP socket on loopback whose owner sends back what the test says: a function of each datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as box:
        box.bind(("127.0.0.1", 0))
        box.settimeout(5)

        def answering(answer, count):
            def work():
                for _ in range(count):
                    data, caller = box.recvfrom(2048)
                    if said := answer(data):
                        box.sendto(said, caller)

            thread = threading.Thread(target=work)
            thread.start()
            return {"address": "127.0.0.1", "port": box.getsockname()[1]}, thread

        yield answering


@pytest.mark.parametrize(("lost", "seen"), [(0, False), (3, False), (4, True), (20, True)])
def test_a_share_of_lost_datagrams_is_counted(sights, echo, lost, seen):
    """Four of forty are a tenth, three are not."""
    where, thread = echo(lambda data: data if data[0] >= lost else b"", sights.DATAGRAMS)
    assert sights.KINDS["lost"][1]({**where, "bytes": 64, "at_least_ratio": 0.1}, None) is seen
    thread.join()


@pytest.mark.parametrize(("wait_s", "seen"), [(0.0, False), (0.15, True)])
def test_an_echo_that_comes_late_is_seen(sights, echo, wait_s, seen):
    """A round trip counts from its sending to its return."""
    pause = threading.Event()
    where, thread = echo(lambda data: pause.wait(wait_s) or data, 1)
    assert sights.KINDS["round_trip"][1]({**where, "at_least_s": 0.1}, None) is seen
    thread.join()


def test_an_echo_that_never_comes_is_lost_not_late(sights, echo, monkeypatch):
    """Silence is no delay."""
    monkeypatch.setattr(sights, "LATE_S", 0.05)
    where, thread = echo(lambda _data: b"", 1)
    assert sights.KINDS["round_trip"][1]({**where, "at_least_s": 0.01}, None) is False
    thread.join()


@pytest.mark.parametrize(("patience_s", "slow"), [(0.0, False), (0.3, True)])
def test_a_transfer_is_slow_when_the_other_end_has_not_taken_it_in_time(sights, patience_s, slow):
    """A megabyte at five a second has a fifth of a second; the end counts, not what fits into buffers."""
    pause = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as door:

        def work():
            caller, _ = door.accept()
            with caller:
                pause.wait(patience_s)
                while caller.recv(1 << 18):
                    pass

        thread = threading.Thread(target=work)
        thread.start()
        sight = {"address": "127.0.0.1", "port": door.getsockname()[1], "bytes": 1 << 20, "at_most_bytes_per_s": 5 << 20}
        assert sights.KINDS["slow_transfer"][1](sight, None) is slow
        thread.join()


def test_a_transfer_to_nobody_is_not_slow(sights):
    """Where nothing goes through, nothing goes through slowly."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    sight = {"address": "127.0.0.1", "port": port, "bytes": 1000, "at_most_bytes_per_s": 1000}
    assert sights.KINDS["slow_transfer"][1](sight, None) is False


@pytest.mark.parametrize(
    ("raised", "result"),
    [
        (None, "open"),
        (TimeoutError(), "timeout"),
        (OSError(errno.ECONNREFUSED, ""), "refused"),
        (OSError(errno.ENETUNREACH, ""), "unreachable"),
        (OSError(errno.EADDRNOTAVAIL, ""), "no_port"),
        (OSError(errno.EPERM, ""), "something else"),
    ],
)
def test_the_result_of_connecting_is_told_apart(sights, on_host, monkeypatch, raised, result):
    """Each reason has its own name, none is taken for another, and a host where it fails beforehand is refused."""

    class Line(socket.socket):
        def connect(self, _address):
            if raised:
                raise raised

    monkeypatch.setattr(sights.socket, "socket", Line)
    capture, seen = sights.KINDS["connect"]
    results = ("open", "timeout", "refused", "unreachable", "no_port")
    assert [each for each in results if seen({"address": "127.0.0.1", "port": 9, "result": each}, None)] == [
        each for each in results if each == result
    ]
    if raised:
        with pytest.raises(on_host("failures").Refused, match="should be before"):
            capture({"address": "127.0.0.1", "port": 9, "result": result})


def test_a_sight_that_is_there_before_the_fault_refuses_the_host(sights, on_host, monkeypatch):
    """A link that is down already cannot be seen to go down."""
    monkeypatch.setattr(sights, "run", lambda *_argv: json.dumps([{"ifname": "svc0", "flags": []}]))
    with pytest.raises(on_host("failures").Refused, match="so already"):
        sights.KINDS["link_down"][0]({"see": "link_down", "link": "svc0"})


def test_what_a_link_sends_is_read_from_its_ninth_figure(sights, monkeypatch, tmp_path):
    """Bytes sent are told from bytes received, and of one link only."""
    file = tmp_path / "dev"
    file.write_text("Inter-|\n  face |\n  lo: 1 0 0 0 0 0 0 0 2 0\nsvc0: 10 1 0 0 0 0 0 0 77 8 0 0 0 0 0 0\n")
    monkeypatch.setattr(sights, "Path", lambda _path: file)
    assert sights._sent_bytes("svc0") == 77
    assert sights._sent_bytes("eth9") == 0
