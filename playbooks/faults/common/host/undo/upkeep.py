"""Undo what was done to certificates, configurations, packages and logs. Touches: what the step names, dpkg's database.

What a fault makes on the host cannot stand in its contract. It leaves a copy in the experiment's own directory before it
replaces anything, and its doing stands while the path still holds what the copy holds.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import time
from pathlib import Path

import records
from failures import Refused
from machine import main_process, run, show
from served import certificate, same

DPKG = Path("/var/lib/dpkg")
STATUS, STATUS_OLD = records.HOME / "dpkg-status", records.HOME / "dpkg-status-old"
REOPEN_S = 5.0
POLL_S = 0.05


# made: a file that holds what the fault made


def _capture_made(step: dict) -> object:
    path = Path(step["path"])
    if path.is_symlink() or not path.is_file():
        raise Refused(f"{path}: is no plain file")
    status = path.stat()
    content = base64.b64encode(path.read_bytes()).decode()
    return {"content": content, "mode": status.st_mode & 0o7777, "owner": [status.st_uid, status.st_gid]}


def _revert_made(step: dict, before: dict, _boot: str) -> str:
    path, copy = Path(step["path"]), records.HOME / step["like"]
    if not copy.exists() or not path.is_file() or path.read_bytes() != copy.read_bytes():
        return f"{path}: left alone, it is not what the fault made"
    staged = path.with_name(f".{path.name}.orderd-chaos")
    staged.write_bytes(base64.b64decode(before["content"]))
    staged.chmod(before["mode"])
    os.chown(staged, *before["owner"])
    staged.replace(path)
    return f"{path}: restored"


# served: a server that still shows what the fault made, after the file was put back


def _capture_served(_step: dict) -> object:
    return None


def _revert_served(step: dict, _before: object, _boot: str) -> str:
    unit, copy = step["unit"], records.HOME / step["like"]
    if not copy.exists() or show(unit, "ActiveState")["ActiveState"] != "active":
        return f"{unit}: left alone, nothing that the fault made is served"
    if not _serves(step["address"], copy.read_text(encoding="ascii")):
        return f"{unit}: left alone, it serves another certificate"
    run("systemctl", "reload", unit)
    return f"{unit}: reloaded"


def _serves(address: str, pem: str) -> bool:
    try:
        return same(certificate(address), pem)
    except OSError:
        return False


# package: one of the fault's own making


def _known(name: str) -> bool:
    return f"\nPackage: {name}\n" in "\n" + (DPKG / "status").read_text(encoding="utf-8", errors="replace")


def _capture_package(step: dict) -> object:
    if _known(step["name"]):
        raise Refused(f"{step['name']}: the name is taken on this host")
    shutil.copy2(DPKG / "status", STATUS)
    if (DPKG / "status-old").exists():
        shutil.copy2(DPKG / "status-old", STATUS_OLD)
    return None


def _revert_package(step: dict, _before: object, _boot: str) -> str:
    name, known = step["name"], _known(step["name"])
    if known:
        run("dpkg", "--purge", "--force-remove-reinstreq", name)
    _sweep(name)
    _forget()
    return f"{name}: {'purged' if known else 'gone already'}"


def _sweep(name: str) -> None:
    """Remove what dpkg had taken out of the package when it was stopped; it would do so itself, but only next time."""
    control = DPKG / "tmp.ci" / "control"
    if control.exists() and f"Package: {name}\n" in control.read_text(encoding="utf-8", errors="replace"):
        shutil.rmtree(control.parent)


def _forget() -> None:
    """Put back dpkg's own copy of its last state, while nothing but the fault's package has come and gone since."""
    if STATUS_OLD.exists() and (DPKG / "status").read_bytes() == STATUS.read_bytes():
        staged = DPKG / ".status-old.orderd-chaos"
        shutil.copy2(STATUS_OLD, staged)
        staged.replace(DPKG / "status-old")


# rotated: a log that was moved aside, and a new one in its place


def _capture_rotated(step: dict) -> object:
    path = Path(step["path"])
    if os.path.lexists(f"{path}.1"):
        raise Refused(f"{path}.1: is there already")
    return path.stat().st_ino


def _revert_rotated(step: dict, before: int, _boot: str) -> str:
    path = Path(step["path"])
    aside = Path(f"{path}.1")
    if not aside.exists() or aside.stat().st_ino != before:
        return f"{path}: left alone, what was moved aside is not there"
    with path.open("rb") if path.exists() else open(os.devnull, "rb") as new:
        aside.replace(path)
        _reopen(step["unit"], before)
        with path.open("ab") as old:
            shutil.copyfileobj(new, old)
    return f"{path}: one file again"


def _reopen(unit: str, inode: int) -> None:
    """Have the writer take the old file again, and wait until it has let go of the new one."""
    pid, _ = main_process(unit)
    if not pid:
        return
    os.kill(pid, signal.SIGUSR1)
    deadline = time.monotonic() + REOPEN_S
    while inode not in _open_inodes(pid) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    time.sleep(POLL_S)  # its workers follow


def _open_inodes(pid: int) -> set[int]:
    return {file.stat().st_ino for file in Path(f"/proc/{pid}/fd").iterdir() if file.exists()}


KINDS = {
    "made": (_capture_made, _revert_made),
    "served": (_capture_served, _revert_served),
    "package": (_capture_package, _revert_package),
    "rotated": (_capture_rotated, _revert_rotated),
}
