"""The module that moves filter rules away, against nft itself in a network namespace of the test's own."""

import importlib
import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from repair_modules import importable

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/usr/sbin/nft").exists(), reason="needs nft, and records have to be root's: run as root"
)
GOOD = """
table inet house {
    set friends { type inet_service; elements = { 22, 80 }; }
    chain in {
        type filter hook input priority 0; policy accept;
        tcp dport { 25, 80 } counter drop
        tcp dport 22 accept
    }
}
"""
SITE = (
    'table inet site { chain in { type filter hook input priority 10; policy accept; iifname != "host0" tcp dport 80 drop; }; }'
)
LISTENS = "tcp 127.0.0.1:80"


@pytest.fixture(scope="module", autouse=True)
def _modules():
    with importable():
        yield


@pytest.fixture
def host(tmp_path):
    """Return what runs the module on rules of its own: with what is good loaded and recorded."""
    filters = importlib.import_module("orderd_filters")
    held = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec sleep 60"], stdout=subprocess.PIPE)
    held.stdout.readline()

    def run_command(command, *, data=None, check_rc=False):
        inside = ["nsenter", "--target", str(held.pid), "--net", *command]
        done = subprocess.run(inside, input=data, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check_rc, (command, done.stderr)
        return done.returncode, done.stdout, done.stderr

    def nft(*words):
        return run_command(["/usr/sbin/nft", *words], check_rc=True)[1]

    def act(name, *, listens=(LISTENS,), check_mode=False):
        params = {
            "listens": listens,
            "known_good": str(tmp_path),
            "quarantine": str(tmp_path / "quarantine" / "r1"),
        }
        module = SimpleNamespace(params=params, check_mode=check_mode, run_command=run_command)
        return getattr(filters.Filters(module), name)()

    nft(GOOD)
    (tmp_path / "nft.json").write_text(nft("--json", "--terse", "list", "ruleset"))
    yield SimpleNamespace(nft=nft, restore=lambda **how: act("restore", **how), undo=lambda **how: act("give_back", **how))
    held.kill()
    held.wait()
    held.stdout.close()


def ruleset(host):
    return host.nft("--stateless", "list", "ruleset")


def test_rules_that_are_as_recorded_are_left_alone(host):
    """Also one that blocks the very port: it was there when all was well."""
    before = ruleset(host)
    assert host.restore() == []
    assert ruleset(host) == before


def test_a_foreign_table_that_only_blocks_goes_and_comes_back(host):
    """Once; a dry run does nothing, and the undo loads it as it was, but not over another of that name."""
    good = ruleset(host)
    host.nft(SITE)
    blocked = ruleset(host)
    assert host.restore(check_mode=True) == ["table inet site"]
    assert ruleset(host) == blocked
    assert host.restore() == ["table inet site"]
    assert ruleset(host) == good
    assert host.restore() == []
    assert host.undo(check_mode=True) == ["table inet site"]
    assert host.undo() == ["table inet site"]
    assert ruleset(host) == blocked
    assert host.undo() == []


def test_a_rule_among_others_goes_alone_and_comes_back_to_its_place(host):
    """In a recorded table, and in a foreign one that does something else as well."""
    host.nft("insert rule inet house in tcp dport 80 reject")
    host.nft("add rule inet house in index 1 tcp dport 80-90 drop")
    host.nft(SITE)
    host.nft("add rule inet site in tcp dport 443 drop")
    before = ruleset(host)
    moved = host.restore()
    assert moved == ["a rule of inet house in", "a rule of inet house in", "a rule of inet site in"]
    assert "tcp dport 443 drop" in ruleset(host)
    assert "reject" not in ruleset(host)
    assert "80-90" not in ruleset(host)
    assert "tcp dport { 25, 80 } counter" in ruleset(host)
    assert host.undo() == moved
    assert ruleset(host) == before


@pytest.mark.parametrize(
    "rule",
    [
        "tcp dport 81 drop",
        "tcp dport != 80 drop",
        "udp dport 80 drop",
        "ip saddr 10.0.0.0/8 tcp dport 80 drop",
        'iifname "eth0" tcp dport 80 drop',
        "tcp dport 80 accept",
        "tcp dport 80 limit rate over 5/second drop",
        "ip saddr 127.0.0.1 drop",
        "meta mark 7 tcp dport 80 drop",
        "tcp dport >= 81 drop",
        "ip6 saddr ::1 tcp dport 80 drop",
    ],
)
def test_what_does_not_surely_block_the_probe_stays(host, rule):
    """Another port, other callers, another way in, or something that cannot be judged: it may be a filter with a reason."""
    host.nft(f"add rule inet house in {rule}")
    before = ruleset(host)
    assert host.restore() == []
    assert ruleset(host) == before


@pytest.mark.parametrize(
    "rule",
    [
        "tcp dport { 70-90, 443 } drop",
        "tcp dport @friends drop",
        "tcp dport < 1024 counter drop",
        "tcp dport != 22 reject",
        "ip daddr 127.0.0.0/8 tcp dport 80 log drop",
        "ct state new tcp dport 80 drop",
        "ct state { established, new } tcp dport 80 drop",
        'oifname "lo" tcp sport 80 drop',
        "meta l4proto tcp th dport 80 drop",
    ],
)
def test_what_surely_blocks_the_probe_is_moved(host, rule):
    """However it says so."""
    before = ruleset(host)
    host.nft(f"add rule inet house in {rule}")
    assert host.restore() == ["a rule of inet house in"]
    assert ruleset(host) == before


def test_what_is_forwarded_is_nobodys_probe(host):
    """A rule for other hosts' traffic says nothing of what this one says to itself."""
    host.nft("table inet site { chain f { type filter hook forward priority 0; tcp dport 80 drop; }; }")
    assert host.restore() == []


def test_udp_and_ipv6_are_asked_as_what_they_are(host):
    """Each probe by its own protocol and address."""
    host.nft(
        "table inet site { chain in { type filter hook input priority 0; udp dport 53 drop; ip6 daddr ::1 tcp dport 80 drop; }; }"
    )
    assert host.restore() == []
    assert host.restore(listens=("udp 127.0.0.53:53",)) == ["a rule of inet site in"]
    assert host.restore(listens=("tcp [::1]:80",)) == ["table inet site"]


def test_without_a_probe_or_nft_or_a_record_nothing_is_moved(host, tmp_path, monkeypatch):
    """Nobody knows where the service has to answer, or what was there."""
    filters = importlib.import_module("orderd_filters")
    host.nft(SITE)
    before = ruleset(host)
    assert host.restore(listens=()) == []
    (tmp_path / "nft.json").chmod(0o666)
    with pytest.raises(filters.RecordRefusedError):
        host.restore()
    (tmp_path / "nft.json").unlink()
    with pytest.raises(filters.RecordRefusedError):
        host.restore()
    monkeypatch.setattr(filters, "NFT", "/nowhere/nft")
    assert host.restore() == []
    assert ruleset(host) == before


def test_what_was_moved_can_be_read_by_people(host, tmp_path):
    """The table as nft writes it, before anything was touched."""
    host.nft(SITE)
    host.restore()
    kept = tmp_path / "quarantine" / "r1"
    assert "tcp dport 80 drop" in (kept / "nft-before.nft").read_text()
    assert list(json.loads((kept / "nft-moved.json").read_text())["tables"]) == ["inet site"]
