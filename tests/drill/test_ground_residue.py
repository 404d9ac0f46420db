"""Disposable hosts: nothing is left, however they end."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time

import pytest

from ordertrainer.ground import DisposableHost, Ground, GroundError, missing_packages, names, reap, residue
from ordertrainer.ground.ledger import Ledger

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]
OWNER = """
import sys, time
from ordertrainer.ground import DisposableHost, unwinding
with unwinding(), DisposableHost.up(sys.argv[1], say=lambda line: print(line, flush=True)):
    time.sleep(60)
"""
MOMENTS = (("mounting", 0.0), ("mounting", 0.05), ("booting", 0.0), ("booting", 0.3), ("up at", 0.0))


def started(name, moment, after_s):
    """Start an owner and return it `after_s` seconds after it said `moment`."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, name],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A job in the background ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here yet
    )
    for line in owner.stdout:
        if moment in line:
            break
    time.sleep(after_s)
    return owner


def ended(owner):
    """Wait for the owner's end and return its exit status."""
    owner.communicate(timeout=30)
    return owner.returncode


def index_of(name):
    """Return the number of a host that is up or half-way there."""
    return Ledger.load(Ground().host_dir(name) / "ledger.json").record.index


def test_a_host_that_was_taken_down_leaves_nothing():
    """After `down` no mount, loop device, cgroup, process, link or directory is left; `down` twice is harmless."""
    host = DisposableHost.up()
    name, index = host.name, host.index
    held = residue(name, index)
    host.down()
    host.down()
    assert {line.split()[0] for line in held} >= {"mount", "loop", "cgroup", "process", "link", "directory"}
    assert residue(name, index) == []


@pytest.mark.parametrize(("moment", "after_s"), MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_owner_cleans_up_itself(number, moment, after_s):
    """Ctrl-C and SIGTERM at any moment of `up` leave nothing, and nobody else has to help."""
    name = f"drill-{secrets.token_hex(4)}"
    owner = started(name, moment, after_s)
    index = index_of(name)
    owner.send_signal(number)
    assert ended(owner) != 0
    assert residue(name, index) == []


def test_a_host_that_nobody_takes_down_goes_with_its_process():
    """A host that came up in the very moment a signal came, before anybody held it, is gone when its process is."""
    name = f"drill-{secrets.token_hex(4)}"
    careless = "import sys; from ordertrainer.ground import DisposableHost; DisposableHost.up(sys.argv[1]); sys.exit(3)"
    assert subprocess.run([sys.executable, "-c", careless, name], check=False).returncode == 3
    assert residue(name) == []


@pytest.mark.parametrize(("moment", "after_s"), MOMENTS)
def test_what_a_killed_owner_left_is_reaped(moment, after_s):
    """After kill -9 of the owner at any moment of `up`, `reap` finds the host by its dead owner and leaves nothing."""
    name = f"drill-{secrets.token_hex(4)}"
    owner = started(name, moment, after_s)
    index = index_of(name)
    owner.kill()
    ended(owner)
    assert name in reap()
    assert residue(name, index) == []


def test_a_living_owners_host_is_not_reaped():
    """`reap` leaves hosts alone whose owner lives, and those that were asked to stay."""
    with DisposableHost.up(keep=True) as kept, DisposableHost.up() as owned:
        assert not {kept.name, owned.name} & set(reap())
        assert {kept.name, owned.name} <= set(names(Ground()))


def test_a_name_or_index_in_use_is_refused_and_its_holder_untouched():
    """A second host cannot take the name or number of the first, and failing to does not hurt the first."""
    with DisposableHost.up() as first:
        with pytest.raises(GroundError, match="is up already"):
            DisposableHost.up(first.name)
        with pytest.raises(GroundError, match="is taken"):
            DisposableHost.up(index=first.index)
        assert first.exec(["systemctl", "is-active", "nginx"]).stdout.strip() == "active"


def test_a_failing_step_gives_everything_back(monkeypatch):
    """An error in the middle of `up` is raised, and what was acquired before it is given back."""
    monkeypatch.setattr("ordertrainer.ground.network.assert_no_way_out", lambda _pid: 1 / 0)
    name = f"drill-{secrets.token_hex(4)}"
    with pytest.raises(ZeroDivisionError):
        DisposableHost.up(name)
    assert residue(name) == []
