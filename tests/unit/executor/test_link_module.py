"""The module that restores links, called as Python in a network of the test's own."""

import importlib
import json
import os
import subprocess
from types import SimpleNamespace

import pytest

from networks import own_network, said, sh
from orderd.config.schema import Config
from orderd.sampling.known_good import links
from repair_modules import importable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="records have to be root's: run as root")
LLADDR = "02:00:5e:00:53:0a"
TBF = "tc qdisc add dev net0 root tbf rate 1mbit burst 8kb latency 50ms"


@pytest.fixture(scope="module", autouse=True)
def _modules():
    with importable():
        yield


@pytest.fixture
def mender(tmp_path):
    """A network with one link, net0, recorded; what mends it by the module, and gives back."""
    with own_network():
        links.capture(Config(), tmp_path, keep=False)
        yield Mender(importlib.import_module("orderd_link"), tmp_path)


class Mender:
    """Calls the module on net0 as Ansible would."""

    def __init__(self, link, folder):
        self.link = link
        self.folder = folder

    def _module(self, *, dry_run=False, name="net0"):
        def run_command(command, **_):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout, done.stderr

        params = {"link": name, "known_good": str(self.folder), "quarantine": str(self.folder / "quarantine" / "r1")}
        return SimpleNamespace(params=params, check_mode=dry_run, run_command=run_command)

    def mend(self, what, **how):
        return self.link.RESTORE[what](self.link.Link(self._module(**how)))

    def give_back(self, what, **how):
        return self.link.RETURN[what](self.link.Link(self._module(**how)))

    def record(self, change):
        """Change what was recorded."""
        file = self.folder / links.LINKS
        known = json.loads(file.read_text())
        change(known["net0"])
        file.write_text(json.dumps(known))


def state():
    """Return everything that is said of the network but its counters."""
    told = [
        said(f"ip -json {words}") for words in ("address show", "-4 route show", "-6 route show", "neighbour show nud permanent")
    ]
    return [*map(json.loads, told), json.loads(said("tc -json qdisc show"))]


@pytest.mark.parametrize("what", ["up", "addresses", "routes", "mtu", "queueing", "neighbours"])
def test_a_link_that_is_as_recorded_is_left_alone(mender, what):
    """Every repair says that its cause is not there, and changes nothing."""
    before = state()
    with pytest.raises(mender.link.NotTheCaseError):
        mender.mend(what)
    assert state() == before
    assert not (mender.folder / "quarantine").exists()


@pytest.mark.parametrize(
    ("what", "commands", "done"),
    [
        ("up", ["ip link set net0 down"], ["up", "fd00::1/64", "10.97.0.0/24", "default"]),
        ("addresses", ["ip address delete 10.1.0.1/24 dev net0"], ["10.1.0.1/24", "10.97.0.0/24"]),
        ("addresses", ["ip -6 address delete fd00::1/64 dev net0"], ["fd00::1/64"]),
        ("routes", ["ip route delete 10.97.0.0/24", "ip -6 route delete default"], ["10.97.0.0/24", "default"]),
        ("mtu", ["ip link set net0 mtu 1400"], ["MTU 1500 instead of 1400"]),
        ("queueing", [TBF], ["tbf taken away"]),
        ("queueing", [TBF, "tc qdisc add dev net0 ingress"], ["tbf taken away", "ingress taken away"]),
        ("queueing", ["tc qdisc add dev net0 clsact"], ["clsact taken away"]),
        (
            "neighbours",
            [f"ip neighbour add 10.1.0.2 lladdr {LLADDR} dev net0 nud permanent"],
            [f"10.1.0.2 at {LLADDR} forgotten"],
        ),
    ],
)
def test_what_was_broken_is_as_before(mender, what, commands, done):
    """A dry run says what would be done and does nothing; a second run finds nothing to do."""
    healthy = state()
    sh(*commands)
    broken = state()
    mender.mend(what, dry_run=True)
    assert state() == broken
    assert mender.mend(what) == done
    assert state() == healthy
    with pytest.raises(mender.link.NotTheCaseError):
        mender.mend(what)


def test_what_is_different_and_works_is_left_alone(mender):
    """Another address of the family, another gateway, a route over another link, a route more."""
    sh(
        "ip address add 10.3.0.7/24 dev net0",
        "ip address delete 10.1.0.1/24 dev net0",
        "ip route replace 10.97.0.0/24 via 10.3.0.1",
        "ip address add fd05::1/64 dev far0 nodad",
        "ip -6 route delete default",
        "ip -6 route add default via fd05::2 dev far0",
        "ip route add 10.98.0.0/24 via 10.3.0.1",
    )
    before = state()
    for what in ("up", "addresses", "routes"):
        with pytest.raises(mender.link.NotTheCaseError):
            mender.mend(what)
    assert state() == before


def test_an_address_that_was_leased_is_not_taken(mender):
    """Somebody else may have it by now; the route that needs it waits for it."""
    mender.record(lambda link: [each.update(leased=True) for each in link["addresses"]])
    sh("ip address delete 10.1.0.1/24 dev net0")
    with pytest.raises(mender.link.NotTheCaseError, match="was leased"):
        mender.mend("addresses")
    sh("ip link set net0 down")
    assert mender.mend("up") == ["up"]
    with pytest.raises(mender.link.LinkFailedError, match="route add"):
        mender.mend("routes")


def test_a_route_comes_back_with_everything_that_was_recorded_of_it(mender):
    """Metric, source and protocol; without the source where that address is another one by now."""
    sh("ip route replace 10.97.0.0/24 via 10.1.0.2 proto static src 10.1.0.1 metric 7", "ip route delete 10.97.0.0/24 metric 0")
    links.capture(Config(), mender.folder, keep=False)
    healthy = state()
    sh("ip route delete 10.97.0.0/24 metric 7")
    mender.mend("routes")
    assert state() == healthy
    sh("ip address add 10.1.0.7/16 dev net0", "ip address delete 10.1.0.1/24 dev net0")
    assert mender.mend("routes") == ["10.97.0.0/24"]
    assert " ".join(said("ip route show 10.97.0.0/24").split()) == "10.97.0.0/24 via 10.1.0.2 dev net0 proto static metric 7"


def test_routes_wait_until_the_kernel_trusts_the_address(mender):
    """An IPv6 address is first asked for; a route that sends from it comes after that."""
    sh("ip -6 address delete fd00::1/64 dev net0", "ip -6 address add fd00::7/64 dev net0 nodad")
    sh("ip -6 route replace default via fd00::2 dev net0 src fd00::7 metric 50")
    links.capture(Config(), mender.folder, keep=False)
    mender.record(lambda link: [each.update(nodad=False) for each in link["addresses"]])
    sh("ip link set net0 down")
    assert mender.mend("up") == ["up", "fd00::7/64", "10.97.0.0/24", "default"]


def test_a_cable_is_not_mended(mender):
    """A link that is up and has no carrier is for a person, and so is one that was down when it was recorded."""
    sh("ip link set far0 down")
    with pytest.raises(mender.link.NotTheCaseError, match="no carrier"):
        mender.mend("up")
    sh("ip link set net0 down")
    mender.record(lambda link: link.update(up=False))
    with pytest.raises(mender.link.NotTheCaseError, match="was down when"):
        mender.mend("up")
    with pytest.raises(mender.link.NotTheCaseError, match="is down"):
        mender.mend("routes")


def test_a_queue_of_somebodys_own_is_not_made_up(mender):
    """Its settings are not recorded; and what a program is attached to belongs to somebody."""
    mender.record(lambda link: link["queueing"].update(root="htb", own=True))
    sh(TBF)
    before = state()
    with pytest.raises(mender.link.NotTheCaseError, match="somebody's own"):
        mender.mend("queueing")
    mender.record(lambda link: link["queueing"].update(root="pfifo_fast", own=False))
    sh("tc qdisc delete dev net0 root")
    with pytest.raises(mender.link.NotTheCaseError, match="kernel's own choice"):
        mender.mend("queueing")
    sh(TBF)
    assert state()[:4] == before[:4]


def test_programs_on_a_link_stay(mender, monkeypatch):
    """What filters by programs is left to a person."""
    sh("tc qdisc add dev net0 clsact")
    before = state()
    told = mender.link.Link.told
    bpf = [{"protocol": "all", "kind": "bpf"}]
    monkeypatch.setattr(
        mender.link.Link, "told", lambda link, tool, *words: bpf if "filter" in words else told(link, tool, *words)
    )
    with pytest.raises(mender.link.NotTheCaseError, match="programs are attached"):
        mender.mend("queueing")
    assert state() == before


def test_an_mtu_is_given_back_unless_somebody_has_set_another(mender):
    """The undo knows what was there, and never overwrites what came after the repair."""
    assert mender.give_back("mtu") == []
    sh("ip link set net0 mtu 1400")
    mender.mend("mtu")
    assert mender.give_back("mtu", dry_run=True) == ["MTU 1400"]
    assert mender.give_back("mtu") == ["MTU 1400"]
    assert state()[0][-1]["mtu"] == 1400
    sh("ip link set net0 mtu 1300")
    assert mender.give_back("mtu") == []


def test_neighbours_that_were_recorded_stay_and_the_others_can_be_given_back(mender):
    """One that was fixed to another address is fixed as recorded; one that somebody fixed since is left alone by the undo."""
    fix = "ip neighbour replace 10.1.0.{} lladdr 02:00:5e:00:53:{} dev net0 nud permanent".format
    sh(fix(2, "02"), fix(3, "03"))
    links.capture(Config(), mender.folder, keep=False)
    healthy = state()
    sh(fix(3, "aa"), fix(4, "04"), fix(5, "05"))
    broken = state()
    assert len(mender.mend("neighbours")) == 3
    assert state() == healthy
    assert len(mender.give_back("neighbours")) == 3
    assert state() == broken
    mender.mend("neighbours")
    sh(fix(4, "bb"))
    assert len(mender.give_back("neighbours")) == 2


def test_a_record_that_is_not_roots_alone_is_not_believed(mender):
    """Nor one that is missing; a link that is not in it is not this repair's."""
    with pytest.raises(mender.link.NotTheCaseError, match="not in the known-good record"):
        mender.mend("up", name="far0")
    (mender.folder / links.LINKS).chmod(0o666)
    with pytest.raises(mender.link.RecordRefusedError):
        mender.mend("up")
    (mender.folder / links.LINKS).unlink()
    with pytest.raises(mender.link.RecordRefusedError, match="orderd known-good"):
        mender.mend("up")


def test_a_host_without_its_tools_is_told_what_to_install(mender, monkeypatch):
    """The message names the Debian package."""
    monkeypatch.setattr(mender.link, "TOOLS_PATH", str(mender.folder))
    with pytest.raises(mender.link.LinkFailedError, match="Debian package iproute2"):
        mender.mend("mtu")
