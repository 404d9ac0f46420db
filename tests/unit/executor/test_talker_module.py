"""The module that stops whoever fills a link, called as Python on a process of a test's own and on what ss(8) says."""

import importlib
import subprocess
import sys
from types import SimpleNamespace

import pytest

from repair_modules import importable

SS = """\
LISTEN 0      511          0.0.0.0:80        0.0.0.0:*    users:(("nginx",pid=77,fd=5),("nginx",pid=76,fd=5)) bbr cwnd:10
ESTAB  0      1020456    10.98.0.1:60360   10.98.0.2:9    users:(("python3",pid=233,fd=4)) bbr rtt:29.4/0.6 bytes_sent:{a} segs_out:6
ESTAB  0      0          10.98.0.1:60370   10.98.0.2:9    users:(("python3",pid=233,fd=5)) bbr bytes_sent:{b} bytes_acked:5
ESTAB  0      0          10.98.0.1:80      10.98.0.2:4141 users:(("nginx",pid=77,fd=7)) bbr bytes_sent:{c} bytes_acked:5
ESTAB  0      0   [::ffff:10.98.0.1]:50123 [::ffff:10.98.0.2]:443 users:(("java",pid=99,fd=7)) bbr bytes_sent:{d}
ESTAB  0      0          10.99.0.2:60371   10.98.0.2:9    users:(("python3",pid=233,fd=5)) bbr bytes_sent:7777777
TIME-WAIT 0   0          10.98.0.1:60001   10.98.0.2:9
"""  # noqa: E501  as it is said
HERE = {"10.98.0.1", "fe80::1"}


@pytest.fixture(scope="module", autouse=True)
def _modules():
    with importable():
        yield


@pytest.fixture
def talker():
    return importlib.import_module("orderd_talker")


def test_what_this_host_opened_over_the_link_is_summed_by_process(talker):
    """Not what it answers, nor what goes over other links; a process with two connections counts once."""
    before = talker.connections(SS.format(a=100, b=50, c=5, d=7), HERE)
    after = talker.connections(SS.format(a=1100, b=550, c=9000, d=27), HERE)
    assert talker.grown(before, after) == {233: 1500, 99: 20, 0: 0}
    assert talker.grown({}, after) == {233: 1650, 99: 27, 0: 0}


def test_the_addresses_are_those_of_the_link(talker):
    """As ip(8) tells them, with or without a peer."""
    assert talker.addresses([{}, {"addr_info": [{"local": "10.98.0.1"}, {"family": "inet6", "local": "fe80::1"}]}]) == HERE


@pytest.mark.parametrize(
    ("sent", "everything", "expected"),
    [
        ({1: 900_000, 2: 50_000}, 1_000_000, [1]),
        ({1: 300_000, 2: 300_000, 3: 10_000}, 1_000_000, [1, 2]),
        ({1: 900_000, 0: 50_000}, 0, [1]),
        ({1: 900_000}, 2_000_000, None),
        ({0: 900_000}, 1_000_000, None),
        ({1: 100_000}, 100_000, None),
        ({}, 5_000_000, None),
    ],
)
def test_only_who_sends_more_than_half_is_found(talker, sent, everything, expected):
    """By control group, and of it those that matter; a link that is nearly idle, or others fill, has no such sender."""
    if expected is None:
        with pytest.raises(talker.NotTheCaseError):
            talker.talkers(sent, everything, 1.0, lambda _pid: "one")
    else:
        assert talker.talkers(sent, everything, 1.0, lambda _pid: "one") == expected


def test_control_groups_are_told_apart(talker):
    """Two that send a third each are nobody's majority."""
    with pytest.raises(talker.NotTheCaseError, match="half"):
        talker.talkers({1: 400_000, 2: 400_000, 3: 400_000}, 0, 1.0, str)


@pytest.fixture
def sender(talker, monkeypatch):
    """A process that is said to fill the link."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        monkeypatch.setattr(talker, "measure", lambda _module: ({process.pid: 12_000_000}, 12_500_000, 1.0))
        yield process
        process.kill()


def module(**more):
    return SimpleNamespace(params={"link": "svc0", "protected_units": []}, check_mode=False, **more)


def test_who_fills_the_link_is_stopped(talker, sender):
    """For certain; a dry run only says so."""
    dry = module()
    dry.check_mode = True
    assert "would stop" in talker.silence(dry)[0]
    assert sender.poll() is None
    assert talker.silence(module())[0].startswith(f"process {sender.pid} ")
    assert sender.wait(1) != 0


def test_who_may_not_be_stopped_is_left_alone(talker, sender, monkeypatch):
    """A protected unit's process fills it: that is for people."""
    monkeypatch.setattr("ansible.module_utils.orderd_process.units_of", lambda _pid: ["ssh.service"])
    refused = module()
    refused.params["protected_units"] = ["ssh.service"]
    with pytest.raises(talker.NotTheCaseError, match=r"ssh\.service"):
        talker.silence(refused)
    assert sender.poll() is None


def test_without_ss_it_says_what_is_missing(talker, monkeypatch, tmp_path):
    """In words that help."""
    monkeypatch.setattr(talker, "TOOLS_PATH", str(tmp_path))
    with pytest.raises(talker.ToolFailedError, match="iproute2"):
        talker.run(module(), "ss", "-tanipHO")
