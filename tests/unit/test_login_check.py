"""The program that asks sshd and sudo, with programs of the test's own in their place."""

import json
import stat
import subprocess
import sys

import pytest

from orderd import login_check


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Return a function that makes a program that says something and ends as told."""
    monkeypatch.setattr(login_check, "SETTLE_S", 0.0)
    monkeypatch.setattr(login_check, "STATE", tmp_path / "state.json")
    monkeypatch.setattr(login_check, "WATCHED", (tmp_path / "config", tmp_path / "nothing"))
    (tmp_path / "config").write_text("good")

    def make(name, script):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return (str(path), "-t")

    return make


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 0", ""),
        ("echo 'line 3: Deprecated option' >&2; exit 0", ""),
        ("printf '/etc/x: line 3: Bad\\r\\n' >&2; echo more >&2; exit 255", "/etc/x: line 3: Bad"),
        ("echo on stdout; exit 1", "on stdout"),
        ("exit 3", "exit status 3"),
        ("echo 'Missing privilege separation directory: /run/sshd' >&2; exit 255", ""),
        ("kill -9 $$", "exit status -9"),
    ],
)
def test_a_complaint_is_the_first_line_of_a_program_that_failed(programs, script, expected):
    """A warning of a program that is satisfied is none, nor is what only a running server could have."""
    assert login_check.complaint(programs("check", script)) == expected


def test_a_program_that_is_not_installed_says_nothing(programs, monkeypatch, tmp_path):
    """Nothing is claimed of what nobody could ask."""
    monkeypatch.setattr(login_check, "CHECKS", {"sshd": (str(tmp_path / "missing"),), "sudo": programs("sudo", "exit 1")})
    assert login_check.main() == 0
    assert json.loads(login_check.STATE.read_text()) == {"sudo": "exit status 1"}
    assert stat.S_IMODE(login_check.STATE.stat().st_mode) == 0o644


def test_what_changed_while_it_was_looked_at_is_looked_at_again(programs, monkeypatch, tmp_path):
    """The path unit is deaf while the check runs."""
    script = f"grep -q good {tmp_path}/config || exit 0; echo bad >{tmp_path}/config; echo broken >&2; exit 1"
    monkeypatch.setattr(login_check, "CHECKS", {"sshd": programs("sshd", script)})
    assert login_check.look() == {"sshd": ""}


def test_a_host_that_never_rests_is_told_of_all_the_same(programs, monkeypatch, tmp_path):
    """The rounds are bounded."""
    script = f"mv {tmp_path}/config {tmp_path}/old; cp {tmp_path}/old {tmp_path}/config; echo x >>{tmp_path}/rounds; exit 1"
    monkeypatch.setattr(login_check, "CHECKS", {"sshd": programs("sshd", script)})
    assert login_check.look() == {"sshd": "exit status 1"}
    assert len((tmp_path / "rounds").read_text().splitlines()) == login_check.ROUNDS_MAX


def test_it_needs_little_to_start():
    """It imports neither the daemon nor anything that is not the standard library."""
    program = "import sys, orderd.login_check; print(*(m for m in sys.modules if m.startswith(('orderd', 'psutil', 'msgspec'))))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["orderd", "orderd.login_check"]
