"""What a fault does to units: what is seen of it from outside, and when the revert leaves a unit alone."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

HOST = Path(__file__).parents[3] / "playbooks" / "faults" / "common" / "host"
UNIT = "nginx.service"


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
def units(on_host, monkeypatch):
    """The undos of units, with a systemd that only takes down what it is asked."""
    module = on_host("undo").units
    module.asked, module.state = [], {}
    monkeypatch.setattr(module, "run", lambda *argv: module.asked.append(" ".join(argv)) or "")
    monkeypatch.setattr(module.subprocess, "run", lambda argv, **_: module.asked.append(" ".join(argv)))
    monkeypatch.setattr(module, "show", lambda _unit, *_: module.state)
    monkeypatch.setattr(module, "boot_id", lambda: "same boot")
    return module


DECIDED = [
    ("active", "900", "same boot", "left alone, it runs"),
    ("inactive", "100", "same boot", "started"),
    ("inactive", "900", "same boot", "left alone, somebody has started it since"),
    ("failed", "900", "same boot", "started"),
    ("activating", "900", "same boot", "started"),
    ("inactive", "900", "earlier boot", "started"),
]


@pytest.mark.parametrize(("state", "entered", "boot", "says"), DECIDED, ids=[" ".join(case[:3]) for case in DECIDED])
def test_a_unit_is_started_unless_somebody_has_decided_about_it(units, state, entered, boot, says):
    """A service that was started and stopped since is somebody's doing; one that was started and failed is the fault's."""
    units.state = {"ActiveState": state, "ActiveEnterTimestampMonotonic": entered}
    assert says in units.KINDS["unit"][1]({"undo": "unit", "unit": UNIT}, "100", boot)
    assert (f"systemctl start {UNIT}" in units.asked) == (says == "started")


@pytest.fixture
def read(units, monkeypatch, tmp_path):
    """A file that a unit reads, and a function that says how old its processes are, in seconds before the file's last change."""
    file = tmp_path / "site.conf"
    file.touch()
    ages = {}
    monkeypatch.setattr(units, "_started_s", lambda pid: file.stat().st_ctime - ages[pid])
    monkeypatch.setattr(units, "processes_of", lambda _unit: list(ages))
    monkeypatch.setattr(units, "main_process", lambda _unit: (1, 1))
    units.state = {"ActiveState": "active"}

    def reread(by, found):
        ages.update(found)
        units.KINDS["reread"][1]({"undo": "reread", "unit": UNIT, "path": str(file), "by": by}, None, "same boot")
        return units.asked

    return reread


REREAD = [
    ("restart", {1: 5, 2: -1}, ["systemctl restart nginx.service"]),
    ("restart", {1: -1, 2: 5}, []),
    ("reload", {1: 5, 2: 4}, ["systemctl reload nginx.service"]),
    ("reload", {1: 5, 2: -1}, []),
]


@pytest.mark.parametrize(("by", "ages", "asked"), REREAD)
def test_a_unit_reads_a_file_again_only_when_the_file_is_newer(read, by, ages, asked):
    """A main process that is older than the file needs a restart; with a reload the newest process tells."""
    assert read(by, ages) == asked


def test_a_unit_that_does_not_run_reads_nothing(units, read):
    """To start it is another step's decision."""
    units.state = {"ActiveState": "inactive"}
    assert read("restart", {1: 5}) == []


def test_the_start_of_a_process_is_compared_on_the_clock_of_files(on_host):
    """This very process started before now, and not before the machine."""
    started = on_host("undo").units._started_s(os.getpid())
    assert time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) < started <= time.time()


def test_a_name_that_a_unit_has_is_not_taken(on_host, units):
    """The fault's own unit is stopped and forgotten, and a unit of that name that was there before refuses the fault."""
    step = {"undo": "made_unit", "unit": "site-volume.service"}
    units.state = {"LoadState": "not-found"}
    assert units.KINDS["made_unit"][0](step) is None
    units.KINDS["made_unit"][1](step, None, "same boot")
    assert units.asked == ["systemctl stop site-volume.service", "systemctl reset-failed site-volume.service"]
    units.state = {"LoadState": "loaded"}
    with pytest.raises(on_host("failures").Refused, match="taken"):
        units.KINDS["made_unit"][0](step)


def test_a_property_is_what_systemd_says(on_host, monkeypatch):
    """One of several values is enough, another is none."""
    sights = on_host("sights")
    monkeypatch.setattr(sights.units, "show", lambda _unit, name: {name: "failed"})
    sight = {"see": "unit_property", "unit": UNIT, "property": "ActiveState"}
    assert sights.seen(sight | {"values": ["inactive", "failed"]}, None)
    assert not sights.seen(sight | {"values": ["active"]}, None)


@pytest.fixture
def service():
    """Somebody who listens on a port of his own and answers each question after a while."""
    listener = socket.create_server(("127.0.0.1", 0))
    service = SimpleNamespace(port=listener.getsockname()[1], pause_s=0.0)
    stop = threading.Event()

    def serve():
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with caller:
                caller.recv(64)
                stop.wait(service.pause_s)
                caller.sendall(b"HTTP/1.1 503 Busy\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield service
    stop.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def question(service, **more):
    """Return the sight of an answer of a service."""
    return {"see": "answer", "port": service.port, "send": "GET /\r\n", "starts": "HTTP/1.1 50", "at_least_s": 0, **more}


def test_an_answer_is_judged_by_its_beginning_and_its_time(on_host, service):
    """The right words at once are not slow, and slow ones that are wrong are not right."""
    seen = on_host("sights").seen
    assert seen(question(service), None)
    assert not seen(question(service, starts="HTTP/1.1 200"), None)
    assert not seen(question(service, at_least_s=0.03), None)
    service.pause_s = 0.05
    assert seen(question(service, at_least_s=0.03), None)


def test_nobody_on_a_port_is_refused_and_gives_no_answer(on_host):
    """A port that nobody listens on refuses, a service that is not there is no slow one."""
    seen = on_host("sights").seen
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert not seen({"see": "refused", "port": port}, None)
    assert seen({"see": "refused", "port": port}, None)
    assert not seen({"see": "answer", "port": port, "send": "x", "starts": "", "at_least_s": 0}, None)


def test_who_listens_is_told_by_the_kernel(on_host, service, monkeypatch):
    """A process of the unit has the very socket open; a connection from that port is no listener, another process is not it."""
    sights = on_host("sights")
    sight = {"see": "listens", "unit": UNIT, "port": service.port}
    monkeypatch.setattr(sights.units, "processes_of", lambda _unit: [os.getpid()])
    assert sights.seen(sight, None)
    with socket.create_connection(("127.0.0.1", service.port)) as line:
        assert not sights.seen(sight | {"port": line.getsockname()[1]}, None)
    monkeypatch.setattr(sights.units, "processes_of", lambda _unit: [os.getppid()])
    assert not sights.seen(sight, None)
