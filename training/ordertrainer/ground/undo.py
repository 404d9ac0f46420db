"""How each kind of ledger entry is undone. Every undo accepts that there is nothing left to undo.

Touches: mounts, loop devices, links, cgroups, directories and processes of one host.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ordertrainer.ground import network, volume
from ordertrainer.ground.cgroups import CloneGroups
from ordertrainer.ground.shell import run

UMOUNT_TRIES = 50
UMOUNT_PAUSE_S = 0.05


def undo(kind: str, value: str) -> None:
    """Undo one entry."""
    UNDO[kind](value)


def mount_points() -> list[str]:
    """Return every mount point of this mount namespace, oldest first."""
    text = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    return [_unescaped(line.split()[4]) for line in text.splitlines()]


def _unescaped(path: str) -> str:
    return path.encode().decode("unicode_escape") if "\\" in path else path


def _unmount(point: str) -> None:
    """Unmount `point`, all that lies on or under it included; detach what stays busy."""
    for _ in range(UMOUNT_TRIES):
        under = [p for p in mount_points() if p == point or p.startswith(point + "/")]
        if not under:
            return
        if all(run(["umount", p], check=False).returncode for p in reversed(under)):
            time.sleep(UMOUNT_PAUSE_S)
    run(["umount", "--lazy", "--recursive", point], check=False)


def _remove_tree(path: str) -> None:
    if Path(path).is_dir():
        shutil.rmtree(path)


def _close_ssh(directory: str) -> None:
    """End the connections ssh keeps open to the host."""
    for socket in Path(directory).glob("ssh-*"):
        run(["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "drill"], check=False, timeout_s=5)


UNDO: dict[str, Callable[[str], None]] = {
    "mount": _unmount,
    "loop": volume.detach,
    "link": network.disconnect,
    "processes": lambda name: CloneGroups(name=name).kill(),
    "cgroups": lambda name: CloneGroups(name=name).remove(),
    "ssh": _close_ssh,
    "tree": _remove_tree,
}
