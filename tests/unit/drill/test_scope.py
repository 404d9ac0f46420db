"""What a host's owner allows, as the host itself reads it, and the guard that watches over it."""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

HOST = Path(__file__).parents[3] / "playbooks" / "faults" / "common" / "host"
MONDAY_NOON = time.struct_time((2026, 11, 30, 12, 0, 0, 0, 334, 0))
SUNDAY_NIGHT = time.struct_time((2026, 11, 29, 23, 30, 0, 6, 333, 0))
ABOUT = {
    "fault": "service_kill",
    "group": "process",
    "target": "nginx.service",
    "parameters": {"name": "metrics-agent", "port": 9100, "address": "10.1.2.3"},
    "breaks": [],
    "landed": [{"see": "main_process_gone", "unit": "nginx.service"}],
    "revert": [{"undo": "unit", "unit": "nginx.service"}],
}


@pytest.fixture
def on_host(monkeypatch):
    """Import a module of the host's part as the host does."""
    monkeypatch.syspath_prepend(str(HOST))
    before = set(sys.modules)
    yield __import__
    for name in set(sys.modules) - before:
        if "common/host" in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def allows(on_host, tmp_path):
    """Return a function that tells why a marker of some text does not allow the experiment, empty when it does."""
    scope, failures = on_host("scope"), on_host("failures")

    def why(text, about=ABOUT, now=MONDAY_NOON):
        marker = tmp_path / "chaos-allowed"
        marker.write_text(text)
        try:
            scope.check(marker, about, now)
        except failures.Refused as reason:
            return str(reason)
        return ""

    return why


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# anything goes\n",
        "faults = service_* disk_fill\n",
        "groups = process\ndays = mon-fri\nhours = 09:00-17:00",
        "hours = 08:00-12:30 20:00-23:00",
        "days = sat-mon",
        "hours = 22:00-13:00",
        "protect-units = postgresql* redis-server",
        "protect-ports = 22 5432 8000-8999",
        "protect-addresses = 192.168.0.0/16 2001:db8::/32",
    ],
)
def test_what_the_owner_allows_is_allowed(allows, text):
    """An empty marker allows everything, and lines that fit the experiment allow it; spans may go round the end."""
    assert allows(text) == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("faults = disk_*", "does not allow service_kill"),
        ("groups = disk network", "does not allow process"),
        ("days = sat-sun", "on this day (mon)"),
        ("hours = 20:00-06:00", "at this hour (12:00)"),
        ("hours = 09:00-12:00", "at this hour (12:00)"),
        ("protect-units = nginx", "protects the unit nginx.service"),
        ("protect-units = ngin?.service", "protects the unit nginx.service"),
        ("protect-ports = 9000-9200", "protects the port 9100"),
        ("protect-addresses = 10.0.0.0/8", "protects the address 10.1.2.3"),
    ],
)
def test_what_the_owner_does_not_allow_is_refused_with_the_reason(allows, text, says):
    """Faults, families, days, hours, units, ports and addresses: each line forbids what it does not name, or what it protects."""
    assert says in allows(text)


@pytest.mark.parametrize(
    "text",
    ["fault = service_kill", "faults service_kill", "faults =", "hours = 9-17", "hours = 25:00-26:00", "days = someday",
     "protect-ports = http", "protect-addresses = 10.0.0.0/99", "faults = a\nfaults = b", "faults = $(reboot)", "{}"],
)  # fmt: skip
def test_a_marker_that_cannot_be_understood_forbids_everything(allows, text):
    """A misspelt key, a bad value or a line given twice opens no door, and the refusal names the line."""
    assert ", line " in allows(text)


def test_a_narrow_marker_wants_to_know_which_fault_it_is(allows):
    """A request that does not say what it is about is refused where not everything is allowed."""
    assert "does not say which" in allows("faults = *", about={})
    assert allows("", about={}) == ""


def test_the_week_goes_round(allows):
    """Sunday night lies within sat-mon and within 22:00-06:00."""
    assert allows("days = sat-mon\nhours = 22:00-06:00", now=SUNDAY_NIGHT) == ""


class Listener:
    """A port that says something, until it is told to be silent."""

    def __init__(self, words):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.place = list(self.socket.getsockname())
        self.words = words
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                caller, _ = self.socket.accept()
            except OSError:
                return
            with caller:
                caller.sendall(self.words)

    def close(self):
        with suppress(OSError):  # closed already
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def ssh():
    listener = Listener(b"SSH-2.0-test\r\n")
    yield listener
    listener.close()


def test_the_guard_watches_only_what_worked_and_is_not_meant_to_break(on_host, monkeypatch, ssh):
    """What did not answer when the experiment was armed, and what the fault is for, is not held against it."""
    guard = on_host("guard")
    monkeypatch.setenv("SSH_CONNECTION", f"127.0.0.1 5 {ssh.place[0]} {ssh.place[1]}")
    monkeypatch.setattr(guard, "ORDERD", "/nowhere/orderd.sock")
    monkeypatch.setattr(guard, "_gateway", lambda: "")
    monkeypatch.setattr(guard, "_dns", lambda _place: True)
    monkeypatch.setitem(guard.CHECKS, "dns", guard._dns)
    watched = guard.capture([])
    assert watched["ssh"] == ssh.place
    assert "dns" in watched
    assert "grpc" not in watched
    assert "gateway" not in watched
    assert "dns" not in guard.capture(["dns"])
    assert "ssh" not in guard.capture(["ssh"])


def test_the_guard_takes_back_what_cuts_ssh(on_host, monkeypatch, ssh):
    """When SSH, which worked before, fails three times in a row, the revert is run within seconds and says why."""
    guard = on_host("guard")
    monkeypatch.setattr(guard, "PERIOD_S", 0.1)
    monkeypatch.setattr(guard.records, "load", lambda _file: {"guard": {"ssh": ssh.place}})
    ran = []
    monkeypatch.setattr(guard, "_take_back", lambda why: ran.append(why) or {"guard": why})
    watching = threading.Thread(target=guard.guard, daemon=True)
    watching.start()
    time.sleep(0.5)
    assert not ran
    ssh.close()
    watching.join(5)
    assert ran
    assert "ssh" in ran[0]


def test_something_else_on_the_port_is_not_ssh(on_host):
    """A port that answers with other words does not count as working."""
    guard = on_host("guard")
    web = Listener(b"HTTP/1.1 400\r\n")
    assert not guard._works("ssh", web.place)
    web.close()
