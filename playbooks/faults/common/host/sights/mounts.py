"""Sights of mounts and of what fills them: gone, read-only, dead, hung, out of inodes, written to hard.

Touches: the mount table, /proc/PID, statvfs; a mount that may hang is asked by a child. Nothing is changed.
"""

from __future__ import annotations

import os
import signal
import stat as modes
import time
from pathlib import Path

from failures import Refused
from machine import main_process
from volumes import answers, mounted_at

from sights.look import nothing

ASK_S = 0.2
"""Asking a file system to sync, or a child to ask for us, is not done at every poll."""
HUNG_S = 0.5
GIVE_UP_S = 0.5
POLL_S = 0.01
WRITTEN_WINDOW_S = 0.5


def _mounted(sight: dict) -> object:
    if not mounted_at(sight["path"]):
        raise Refused(f"{sight['path']}: nothing is mounted there")
    return None


def _gone(sight: dict, _before: object) -> bool:
    return not mounted_at(sight["path"])


def _read_only(sight: dict, _before: object) -> bool:
    mounts = mounted_at(sight["path"])
    return bool(mounts) and mounts[-1].read_only


def _dead(sight: dict, _before: object) -> bool:
    time.sleep(ASK_S)
    return bool(mounted_at(sight["path"])) and not answers(sight["path"])


def _hangs(sight: dict, _before: object) -> bool:
    """Ask in a child: whoever asks a hung mount does not come back from it."""
    time.sleep(ASK_S)
    child = os.fork()
    if not child:
        try:
            os.statvfs(sight["path"])
        finally:
            os._exit(0)
    if _ended(child, HUNG_S):
        return False
    os.kill(child, signal.SIGKILL)
    _ended(child, GIVE_UP_S)
    return True


def _ended(child: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (gone := os.waitpid(child, os.WNOHANG)[0] != 0) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return gone


def _inodes_used(sight: dict, _before: object) -> bool:
    volume = os.statvfs(sight["path"])
    return volume.f_files > 0 and (volume.f_files - volume.f_ffree) / volume.f_files >= sight["at_least_ratio"]


def _disk_written(sight: dict, _before: object) -> bool:
    pid, start = main_process(sight["unit"])
    first, at = _written_bytes(pid), time.monotonic()
    time.sleep(WRITTEN_WINDOW_S)
    rate = (_written_bytes(pid) - first) / (time.monotonic() - at)
    return start > 0 and rate >= sight["at_least_bytes_per_s"]


def _written_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))


def _unlinked_held(sight: dict, _before: object) -> bool:
    pid, _start = main_process(sight["unit"])
    held = (file.stat() for file in Path(f"/proc/{pid}/fd").iterdir())
    files = (status for status in held if modes.S_ISREG(status.st_mode) and status.st_nlink == 0)
    return any(status.st_blocks * 512 >= sight["at_least_bytes"] for status in files)


KINDS = {
    "mount_gone": (_mounted, _gone),
    "mount_read_only": (_mounted, _read_only),
    "mount_dead": (_mounted, _dead),
    "mount_hangs": (nothing, _hangs),
    "inodes_used": (nothing, _inodes_used),
    "disk_written": (nothing, _disk_written),
    "unlinked_held": (nothing, _unlinked_held),
}
