"""The process table by hand: one kept descriptor a process instead of a library. Reads /proc.

Measured at 150 processes: 21 ms with psutil.process_iter, 0.9 ms this way. A kept descriptor also cannot come to mean another
process: it fails with ESRCH once its process is gone, whatever happens to the pid.
"""

import os
import resource
from collections.abc import Iterator
from typing import NamedTuple

_DESCRIPTORS_MAX = 4096
_STAT_BYTES = 512
_PF_KTHREAD = 0x00200000  # include/linux/sched.h


class Stat(NamedTuple):
    """The fields of /proc/PID/stat that orderd uses (proc(5)); times in clock ticks, memory in pages."""

    state: str
    kernel: bool
    utime: int
    stime: int
    threads: int
    start: int
    rss: int
    nice: int = 0


def parse_stat(text: bytes) -> Stat:
    """Read /proc/PID/stat; the command in parentheses may hold anything, so fields count from the last ``)``.

    Raises:
        ValueError: the text is cut short or no stat line.
    """
    fields = text[text.rindex(b")") + 2 :].split(None, 22)
    if len(fields) < 22:  # noqa: PLR2004  field 24, rss, is the last one used
        msg = f"not a stat line: {text[:80]!r}"
        raise ValueError(msg)
    return Stat(
        state=chr(fields[0][0]),
        kernel=bool(int(fields[6]) & _PF_KTHREAD),
        utime=int(fields[11]),
        stime=int(fields[12]),
        threads=int(fields[17]),
        start=int(fields[19]),
        rss=int(fields[21]),
        nice=int(fields[16]),
    )


class ProcessTable:
    """Reads the state of every process of userspace, cheaply, again and again."""

    def __init__(self, root: str = "/proc") -> None:
        """Start with an empty table; ``root`` is replaced in tests."""
        self._root = root
        self._files: dict[int, int] = {}
        self._parsed: dict[int, tuple[bytes, Stat]] = {}
        self._kernel: set[int] = set()
        self._files_max = min(_DESCRIPTORS_MAX, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self.count = 0

    def scan(self) -> Iterator[tuple[int, Stat]]:
        """Yield every process but init and kernel threads, in the order of pids; sets ``count`` to the number of all."""
        pids = sorted(int(name) for name in os.listdir(self._root) if name.isdigit())  # noqa: PTH208  twice as fast, every second
        self.count = len(pids)
        self._forget(set(pids))
        for pid in pids:
            if pid > 1 and pid not in self._kernel and (stat := self.stat(pid)) is not None:
                if stat.kernel:
                    self._ignore(pid)
                else:
                    yield pid, stat

    def stat(self, pid: int) -> Stat | None:
        """Read one process, None when it is gone."""
        text = self._read_kept(pid) if pid in self._files else None
        if text is None:
            text = self._read_anew(pid)
        if not text:
            return None
        # Most processes sleep, and what is said of them stays the same.
        before = self._parsed.get(pid)
        if before is not None and before[0] == text:
            return before[1]
        stat = parse_stat(text)
        if pid in self._files:
            self._parsed[pid] = text, stat
        return stat

    def close(self) -> None:
        """Close every descriptor."""
        for pid in list(self._files):
            self._close(pid)

    def _read_kept(self, pid: int) -> bytes | None:
        try:
            return os.pread(self._files[pid], _STAT_BYTES, 0)
        except ProcessLookupError:
            self._close(pid)
            return None

    def _read_anew(self, pid: int) -> bytes | None:
        try:
            file = os.open(f"{self._root}/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # gone in the meantime, or hidden from us
            return None
        try:
            text = os.pread(file, _STAT_BYTES, 0)
        except ProcessLookupError:
            os.close(file)
            return None
        if len(self._files) < self._files_max:
            self._files[pid] = file
        else:
            os.close(file)
        return text

    def _ignore(self, pid: int) -> None:
        self._kernel.add(pid)
        if pid in self._files:
            self._close(pid)

    def _forget(self, alive: set[int]) -> None:
        self._kernel &= alive
        for pid in self._files.keys() - alive:
            self._close(pid)

    def _close(self, pid: int) -> None:
        os.close(self._files.pop(pid))
        self._parsed.pop(pid, None)
