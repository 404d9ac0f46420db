"""Undos of the host's settings, name and timers on the host's own Python: what they put back, and what they leave alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HOST = Path(__file__).parents[3] / "playbooks" / "faults" / "common" / "host"
STEP = {"undo": "sysctl", "key": "net.core.somaxconn", "value": 4}
TIMER = {"undo": "enabled", "unit": "report.timer"}


@pytest.fixture
def on_host(monkeypatch):
    """Import a module of the host's part as the host does."""
    monkeypatch.syspath_prepend(str(HOST))
    before = set(sys.modules)
    yield __import__
    for name in set(sys.modules) - before:
        if str(HOST) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def undo(on_host):
    """The undos, as the host has them."""
    return on_host("undo")


@pytest.fixture
def setting(on_host, monkeypatch, tmp_path):
    """A kernel setting that nobody minds."""
    monkeypatch.setattr(on_host("settings"), "ROOT", tmp_path)
    file = tmp_path / "net/core/somaxconn"
    file.parent.mkdir(parents=True)
    file.write_text("4096\n")
    return file


@pytest.fixture
def timer(undo, monkeypatch, tmp_path):
    """A link by which a timer is enabled; nobody is told to look again."""
    monkeypatch.setattr(undo.system, "LOCAL_UNITS", tmp_path)
    monkeypatch.setattr(undo.system, "run", lambda *_: "")
    link = tmp_path / "timers.target.wants" / "report.timer"
    link.parent.mkdir(mode=0o750)
    link.symlink_to("/lib/systemd/system/report.timer")
    return link


def test_a_setting_gets_its_value_back(undo, setting):
    """While it has the fault's value, the revert writes the one from before."""
    before = undo.capture(STEP)
    setting.write_text("4\n")
    assert undo.revert(STEP, before, "") == "net.core.somaxconn: is 4096 again"
    assert setting.read_text() == "4096"


def test_a_setting_that_somebody_has_changed_again_is_kept(undo, setting):
    """A third value is a repair, whatever the fault's and the first one were."""
    before = undo.capture(STEP)
    setting.write_text("1024\n")
    assert "left alone" in undo.revert(STEP, before, "")
    assert setting.read_text() == "1024\n"


def test_a_setting_of_several_words_is_compared_by_its_words(on_host, setting):
    """The kernel separates them by tabs, people by blanks."""
    setting.write_text("4096\t131072\t6291456\n")
    sight = {"see": "sysctl", "key": "net.core.somaxconn", "value": "4096 131072 6291456"}
    assert on_host("sights").seen(sight, None)


def test_a_host_that_already_has_the_setting_or_lacks_it_is_refused(undo, setting):
    """Where the fault would change nothing, nothing is armed."""
    refused = undo.Refused
    setting.write_text("4\n")
    with pytest.raises(refused, match="already"):
        undo.capture(STEP)
    setting.unlink()
    with pytest.raises(refused, match="cannot be read"):
        undo.capture(STEP)


def test_a_host_gets_its_name_back_and_keeps_a_new_one(undo, monkeypatch):
    """Only the fault's name is replaced."""
    name = ["web-7"]
    monkeypatch.setattr(undo.system.socket, "gethostname", lambda: name[0])
    monkeypatch.setattr(undo.system.socket, "sethostname", lambda new: name.__setitem__(0, new))
    step = {"undo": "hostname", "name": "localhost"}
    before = undo.capture(step)
    name[0] = "localhost"
    undo.revert(step, before, "")
    assert name == ["web-7"]
    name[0] = "web-8"
    assert "left alone" in undo.revert(step, before, "")
    assert name == ["web-8"]


def test_a_timer_is_enabled_again_as_it_was(undo, timer):
    """The link comes back, in a directory with the mode it had, though systemd removed that with its last link."""
    before = undo.capture(TIMER)
    timer.unlink()
    timer.parent.rmdir()
    assert undo.revert(TIMER, before, "") == "report.timer: enabled again"
    assert str(timer.readlink()) == "/lib/systemd/system/report.timer"
    assert timer.parent.stat().st_mode & 0o7777 == 0o750


def test_a_timer_that_somebody_has_enabled_again_is_left_alone(undo, timer):
    """A link that is there is not replaced, wherever it leads."""
    before = undo.capture(TIMER)
    timer.unlink()
    timer.symlink_to("/etc/other.timer")
    assert "left alone" in undo.revert(TIMER, before, "")
    assert str(timer.readlink()) == "/etc/other.timer"


def test_a_timer_that_is_not_enabled_is_no_place_to_start(undo, timer):
    """Disabling it would change nothing."""
    timer.unlink()
    with pytest.raises(undo.Refused, match="not enabled"):
        undo.capture(TIMER)
