"""Mounts: the record of how the declared ones are mounted and who may enter them, and what differs now. Touches the disk."""

import json
import stat
from collections.abc import Mapping
from pathlib import Path

from orderd.config.schema import Config
from orderd.domain.clock import Instant
from orderd.sampling.collector import NAN
from orderd.sampling.known_good.writing import write_json

MOUNTS = "mounts.json"
_MOUNTINFO = Path("/proc/self/mountinfo")
_LOOK_EVERY_S = 5.0

How = dict[str, str | int]
"""What is recorded of one mount: source, type, options; mode, uid and gid of its top directory, which older records lack."""


def capture(config: Config, root: Path, *, keep: bool) -> list[Path]:
    """Write down how the declared mounts are mounted; one that is not mounted now keeps what was known of it.

    With ``keep`` only what is not known yet is added.
    """
    target = root / MOUNTS
    if not config.mounts:
        return []
    known: dict[str, How] = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    there = mounted_as(_MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape"))
    found = {m.path: _now(m.path, there) or known.get(m.path, {}) for m in config.mounts}
    if keep:
        found = {path: how | known.get(path, {}) for path, how in found.items()}
    found = {path: how for path, how in found.items() if how}
    return [] if keep and found == known else [write_json(found, target)]


def _now(path: str, there: Mapping[str, Mapping[str, str]]) -> How:
    if path not in there:
        return {}
    status = Path(path).stat()
    return {**there[path], "mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}


def mounted_as(mountinfo: str) -> dict[str, dict[str, str]]:
    """Return source, type and options of every mount point; of mounts on one point, the topmost counts.

    Options of the mount and of the file system are put together, as mount(8) takes them.
    """
    found: dict[str, dict[str, str]] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point, options = before.split(" ")[4:6]
        kind, source, more = after.split(" ")[:3]
        together = ",".join(dict.fromkeys([*options.split(","), *more.split(",")]))
        found[point.replace("\\040", " ")] = {"source": source.replace("\\040", " "), "type": kind, "options": together}
    return found


class MountAccess:
    """Compares mode and owner of mounts' top directories with the record, which is read again only when it is another file."""

    def __init__(self, root: Path) -> None:
        """Compare with the record under ``root``, the known good directory; nothing is read yet."""
        self._file = root / MOUNTS
        self._looked_ns: int | None = None
        self._stamp: tuple[int, int, int] | None = None
        self._wanted: dict[str, tuple[int, int, int]] = {}

    def changed(self, path: str, access: tuple[int, int, int] | None, at: Instant) -> float:
        """Return 1 when mode or owner differ from the record, else 0; missing where one of them is not known.

        Args:
            path: where it is mounted.
            access: mode, uid and gid now; None when unknown.
            at: now.
        """
        if self._looked_ns is None or at.mono_ns - self._looked_ns >= _LOOK_EVERY_S * 1e9:
            self._looked_ns = at.mono_ns
            self._look()
        wanted = self._wanted.get(path)
        return NAN if wanted is None or access is None else float(access != wanted)

    def _look(self) -> None:
        try:
            status = self._file.stat()
            stamp = status.st_ino, status.st_size, status.st_mtime_ns
            if stamp != self._stamp:
                self._wanted = _accesses(json.loads(self._file.read_text(encoding="utf-8")))
                self._stamp = stamp
        except (OSError, ValueError):  # no record, or none that can be read
            self._wanted, self._stamp = {}, None


def _accesses(record: Mapping[str, Mapping[str, str | int]]) -> dict[str, tuple[int, int, int]]:
    keys = ("mode", "uid", "gid")
    known = {path: how for path, how in record.items() if all(key in how for key in keys)}
    return {path: (int(how["mode"]), int(how["uid"]), int(how["gid"])) for path, how in known.items()}
