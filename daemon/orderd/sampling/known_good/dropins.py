"""Drop-ins: the record of those in effect, and what differs from it now. Touches the disk."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from orderd.config.schema import Config
from orderd.domain.clock import Instant
from orderd.sampling.collector import NAN
from orderd.sampling.known_good.writing import DIRECTORY_MODE, copy, make_directory, show

_LOOK_EVERY_S = 5.0


def capture(config: Config, root: Path, *, keep: bool) -> list[Path]:
    """Copy the drop-ins of every declared unit that are in effect."""
    folder, written = root / "dropins", list[Path]()
    make_directory(folder)
    for service in config.services:
        record = folder / f"{service.unit}.d"
        if not (keep and record.exists()):
            written += _capture_unit(service.unit, record)
    return written


class DropIns:
    """Compares the drop-ins in effect with the record.

    At once when systemd loaded other files, else every few seconds; contents are read only when an inode, size or mtime changed.
    """

    def __init__(self, root: Path) -> None:
        """Compare with the record under ``root``, the known good directory."""
        self._root = root / "dropins"
        self._looked: dict[str, tuple[Sequence[str], int]] = {}
        self._compared: dict[str, tuple[object, float]] = {}

    def changed(self, unit: str, paths: Sequence[str] | None, at: Instant) -> float:
        """Return 1 when names or contents differ from the record, else 0; missing without a record or without permission.

        Args:
            unit: the unit.
            paths: DropInPaths as systemd loaded them; None when unknown.
            at: now.
        """
        if paths is None:
            return NAN
        before, looked_ns = self._looked.get(unit, (None, 0))
        if before == paths and at.mono_ns - looked_ns < _LOOK_EVERY_S * 1e9:
            return self._compared[unit][1]
        self._looked[unit] = paths, at.mono_ns
        return self._compare(unit, paths)

    def _compare(self, unit: str, paths: Sequence[str]) -> float:
        try:
            record = [str(path) for path in (self._root / f"{unit}.d").iterdir()]
            signature = (_signature(paths), _signature(record))
        except OSError:  # no record of this unit, or no permission to look
            self._compared[unit] = None, NAN
            return NAN
        if self._compared.get(unit, (None,))[0] != signature:
            self._compared[unit] = signature, _differ(paths, record)
        return self._compared[unit][1]


def _differ(paths: Sequence[str], record: Sequence[str]) -> float:
    try:
        return float(_contents(paths) != _contents(record))
    except PermissionError:  # a drop-in that only root may read: not comparable, which is not the same as unchanged
        return NAN


def _contents(paths: Iterable[str]) -> dict[str, bytes]:
    return {Path(path).name: _hash(path) for path in paths}


def _hash(path: str) -> bytes:
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except FileNotFoundError:  # removed, and systemd still runs with it
        return b""


def _signature(paths: Iterable[str]) -> "tuple[tuple[str, int, int, int], ...]":
    return tuple((path, *_stamp(path)) for path in sorted(paths))


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return status.st_ino, status.st_size, status.st_mtime_ns


def _capture_unit(unit: str, target: Path) -> list[Path]:
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        fresh.chmod(DIRECTORY_MODE)
        names = [copy(Path(path), fresh / Path(path).name).name for path in _dropin_paths(unit)]
        if target.exists():
            shutil.rmtree(target)
        fresh.rename(target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return [target / name for name in names]


def _dropin_paths(unit: str) -> list[str]:
    return show(unit, "DropInPaths").split()
