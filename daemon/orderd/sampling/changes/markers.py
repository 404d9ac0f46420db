"""Deploy markers: files that a deployment puts down while it works. Reads one directory.

A marker named like a unit is about that unit, any other is about the whole host; its first line says why. The directory has to be
out of reach of ordinary users, because a marker keeps repairs away: one that others may write to is not believed.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orderd.domain.faults import Entity, EntityKind
from orderd.sampling.changes.people import user_name
from orderd.sampling.changes.text import clean

MARKERS_MAX: Final = 64
_LINE_BYTES_MAX: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """One marker.

    Attributes:
        name: of the file.
        stamp: changes when the file is touched or made anew.
        touched_utc_ns: when it was touched last, by the wall clock.
        entity: the unit it names, None for the whole host.
        who: owner of the file.
        why: its first line; may be empty.
    """

    name: str
    stamp: tuple[int, int]
    touched_utc_ns: int
    entity: Entity | None
    who: str
    why: str


class Markers:
    """Looks for deploy markers.

    Attributes:
        problem: why markers are not believed, empty when they are.
    """

    def __init__(self, directory: Path) -> None:
        """Look into ``directory``, which need not exist."""
        self._directory = directory
        self.problem = ""

    def current(self) -> tuple[Marker, ...]:
        """Return the markers that lie there, at most MARKERS_MAX, by name."""
        try:
            directory = self._directory.lstat()
        except OSError:
            self.problem = ""
            return ()
        self.problem = self._distrust(directory)
        if self.problem:
            return ()
        try:
            names = sorted(entry.name for entry in os.scandir(self._directory))[:MARKERS_MAX]
        except OSError:  # removed in the meantime, or not for us
            return ()
        return tuple(marker for name in names if (marker := self._marker(name)) is not None)

    def _distrust(self, directory: os.stat_result) -> str:
        if not stat.S_ISDIR(directory.st_mode):
            return f"{self._directory} is no directory: deploy markers are not seen"
        if directory.st_mode & stat.S_IWOTH:
            return f"{self._directory} can be written by everybody: deploy markers in it are not believed (chmod o-w)"
        return ""

    def _marker(self, name: str) -> Marker | None:
        opened = _open(self._directory / name)
        if opened is None:
            return None
        try:
            there = os.fstat(opened)
            if not stat.S_ISREG(there.st_mode):
                return None
            line = os.read(opened, _LINE_BYTES_MAX).partition(b"\n")[0]
        except OSError:
            return None
        finally:
            os.close(opened)
        return Marker(
            name=clean(name),
            stamp=(there.st_ino, there.st_mtime_ns),
            touched_utc_ns=there.st_mtime_ns,
            entity=_unit(name),
            who=user_name(there.st_uid),
            why=clean(line.decode(errors="replace")),
        )


def _open(path: Path) -> int | None:
    try:
        # A pipe or a link put down by somebody must neither hold us up nor lead us elsewhere.
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None


def _unit(name: str) -> Entity | None:
    try:
        return Entity(kind=EntityKind.UNIT, key=name)
    except ValueError:
        return None
