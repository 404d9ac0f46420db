"""The ways to undo a fault. Each captures what was there before, and later acts only where the fault's own doing still stands.

Touches: files, units, processes and the clock of the host, as the step names them.

That is a compare-and-swap: a revert never overwrites a repair. Every kind is a pair of functions: `capture` refuses a host that
is not in order, `revert` says in one sentence what it did.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import time
from pathlib import Path

from failures import Refused
from machine import boot_id, processes_of, run, show, stat

UNIT_DIRECTORIES = ("/etc/systemd/system/", "/run/systemd/system/")
TRANSIENT = "/run/systemd/transient/"
RUNNING = ("active", "reloading")
START_ATTEMPTS_MAX = 4
START_RETRY_S = 0.3


def capture(step: dict) -> object:
    """Return what `revert` has to know about the time before the fault.

    Raises:
        Refused: the host is not in the state that the fault starts from.
    """
    return _kind(step)[0](step)


def revert(step: dict, before: object, boot: str) -> str:
    """Undo one step where it still stands.

    Args:
        step: as it was armed.
        before: what `capture` returned.
        boot: id of the boot that `before` was captured in.
    """
    return _kind(step)[1](step, before, boot)


def _kind(step: dict) -> tuple:
    if step.get("undo") not in KINDS:
        raise Refused(f"undo = {step.get('undo')!r}; allowed: {', '.join(KINDS)}")
    return KINDS[step["undo"]]


# path: what a path holds: a file, a link, or nothing


def _look(path: Path) -> dict:
    if path.is_symlink():
        return {"link": str(path.readlink())}
    if not path.exists():
        return {}
    if not path.is_file():
        raise Refused(f"{path}: neither a file nor a link")
    status = path.stat()
    content = base64.b64encode(path.read_bytes()).decode()
    return {"content": content, "mode": status.st_mode & 0o7777, "owner": [status.st_uid, status.st_gid]}


def _wrote(step: dict, now: dict) -> bool:
    """Tell whether the path holds exactly what the fault puts there."""
    if step["link"]:
        return now.get("link") == step["link"]
    return now.get("content") == base64.b64encode(step["content"].encode()).decode()


def _capture_path(step: dict) -> object:
    path = Path(step["path"])
    before = _look(path)
    if _wrote(step, before):
        raise Refused(f"{path}: holds what the fault would write already")
    return before | {"made_parent": not path.parent.exists()}


def _revert_path(step: dict, before: dict, _boot: str) -> str:
    path = Path(step["path"])
    if not _wrote(step, _look(path)):
        return f"{path}: left alone, it is not what the fault wrote"
    _put_back(path, before)
    if before["made_parent"] and not any(path.parent.iterdir()):
        path.parent.rmdir()
    if step["path"].startswith(UNIT_DIRECTORIES):
        run("systemctl", "daemon-reload")
    return f"{path}: restored"


def _put_back(path: Path, before: dict) -> None:
    staged = path.with_name(f".{path.name}.orderd-chaos")
    staged.unlink(missing_ok=True)
    if "link" in before:
        staged.symlink_to(before["link"])
    elif "content" in before:
        staged.write_bytes(base64.b64decode(before["content"]))
        staged.chmod(before["mode"])
        os.chown(staged, *before["owner"])
    else:
        path.unlink()
        return
    staged.replace(path)


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
    if boot_id() == boot and now["ActiveEnterTimestampMonotonic"] not in (before, "0"):
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


# created: a file of the fault's own making


def _capture_created(step: dict) -> object:
    if os.path.lexists(step["path"]):
        raise Refused(f"{step['path']}: is there already")
    return None


def _revert_created(step: dict, _before: object, _boot: str) -> str:
    Path(step["path"]).unlink(missing_ok=True)
    return f"{step['path']}: removed"


# hold: an announcement to orderd


def _capture_hold(_step: dict) -> object:
    return None


def _revert_hold(step: dict, _before: object, _boot: str) -> str:
    argv = [step["orderctl"], "release", step["unit"]]
    released = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
    return f"{step['unit']}: hold {'released' if released.returncode == 0 else 'had ended'}"


# clock: the wall clock


def _capture_clock(_step: dict) -> object:
    return _offset_s()


def _offset_s() -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _revert_clock(step: dict, before: float, boot: str) -> str:
    moved_s = _offset_s() - before
    if boot_id() != boot or abs(moved_s - step["step_s"]) > step["tolerance_s"]:
        return f"clock: left alone, it is {moved_s:.1f} s from where it was"
    time.clock_settime(time.CLOCK_REALTIME, time.time() - step["step_s"])
    return f"clock: stepped back by {step['step_s']} s"


KINDS = {
    "path": (_capture_path, _revert_path),
    "unit": (_capture_unit, _revert_unit),
    "resume": (_capture_resume, _revert_resume),
    "transient": (_capture_transient, _revert_transient),
    "created": (_capture_created, _revert_created),
    "hold": (_capture_hold, _revert_hold),
    "clock": (_capture_clock, _revert_clock),
}
