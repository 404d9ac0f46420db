"""Where systemd keeps its control groups, and who is in them. Reads /sys/fs/cgroup and /proc/PID/cgroup.

Three layouts are in use: unified only, name=systemd beside legacy controllers, and both of them (hybrid).
"""

import os
from pathlib import Path

_ROOTS = ("", "systemd", "unified")
_BYTES_MAX = 65536
_FILES_MAX = 256


class Cgroups:
    """Finds processes by the control group that systemd reports for a unit."""

    def __init__(self, mount: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc")) -> None:
        """Look under ``mount``; nothing is read yet."""
        self._mount = mount
        self._proc = proc
        self._root: Path | None = None
        self._files: dict[str, int] = {}

    def pids(self, group: str) -> list[int]:
        """Return the processes in a group, empty when the group is gone.

        A process of another pid namespace reads as 0, and signalling 0 would hit ourselves: only pids above 0 count.
        """
        if not group.strip("/"):
            return []
        text = self._read_kept(group) or self._read_anew(group)
        return [pid for pid in map(int, text.split()) if pid > 0]

    def close(self) -> None:
        """Close every descriptor."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _read_kept(self, group: str) -> bytes:
        if group not in self._files:
            return b""
        try:
            return os.pread(self._files[group], _BYTES_MAX, 0)
        except OSError:  # ENODEV: the unit ended and its group with it
            os.close(self._files.pop(group))
            return b""

    def _read_anew(self, group: str) -> bytes:
        path = self._find_root(group) / group.lstrip("/") / "cgroup.procs"
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # the unit ended
            return b""
        if group in self._files or len(self._files) >= _FILES_MAX:
            self.close()
        self._files[group] = file
        return self._read_kept(group)

    def group_of(self, pid: int) -> str:
        """Return the path of a process's group as systemd names it, empty when the process is gone or hidden."""
        try:
            return parse_group((self._proc / str(pid) / "cgroup").read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return ""

    def _find_root(self, group: str) -> Path:
        """Return the hierarchy that holds systemd's slices; asked again while none is found, systemd may still be starting."""
        if self._root is None:
            first = group.lstrip("/").split("/", 1)[0]
            self._root = next((root for name in _ROOTS if ((root := self._mount / name) / first).is_dir()), None)
        return self._root or self._mount


def parse_group(text: str) -> str:
    """Return systemd's group from /proc/PID/cgroup: name=systemd where there is one, else the unified one."""
    groups: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        groups[controllers] = path
    return groups.get("name=systemd") or groups.get("", "")
