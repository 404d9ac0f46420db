"""Whether a package manager holds its lock. Reads /proc/locks, stats a few paths, reads pid files.

The lock files belong to root and cannot be opened, but the kernel tells everybody which inode is locked by whom, and stat tells
the inode of a path. On overlay and btrfs the device in /proc/locks is not the one that stat tells, so a lock counts when its
inode is right and either the device is too or the holder is called like a package manager.

Reading /proc/locks makes the kernel wait for all of its processors (8 ms measured, and whoever locks a file meanwhile waits too),
so it is read only while a process of a package manager's name is there; to know that costs 0.1 ms.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orderd.sampling.changes.text import clean

LOCK_FILES: Final = (
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/rpm/.rpm.lock",
    "/usr/lib/sysimage/rpm/.rpm.lock",
    "/run/zypp.pid",
)
"""Locked for as long as a transaction lasts; apt's locks of lists and archives are left out: a download changes nothing."""
PID_FILES: Final = ("/var/lib/dnf/rpmdb_lock.pid", "/var/cache/dnf/rpmdb_lock.pid", "/run/yum.pid", "/run/zypp.pid")
"""Hold the pid of whoever is at work; dnf, yum and zypper do not keep the file locked."""
MANAGERS: Final = frozenset(
    {
        "apt",
        "apt-get",
        "aptitude",
        "dpkg",
        "unattended-upgr",
        "synaptic",
        "packagekitd",
        "rpm",
        "dnf",
        "dnf5",
        "yum",
        "zypper",
        "microdnf",
        "rpm-ostree",
    }
)
"""What the kernel keeps, 15 characters, of the names of programs that take those locks."""
_LOCKS_BYTES_MAX: Final = 1 << 20
_PID_BYTES_MAX: Final = 32
_ASKED_TWICE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """A package manager at work.

    Attributes:
        program: its name, as the kernel keeps it.
        pid: its process.
        lock: the file it holds.
    """

    program: str
    pid: int
    lock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLock:
    """One line of /proc/locks that says that somebody writes.

    Attributes:
        pid: the holder, in our pid namespace; at most 0 where the kernel cannot tell.
        device: of the locked file, as ``stat`` numbers it.
        inode: of the locked file.
    """

    pid: int
    device: int
    inode: int


def parse_locks(text: str) -> Iterator[HeldLock]:
    """Return the exclusive locks that are held; lines that wait for one (``->``) and what cannot be read are passed over.

    References:
        proc(5), /proc/locks; the device is MAJOR:MINOR in hexadecimal.
    """
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 6 or fields[1] == "->" or fields[3] != "WRITE":  # noqa: PLR2004  ID CLASS MODE ACCESS PID DEVICE:INODE
            continue
        major, _, rest = fields[5].partition(":")
        minor, _, inode = rest.partition(":")
        try:
            yield HeldLock(pid=int(fields[4]), device=os.makedev(int(major, 16), int(minor, 16)), inode=int(inode))
        except ValueError:
            continue


class Managers:
    """Knows whether a package manager runs: every process is asked for its name when it is new, and once more after its exec."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        """Start knowing nobody."""
        self._proc = str(proc)
        self._asked: dict[int, int] = {}
        self._managers: set[int] = set()

    def running(self) -> bool:
        """Return whether one runs now."""
        try:
            pids = {int(name) for name in os.listdir(self._proc) if name.isdigit()}  # noqa: PTH208  once a second
        except OSError:
            return False
        self._asked = {pid: times for pid, times in self._asked.items() if pid in pids}
        for pid in pids:
            times = self._asked.get(pid, 0)
            if times < _ASKED_TWICE or pid in self._managers:
                self._asked[pid] = times + 1
                self._ask(pid)
        self._managers &= pids
        return bool(self._managers)

    def _ask(self, pid: int) -> None:
        if _read(Path(f"{self._proc}/{pid}/comm"), 64).strip() in MANAGERS:
            self._managers.add(pid)
        else:
            self._managers.discard(pid)


class Packages:
    """Looks for package transactions."""

    def __init__(
        self,
        *,
        lock_files: Iterable[str] = LOCK_FILES,
        pid_files: Iterable[str] = PID_FILES,
        proc: Path = Path("/proc"),
    ) -> None:
        """Look at these files; all are replaced in tests."""
        self._lock_files = tuple(lock_files)
        self._pid_files = tuple(pid_files)
        self._proc = proc
        self._managers = Managers(proc)

    def current(self) -> Transaction | None:
        """Return the transaction under way, None when there is none."""
        return (self._by_lock() or self._by_pid_file()) if self._managers.running() else None

    def _by_lock(self) -> Transaction | None:
        there = {(stat.st_dev, stat.st_ino): path for path in self._lock_files if (stat := _stat(path))}
        if not there:
            return None
        inodes = {inode: path for (_, inode), path in there.items()}
        for lock in parse_locks(_read(self._proc / "locks", _LOCKS_BYTES_MAX)):
            path = inodes.get(lock.inode)
            if path is None:
                continue
            program = self._name(lock.pid)
            if (lock.device, lock.inode) in there or program in MANAGERS:
                return Transaction(program=program or "a package manager", pid=max(0, lock.pid), lock=path)
        return None

    def _by_pid_file(self) -> Transaction | None:
        for path in self._pid_files:
            text = _read(Path(path), _PID_BYTES_MAX).strip()
            pid = int(text) if text.isascii() and text.isdigit() else 0
            if pid > 0 and (program := self._name(pid)) in MANAGERS:
                return Transaction(program=program, pid=pid, lock=path)
        return None

    def _name(self, pid: int) -> str:
        return clean(_read(self._proc / str(pid) / "comm", 64)) if pid > 0 else ""


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116  several a second
    except OSError:
        return None


def _read(path: Path, most: int) -> str:
    try:
        with path.open("rb") as file:
            return file.read(most).decode(errors="replace")
    except OSError:  # not there, ended in the meantime, or not for us
        return ""
