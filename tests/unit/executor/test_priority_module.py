"""The module that renices a service, on a process of the test's own."""

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repair_modules import importable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="records have to be root's: run as root")
UNIT = "a.service"
PROGRAM = "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); time.sleep(60)"


@pytest.fixture(scope="module", autouse=True)
def _modules():
    with importable():
        yield


@pytest.fixture
def threads(monkeypatch):
    """Return the ids of the two threads of a process that stands for a service."""
    priority = importlib.import_module("orderd_priority")
    with subprocess.Popen([sys.executable, "-c", PROGRAM]) as process:
        task, give_up = Path(f"/proc/{process.pid}/task"), time.monotonic() + 10
        while len(list(task.iterdir())) < 2 and time.monotonic() < give_up:
            time.sleep(0.01)
        monkeypatch.setattr(priority, "units_of", lambda pid: [UNIT] if pid == process.pid else [])
        yield [int(thread.name) for thread in task.iterdir()]
        process.kill()


@pytest.fixture
def renice(tmp_path):
    """Return a function that records nice values and runs the module, once."""
    priority = importlib.import_module("orderd_priority")
    record = tmp_path / "limits.json"

    def run(nice=0, nices=(0,), *, unit=UNIT, dry_run=False):
        record.write_text(json.dumps({UNIT: {"nice": nice, "nices": list(nices)}}))
        return priority.restore({"unit": unit, "known_good": str(tmp_path)}, dry_run)

    return run


def nices(threads):
    return [os.getpriority(os.PRIO_PROCESS, thread) for thread in threads]


def set_nices(threads, nice):
    for thread in threads:
        os.setpriority(os.PRIO_PROCESS, thread, nice)


def test_every_thread_gets_its_nice_value_back_once(threads, renice):
    """Each of them, not only the first; a second run finds nothing to do, a dry run does nothing."""
    set_nices(threads, 15)
    assert renice(dry_run=True) == 2
    assert nices(threads) == [15, 15]
    assert renice() == 2
    assert nices(threads) == [0, 0]
    assert renice() == 0


def test_what_a_service_makes_nice_itself_is_left_alone(threads, renice):
    """Up to the highest recorded value; beyond it a thread gets the main process's."""
    set_nices(threads[1:], 10)
    assert renice(nice=0, nices=(0, 10)) == 0
    set_nices(threads[1:], 11)
    assert renice(nice=0, nices=(0, 10)) == 1
    assert nices(threads) == [0, 0]


def test_a_unit_that_nobody_recorded_is_refused(threads, renice):
    """How nice it ought to be is not made up."""
    set_nices(threads, 15)
    with pytest.raises(importlib.import_module("orderd_priority").RecordRefusedError):
        renice(unit="other.service")
    assert nices(threads) == [15, 15]
