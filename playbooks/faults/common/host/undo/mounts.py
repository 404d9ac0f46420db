"""Undo what a fault did to a mount: bring a dead volume back, mount it again, let it be written, take a foreign mount off it.

Touches: mount(8), umount(8), fsck(8), the services that use the mount; a directory of the fault's own making.

Nothing on a volume is lost by any of it: a volume that failed is checked before it is mounted again, and a check that finds
more than it can mend by itself stops the revert.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import records
from failures import Refused
from machine import boot_id, run, show
from volumes import answers, mounted_at

STOPPED = records.HOME / "stopped.json"
BUSY_TRIES = 10
BUSY_PAUSE_S = 0.1
LAYERS_MAX = 8
CHECKED = (0, 1)  # fsck: nothing was wrong; what was wrong is mended
CHECK_TIMEOUT_S = 60.0


# a volume: a block device mounted at a path, once


def _capture_volume(step: dict) -> object:
    path = step["path"]
    mounts = mounted_at(path)
    if len(mounts) != 1 or not Path(mounts[0].source).is_block_device():
        raise Refused(f"{path}: {len(mounts)} mounts there, not one of a block device: no steady state to start from")
    if mounts[0].read_only:
        raise Refused(f"{path}: is read-only already")
    options = ",".join(dict.fromkeys(mounts[0].options))
    return {"source": mounts[0].source, "fstype": mounts[0].fstype, "options": options, "mounted_at": _mounted_since(path)}


def _mounted_since(path: str) -> str:
    """Return when systemd last saw the path mounted, in microseconds since boot; 0 when it knows of no time."""
    unit = run("systemd-escape", "--path", "--suffix=mount", path).strip()
    return show(unit, "ActiveEnterTimestampMonotonic").get("ActiveEnterTimestampMonotonic", "0")


def _mended_by_somebody(path: str, before: dict, boot: str) -> bool:
    """Tell whether a path where nothing is mounted was mounted again since the fault: then it is off on purpose."""
    return boot_id() == boot and _mounted_since(path) not in (before["mounted_at"], "0")


def _mount(path: str, before: dict) -> None:
    run("mount", "-t", before["fstype"], "-o", before["options"], before["source"], path)


# volume_gone


def _revert_gone(step: dict, before: dict, boot: str) -> str:
    path = step["path"]
    if mounted_at(path):
        return f"{path}: left alone, it is mounted"
    if _mended_by_somebody(path, before, boot):
        return f"{path}: left alone, somebody has mounted it since"
    _mount(path, before)
    return f"{path}: mounted"


# volume_read_only


def _revert_read_only(step: dict, _before: dict, boot: str) -> str:
    path = step["path"]
    mounts = mounted_at(path)
    if boot_id() != boot or not mounts or not mounts[-1].read_only:
        return f"{path}: left alone, it is not read-only by this fault"
    run("mount", "-o", "remount,rw", path)
    return f"{path}: can be written again"


# volume_dead


def _capture_dead(step: dict) -> object:
    before = _capture_volume(step)
    if shutil.which(f"fsck.{before['fstype']}") is None:
        raise Refused(f"{step['path']}: there is no fsck.{before['fstype']} to bring it back with")
    return before


def _revert_dead(step: dict, before: dict, boot: str) -> str:
    path = step["path"]
    there = mounted_at(path)
    if there and answers(path):
        _start_users(path)
        return f"{path}: left alone, it answers"
    if not there and not STOPPED.exists() and _mended_by_somebody(path, before, boot):
        return f"{path}: left alone, somebody has mounted it since"
    if there:
        _unmount(path)
    _check(before)
    _mount(path, before)
    users = _start_users(path)
    return f"{path}: unmounted, checked and mounted again" + (f"; restarted {', '.join(users)}" if users else "")


def _unmount(path: str) -> None:
    """Unmount; where somebody stays in it, stop the services that do. Whoever belongs to none is waited for, not killed."""
    if _unmounted(path):
        return
    for unit in _remember(_users(path)):
        run("systemctl", "stop", unit)
    if not _unmounted(path):
        raise OSError(f"{path}: is in use by something that is no service")


def _unmounted(path: str) -> bool:
    for _ in range(BUSY_TRIES):
        with suppress(OSError):
            run("umount", path)
        if not mounted_at(path):
            return True
        time.sleep(BUSY_PAUSE_S)
    return False


def _users(path: str) -> list[str]:
    """Return the services whose processes have something below a path open, mapped, or as their directory."""
    pids = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) > 0]
    return sorted({unit for pid in pids if _uses(pid, path) and (unit := _service_of(pid))})


def _uses(pid: str, path: str) -> bool:
    """Look at names alone: to ask what lies on a dead or hung file system would fail, or hang."""
    below = f"{path.rstrip('/')}/"
    process = Path("/proc", pid)
    try:
        links = [process / "cwd", process / "root", *(process / "fd").iterdir()]
        mapped = (process / "maps").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it is gone, or it is a thread of the kernel
        return False
    return f" {below}" in mapped or any(f"{_target(link)}/".startswith(below) for link in links)


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _service_of(pid: str) -> str:
    """Return the service a process belongs to, empty when it belongs to none."""
    try:
        groups = Path("/proc", pid, "cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    ours = next((line for line in groups if ":name=systemd:" in line or line.startswith("0::")), "")
    return next((name for name in reversed(ours.split("/")) if name.endswith(".service")), "")


def _remember(units: list[str]) -> list[str]:
    """Write down which services are stopped: a revert that is cut off here and runs again still starts them."""
    known = records.load(STOPPED)["units"] if STOPPED.exists() else []
    records.save(STOPPED, {"units": sorted({*known, *units})})
    return units


def _start_users(path: str) -> list[str]:
    """Start the services that were stopped for it, once the path is mounted again."""
    units = records.load(STOPPED)["units"] if STOPPED.exists() and mounted_at(path) else []
    for unit in units:
        run("systemctl", "start", unit)
    return units


def _check(before: dict) -> None:
    """Check the volume, and wait for whoever has not let go of it yet: a namespace that ends, a probe from outside."""
    argv = [f"fsck.{before['fstype']}", "-p", before["source"]]
    for last in (*[False] * (BUSY_TRIES - 1), True):
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=CHECK_TIMEOUT_S, check=False
        )
        if done.returncode in CHECKED:
            return
        if last or "in use" not in done.stdout + done.stderr:
            raise OSError(f"`{' '.join(argv)}` returned {done.returncode}: {(done.stdout + done.stderr).strip()[-500:]}")
        time.sleep(BUSY_PAUSE_S)


# mounted_over: a mount of the fault's own making, known by its source


def _capture_over(step: dict) -> object:
    if any(mount.source == step["source"] for mount in mounted_at(step["path"])):
        raise Refused(f"{step['path']}: {step['source']} is mounted there already")
    return None


def _revert_over(step: dict, _before: object, _boot: str) -> str:
    path = step["path"]
    for layer in range(LAYERS_MAX):
        mounts = mounted_at(path)
        if not mounts or mounts[-1].source != step["source"]:
            return f"{path}: {'freed' if layer else 'left alone, nothing of the fault is mounted there'}"
        run("umount", "--lazy", "--no-canonicalize", path)  # by name alone: it may not answer
    raise OSError(f"{path}: {step['source']} is still mounted there")


# created_tree: a directory of the fault's own making


def _capture_tree(step: dict) -> object:
    if os.path.lexists(step["path"]):
        raise Refused(f"{step['path']}: is there already")
    return None


def _revert_tree(step: dict, _before: object, _boot: str) -> str:
    path = Path(step["path"])
    if path.is_symlink() or not path.is_dir():
        return f"{path}: left alone, there is no such directory"
    shutil.rmtree(path)
    return f"{path}: removed"


KINDS = {
    "volume_gone": (_capture_volume, _revert_gone),
    "volume_read_only": (_capture_volume, _revert_read_only),
    "volume_dead": (_capture_dead, _revert_dead),
    "mounted_over": (_capture_over, _revert_over),
    "created_tree": (_capture_tree, _revert_tree),
}
