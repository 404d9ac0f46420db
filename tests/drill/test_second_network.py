"""The second network of a disposable host: it is there after the boot, ends inside the host, and faults on it can be mended."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
import testinfra

from ordertrainer.chaos import draw, load_faults
from ordertrainer.ground import GroundError, missing_packages
from ordertrainer.ground.network import assert_no_way_out

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]
FAULTS_DIR = Path(__file__).parents[2] / "playbooks" / "faults"
FAULTS = load_faults(FAULTS_DIR).faults
PEER, BEYOND = "10.98.0.2", "10.97.0.1"
ROUTE = "10.97.0.0/24 via 10.98.0.2 dev svc0"


@pytest.fixture
def experiment(injector, request):
    """A fault that has landed, and is reverted at the end if the test has not done it."""
    drawn = draw(random.Random(5), FAULTS[request.param])
    injector.inject(drawn)
    try:
        assert injector.landed(drawn)
        yield drawn
    finally:
        injector.revert(drawn)


def asked(inside, address):
    """Return what the web server at an address says, empty when it cannot be reached."""
    return inside.run("curl -s --max-time 2 http://%s/", address).stdout.strip()


@pytest.mark.parametrize("address", [PEER, BEYOND])
def test_the_peer_answers_beside_the_way_to_the_host(inside, address):
    """The peer and what lies beyond it answer over svc0, and nothing of that goes over host0."""
    assert asked(inside, address) == "ok"
    assert f"{address} " in (route := inside.check_output("ip route get %s", address))
    assert "dev svc0" in route


def test_the_peer_echoes_and_tells_the_time(inside):
    """Datagrams come back, and the time service has a source that it can select, without setting the clock."""
    script = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2);"
        f" s.connect(('{PEER}', 7)); s.send(b'hello'); print(s.recv(9).decode())"
    )
    assert inside.check_output("python3 -c %s", script) == "hello"
    deadline = time.monotonic() + 20
    while "^*" not in (sources := inside.run("chronyc -n sources").stdout) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert f"^* {PEER}" in sources


def test_nothing_gets_out_at_the_far_end(clone, inside):
    """The peer's namespace knows its cable and nothing else: neither this machine nor anybody else can be reached from there."""
    beyond = "ip -n peer"
    (route,) = inside.check_output(f"{beyond} -4 route show table main").splitlines()
    assert route.startswith("10.98.0.0/24 dev peer0 ")
    for address in ("192.0.2.1", clone.gateway, clone.address):
        assert inside.run(f"{beyond} route get {address}").rc != 0
    assert_no_way_out(clone.init_pid)


@pytest.mark.parametrize(
    ("add", "remove"),
    [
        ("ip -n peer route add default via 10.98.0.9", "ip -n peer route delete default"),
        ("ip route add default via 10.98.0.2", "ip route delete default"),
        ("ip -n peer link add out type veth peer name in", "ip -n peer link delete out"),
    ],
)
def test_a_way_out_over_the_second_network_is_found(clone, inside, add, remove):
    """A route on from the far end, a default route over svc0, or another link beside the far end: the host is refused."""
    inside.check_output(add)
    try:
        with pytest.raises(GroundError, match="must not reach anything but its drill"):
            assert_no_way_out(clone.init_pid)
    finally:
        inside.check_output(remove)
    assert_no_way_out(clone.init_pid)


def test_the_second_network_can_be_laid_anew(inside):
    """A restart of its unit brings the cable, the addresses, the route and the peer back."""
    inside.check_output("systemctl restart drill-network drill-peer")
    assert ROUTE in [line.strip() for line in inside.check_output("ip -4 route").splitlines()]
    deadline = time.monotonic() + 5
    while asked(inside, BEYOND) != "ok" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert asked(inside, BEYOND) == "ok"


@pytest.mark.parametrize(
    "experiment", ["net_partition", "net_ingress_dropped", "nic_down", "net_egress_saturated"], indirect=True
)
def test_the_way_to_the_host_stays_open(experiment, clone, inside):
    """Whatever happens on svc0, the host answers over its first cable without delay."""
    began = time.monotonic()
    assert asked(testinfra.get_host("local://"), clone.address) == "drill"
    assert inside.check_output("echo here") == "here"
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("experiment", ["net_loss"], indirect=True)
def test_a_rule_that_somebody_added_to_the_faults_table_stays(experiment, injector, inside):
    """The revert removes its own rule and leaves theirs, with the table that holds it."""
    table = experiment.parameters["name"]
    inside.check_output(f"nft add rule inet {table} in tcp dport 22 accept")
    injector.revert(experiment)
    left = inside.check_output(f"nft list table inet {table}")
    inside.check_output(f"nft delete table inet {table}")
    assert "dport 22 accept" in left
    assert "numgen" not in left


@pytest.mark.parametrize("experiment", ["net_rate_squeezed"], indirect=True)
def test_a_queue_that_somebody_changed_stays(experiment, injector, inside):
    """A rate that a person has raised since is theirs, not the fault's."""
    inside.check_output("tc qdisc change dev svc0 root handle 7a1: tbf rate 90mbit burst 64kb latency 50ms")
    injector.revert(experiment)
    left = inside.check_output("tc qdisc show dev svc0")
    inside.check_output("tc qdisc delete dev svc0 root")
    assert "90Mbit" in left


@pytest.mark.parametrize("experiment", ["route_gone"], indirect=True)
def test_a_route_that_somebody_made_instead_stays(experiment, injector, inside):
    """Another route to the same destination is a repair."""
    inside.check_output("ip route add 10.97.0.0/24 via 10.98.0.2 dev svc0 mtu 1400")
    injector.revert(experiment)
    left = inside.check_output("ip -4 route show 10.97.0.0/24")
    inside.check_output(f"ip route replace {ROUTE}")
    assert "mtu 1400" in left


@pytest.mark.parametrize("experiment", ["nic_down"], indirect=True)
def test_a_link_that_was_mended_halfway_gets_the_rest_back(experiment, injector, inside):
    """When somebody has set the link up, the revert adds the route that went with it."""
    inside.check_output("ip link set svc0 up")
    assert asked(inside, BEYOND) == ""
    injector.revert(experiment)
    assert asked(inside, BEYOND) == "ok"


@pytest.mark.parametrize("experiment", ["nic_down"], indirect=True)
def test_a_new_boot_finds_the_network_as_it_was(experiment, clone, injector, inside):
    """After a power cut the network is whole by itself, and the revert at boot leaves it and nothing of its own."""
    clone.power_cycle()
    deadline = time.monotonic() + 15
    while inside.run("ls -d /var/lib/orderd-chaos").rc == 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert inside.run("ls -d /var/lib/orderd-chaos").rc != 0
    assert asked(inside, BEYOND) == "ok"
    assert inside.check_output("systemctl is-system-running") == "running"
