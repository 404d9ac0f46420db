"""What is mounted where, and whether it answers. Touches: /proc/self/mountinfo, which no hung file system holds up."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NamedTuple

MOUNTINFO = Path("/proc/self/mountinfo")


class Mount(NamedTuple):
    """One line of the mount table; `options` are the mount's own and then the file system's."""

    source: str
    fstype: str
    options: tuple

    @property
    def read_only(self) -> bool:
        """Tell whether nothing can be written; a file system that met an error says so itself."""
        return "ro" in self.options


def mounted_at(path: str, text: str | None = None) -> list[Mount]:
    """Return what is mounted on a path, the one that is seen last.

    Args:
        path: of the mount point.
        text: of the mount table; this host's when None.

    References:
        proc(5), /proc/PID/mountinfo.
    """
    lines = (MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape") if text is None else text).splitlines()
    return [_mount(line) for line in lines if _unescaped(line.split(" ")[4]) == path]


def _mount(line: str) -> Mount:
    before, _, after = line.partition(" - ")
    fstype, source, own = after.split(" ")[:3]
    return Mount(source=_unescaped(source), fstype=fstype, options=(*before.split(" ")[5].split(","), *own.split(",")))


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def answers(path: str) -> bool:
    """Tell whether a file system does its work, False when it answers every request with EIO.

    Its top directory is synced: nothing is changed by that, it needs no file to be there, and a dead file system fails at it.
    """
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    except OSError as error:
        if error.errno == errno.EIO:
            return False
        raise
    finally:
        os.close(directory)
    return True
