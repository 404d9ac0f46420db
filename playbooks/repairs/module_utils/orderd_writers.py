"""Who makes files below a folder, found by looking at what processes have open. Reads /proc; starts one process, which it ends.

The kernel tells a container nothing of who makes a file, so that somebody has to look at the right moment: a process of its own
looks again and again while its parent gives the maker room to go on. One file may be anybody's, and what was open from the start
is in use; whoever is seen with two others open for writing makes them.

Shared by the modules of repairs. Standard library only: it runs inside Ansible modules.
"""

import os
import select
import signal
import time
import zlib

from ansible.module_utils.orderd_process import stat_fields
from ansible.module_utils.orderd_space import flags

SEEN_TWICE = 2
LIVELY_S = 2.0
ROUND_S = 0.05
PAUSE_S = 0.0003
WRITE_MODES = (os.O_WRONLY, os.O_RDWR)


class Watch:
    """Looks for as long as its block lasts."""

    def __init__(self, folder):
        """Watch a folder and everything below it."""
        self._folder = folder
        self._seen = {}
        self._unread = b""
        self._pid = self._pipe = 0

    def __enter__(self):
        """Start to look."""
        self._pipe, out = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                _look(self._folder, out, {os.getpid(), os.getppid()})
            finally:
                os._exit(0)
        os.close(out)
        return self

    def __exit__(self, *_):
        """Stop to look."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._pipe)

    def makers(self, within_s=0.0):
        """Return the processes that make files, as a list of (pid, start time); waits for the first of them at most that long."""
        give_up = time.monotonic() + within_s
        while True:
            self._hear(max(0.0, give_up - time.monotonic()))
            found = sorted(who for who, names in self._seen.items() if len(names) >= SEEN_TWICE)
            if found or time.monotonic() >= give_up:
                return found

    def _hear(self, within_s):
        while select.select([self._pipe], [], [], within_s)[0]:
            data = os.read(self._pipe, 1 << 16)
            if not data:
                return
            *lines, self._unread = (self._unread + data).split(b"\n")
            for line in lines:
                pid, start, name = map(int, line.split())
                self._seen.setdefault((pid, start), set()).add(name)
            within_s = 0.0


def _look(folder, out, but):
    """Write a line for every file that is seen open for writing and was not when this began; never returns."""
    below, moved = folder.rstrip("/") + "/", {}
    known = {(int(pid), name) for pid in filter(str.isdigit, os.listdir("/proc")) for name in _open_below(pid, below)}
    while True:
        now = time.monotonic()
        moved = _moved(moved, but, now)
        lively = [pid for pid, (_ticks, at) in moved.items() if now - at <= LIVELY_S]
        _tell(moved, below, known, out)
        while time.monotonic() - now < ROUND_S:
            _tell(lively, below, known, out)
            time.sleep(PAUSE_S)


def _moved(before, but, now):
    """Return pid -> (processor time, when it was seen to grow): whoever makes files takes some."""
    found = {}
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        fields = stat_fields(pid)
        if pid > 1 and pid not in but and fields:
            ticks = int(fields[11]) + int(fields[12])
            known, at = before.get(pid, (ticks, now))
            found[pid] = ticks, at if ticks == known else now
    return found


def _tell(pids, below, known, out):
    for pid in pids:
        for name in _open_below(pid, below):
            fields = None if (pid, name) in known else stat_fields(pid)
            if fields:
                known.add((pid, name))
                os.write(out, f"{pid} {fields[19]} {name}\n".encode())


def _open_below(pid, below):
    """Yield what a process has open for writing below a folder, as numbers that stand for names; names are looked at first."""
    place = f"/proc/{pid}/fd"
    try:
        descriptors = os.listdir(place)
    except OSError:
        return
    for descriptor in descriptors:
        try:
            name = os.readlink(f"{place}/{descriptor}")
            if name.startswith(below) and flags(pid, descriptor) & os.O_ACCMODE in WRITE_MODES:
                yield zlib.crc32(os.fsencode(name))
        except (OSError, StopIteration):
            continue
