"""Undo what a fault did to units and their processes. Touches: systemd, the processes of the unit that the step names."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from failures import Refused
from machine import TICKS_PER_S, boot_id, main_process, processes_of, run, show, started_at, stat

TRANSIENT = "/run/systemd/transient/"
RUNNING = ("active", "reloading")
UNSETTLED = ("failed", "activating")  # what a start that comes to nothing leaves, even when the unit was active for a moment
START_ATTEMPTS_MAX = 4
START_RETRY_S = 0.3


# unit: a unit that was active


def _capture_unit(step: dict) -> object:
    now = show(step["unit"], "ActiveState", "ActiveEnterTimestampMonotonic")
    if now["ActiveState"] != "active":
        raise Refused(f"{step['unit']} is {now['ActiveState']}, not active: no steady state to start from")
    return now["ActiveEnterTimestampMonotonic"]


def _revert_unit(step: dict, before: str, boot: str) -> str:
    unit = step["unit"]
    now = show(unit, "ActiveState", "ActiveEnterTimestampMonotonic")
    if now["ActiveState"] in RUNNING:
        return f"{unit}: left alone, it runs"
    started = now["ActiveEnterTimestampMonotonic"] not in (before, "0")
    if boot_id() == boot and started and now["ActiveState"] not in UNSETTLED:
        return f"{unit}: left alone, somebody has started it since"
    _start(unit)
    return f"{unit}: started"


def _start(unit: str) -> None:
    """Start a unit, again if need be: the first time may join a start that was under way and fails with the fault's settings."""
    for attempt in range(START_ATTEMPTS_MAX):
        subprocess.run(["systemctl", "reset-failed", unit], capture_output=True, check=False)
        try:
            run("systemctl", "start", unit)
        except OSError:
            if attempt == START_ATTEMPTS_MAX - 1:
                raise
            time.sleep(START_RETRY_S)
        else:
            return


# resume: processes of a unit that were stopped by a signal


def _capture_resume(step: dict) -> object:
    if stopped := _stopped(step["unit"]):
        raise Refused(f"{step['unit']}: processes {stopped} are stopped already")
    return None


def _stopped(unit: str) -> list[int]:
    return [pid for pid in processes_of(unit) if stat(pid)[:1] == ["T"]]


def _revert_resume(step: dict, _before: object, _boot: str) -> str:
    stopped = _stopped(step["unit"])
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    return f"{step['unit']}: {len(stopped)} processes resumed"


# reread: a file that the processes of a unit have read


def _capture_reread(step: dict) -> object:
    if not Path(step["path"]).is_file():
        raise Refused(f"{step['path']}: is no file")
    return None


def _revert_reread(step: dict, _before: object, _boot: str) -> str:
    unit, by = step["unit"], step["by"]
    if show(unit, "ActiveState")["ActiveState"] not in RUNNING:
        return f"{unit}: left alone, it does not run"
    # A reload leaves the main process and makes new ones; a restart makes a new main process.
    pids = processes_of(unit) if by == "reload" else [main_process(unit)[0]]
    newest = max((_started_s(pid) for pid in pids), default=0.0)
    if not Path(step["path"]).exists() or newest > Path(step["path"]).stat().st_ctime:
        return f"{unit}: left alone, it has read {step['path']} as it is"
    run("systemctl", by, unit)
    return f"{unit}: {by}ed"


def _started_s(pid: int) -> float:
    """Return when a process started, on the wall clock, so that it can be compared with the times of files."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + started_at(pid) / TICKS_PER_S


# made_unit: a unit whose file is of the fault's own making


def _capture_made(step: dict) -> object:
    state = show(step["unit"], "LoadState")["LoadState"]
    if state != "not-found":
        raise Refused(f"{step['unit']}: the name is taken on this host")
    return None


def _revert_made(step: dict, _before: object, _boot: str) -> str:
    """Stop the unit and forget how it ended. The name was nobody's when the fault was armed, so it is the fault's."""
    for verb in ("stop", "reset-failed"):
        subprocess.run(["systemctl", verb, step["unit"]], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return f"{step['unit']}: stopped and forgotten"


# transient: a unit of the fault's own making


def _capture_transient(step: dict) -> object:
    state = show(step["unit"], "LoadState")["LoadState"]
    if state != "not-found":
        raise Refused(f"{step['unit']}: the name is taken on this host")
    return None


def _revert_transient(step: dict, _before: object, _boot: str) -> str:
    unit = step["unit"]
    if not show(unit, "FragmentPath").get("FragmentPath", "").startswith(TRANSIENT):
        return f"{unit}: gone already"
    run("systemctl", "stop", unit)
    subprocess.run(["systemctl", "reset-failed", unit], capture_output=True, check=False)
    return f"{unit}: stopped"


# hold: an announcement to orderd


def _capture_hold(_step: dict) -> object:
    return None


def _revert_hold(step: dict, _before: object, _boot: str) -> str:
    argv = [step["orderctl"], "release", step["unit"]]
    released = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
    return f"{step['unit']}: hold {'released' if released.returncode == 0 else 'had ended'}"


KINDS = {
    "unit": (_capture_unit, _revert_unit),
    "resume": (_capture_resume, _revert_resume),
    "reread": (_capture_reread, _revert_reread),
    "made_unit": (_capture_made, _revert_made),
    "transient": (_capture_transient, _revert_transient),
    "hold": (_capture_hold, _revert_hold),
}
