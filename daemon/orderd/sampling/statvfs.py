"""A small process that calls statvfs and stat for us, so that only it can hang. Starts processes.

The helper is a bare interpreter reading paths from a pipe: no site packages, no threads, nothing to lose.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orderd.sampling.collector import NAN

_SCRIPT: Final = """
import os
def access(path):
    try:
        s = os.stat(path)
    except OSError:
        return "- - -"
    return f"{s.st_mode & 0o7777} {s.st_uid} {s.st_gid}"
wanted = b""
while more := os.read(0, 65536):
    wanted += more
    *paths, wanted = wanted.split(b"\\n")
    for path in paths:
        try:
            v = os.statvfs(path)
            answer = f"{v.f_blocks} {v.f_bfree} {v.f_bavail} {v.f_files} {v.f_ffree} {access(path)}"
        except OSError as error:
            answer = f"error {error.errno}"
        os.write(1, answer.encode() + b"\\n")
"""
_READ_BYTES = 65536
_EXIT_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """How full a file system is, and who may enter it.

    Attributes:
        used_ratio: used / (used + available to users), as df shows it.
        inodes_used_ratio: missing where the file system counts none.
        access: mode, uid and gid of its top directory, None when they cannot be had.
    """

    used_ratio: float
    inodes_used_ratio: float
    access: tuple[int, int, int] | None = None


def parse_answer(line: bytes) -> Space | None:
    """Return what one answer says, None for an error.

    Raises:
        ValueError: the line is no answer.
    """
    if line.startswith(b"error "):
        return None
    words = line.split()
    blocks, free, available, inodes, inodes_free = map(int, words[:5])
    mode, uid, gid = words[5:]
    used = blocks - free
    return Space(
        used_ratio=used / (used + available) if used + available else NAN,
        inodes_used_ratio=(inodes - inodes_free) / inodes if inodes else NAN,
        access=None if mode == b"-" else (int(mode), int(uid), int(gid)),
    )


class Helper:
    """One helper process and the questions it has not answered.

    Attributes:
        pending: paths asked, oldest first.
        alive: False once the process ended.
    """

    def __init__(self, on_answer: Callable[["Helper", str, Space | None], None]) -> None:
        """Start the process; ``on_answer`` gets the helper, the path and its space, None when statvfs failed."""
        self.pending: deque[str] = deque()
        self.alive = True
        self._on_answer = on_answer
        self._unread = b""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", bufsize=0
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._out, False)
        asyncio.get_running_loop().add_reader(self._out, self._on_readable)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def ask(self, path: str) -> None:
        """Ask for the space at ``path``; a helper that died is noticed when its answers end."""
        self.pending.append(path)
        # A pipe holds 64 KiB and questions are bounded by the number of mounts: this write cannot block.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._in, path.encode() + b"\n")

    def kill(self) -> None:
        """End the process; one that hangs in the kernel ends when the kernel lets it."""
        if not self._process.stdout or self._process.stdout.closed:
            return
        self.alive = False
        asyncio.get_running_loop().remove_reader(self._out)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_S)

    def _on_readable(self) -> None:
        data = os.read(self._out, _READ_BYTES)
        if not data:
            self.kill()
            return
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            if self.pending:
                self._on_answer(self, self.pending.popleft(), parse_answer(line))
