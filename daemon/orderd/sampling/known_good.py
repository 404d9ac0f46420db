"""The last known good copy of what may be broken on a host: drop-ins, services' own files, the resolver's configuration.

``capture`` writes it (root, at install); ``DropIns`` compares the running host with it (user orderd). Touches the directory
``sampling.known_good``:

    resolv.conf               a copy of resolver.resolv_conf
    dropins/UNIT.d/*.conf     the drop-ins in effect; an empty directory says that there were none
    mounts.json               of every declared mount the source, the type and the options
    files/UNIT/index.json     the unit's file and its configuration: path -> mode, owner, the copy's name; and of the folders
                              around them mode and owner. Root's alone: configuration may hold secrets, and nobody compares
"""

import hashlib
import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from orderd.config.schema import Config, ServiceConfig
from orderd.domain.clock import Instant
from orderd.sampling.collector import NAN

_SYSTEMCTL_TIMEOUT_S = 10.0
_LOOK_EVERY_S = 5.0
_DIRECTORY_MODE = 0o755
_FILE_MODE = 0o644
_SECRET_DIRECTORY_MODE = 0o700
_SECRET_FILE_MODE = 0o600
INDEX = "index.json"
MOUNTS = "mounts.json"
_MOUNTINFO = Path("/proc/self/mountinfo")


def capture(config: Config, *, keep: bool = False) -> tuple[Path, ...]:
    """Copy what is there now as the known good state; call it only on a healthy host.

    Each unit's record is replaced as a whole, by rename, so that a reader sees the old one or the new one.

    Args:
        config: names the units, the resolver's file and where the copy goes.
        keep: leave every record alone that there is already; an upgrade must not take what is broken just now for good.

    Returns:
        The files written.

    Raises:
        OSError: a file cannot be read or written.
        subprocess.SubprocessError: systemctl did not answer.
    """
    root = Path(config.sampling.known_good)
    _make_directory(root)
    _make_directory(root / "dropins")
    resolver, written = root / "resolv.conf", list[Path]()
    if _has_resolver(config) and not (keep and resolver.exists()):
        written.append(_copy(Path(config.resolver.resolv_conf), resolver))
    for service in config.services:
        record = root / "dropins" / f"{service.unit}.d"
        if not (keep and record.exists()):
            written += _capture_dropins(service.unit, record)
    return (*written, *_capture_mounts(config, root / MOUNTS, keep=keep), *_capture_files(config, root / "files", keep=keep))


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


def _has_resolver(config: Config) -> bool:
    return bool(config.resolver.name) and Path(config.resolver.resolv_conf).exists()


def _capture_dropins(unit: str, target: Path) -> list[Path]:
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        fresh.chmod(_DIRECTORY_MODE)
        names = [_copy(Path(path), fresh / Path(path).name).name for path in _dropin_paths(unit)]
        if target.exists():
            shutil.rmtree(target)
        fresh.rename(target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return [target / name for name in names]


def _capture_mounts(config: Config, target: Path, *, keep: bool) -> list[Path]:
    """Write down how the declared mounts are mounted; one that is not mounted now keeps what was known of it."""
    if not config.mounts or (keep and target.exists()):
        return []
    known = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    there = mounted_as(_MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape"))
    found = {m.path: there.get(m.path, known.get(m.path)) for m in config.mounts}
    fresh = target.with_name(f".{target.name}.new")
    fresh.write_text(json.dumps({path: how for path, how in found.items() if how}, indent=1), encoding="utf-8")
    fresh.chmod(_FILE_MODE)
    return [fresh.replace(target)]


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


def _capture_files(config: Config, folder: Path, *, keep: bool) -> list[Path]:
    """Copy every service's own files: the unit's and those that the configuration names."""
    _make_directory(folder)
    folder.chmod(_SECRET_DIRECTORY_MODE)
    written: list[Path] = []
    for service in config.services:
        record = folder / service.unit
        if not (keep and record.exists()):
            written += _capture_service(service, record)
    return written


def _capture_service(service: ServiceConfig, target: Path) -> list[Path]:
    # What a link leads to is recorded: it is what is read. A masked unit's leads to nothing that could be put back.
    unit_file = shown if Path(shown := os.path.realpath(_unit_file(service.unit) or "/")).is_file() else ""
    files = dict.fromkeys(filter(None, (unit_file, *map(os.path.realpath, service.config))))
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        copies = {path: _copy_secret(path, fresh / str(place)).name for place, path in enumerate(files)}
        index = {path: _describe(path) | {"copy": copy} for path, copy in copies.items()}
        folders = {folder: _describe(folder) for path in files if path != unit_file and (folder := str(Path(path).parent))}
        text = json.dumps({"unit_file": unit_file, "files": index, "folders": folders}, indent=1)
        (fresh / INDEX).write_text(text, encoding="utf-8")
        (fresh / INDEX).chmod(_SECRET_FILE_MODE)
        if target.exists():
            shutil.rmtree(target)
        fresh.rename(target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return [target / name for name in (INDEX, *copies.values())]


def _describe(path: str) -> "dict[str, int | str]":
    status = Path(path).stat()
    return {"mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}


def _copy_secret(source: str, target: Path) -> Path:
    shutil.copyfile(source, target)
    target.chmod(_SECRET_FILE_MODE)
    return target


def _unit_file(unit: str) -> str:
    return _show(unit, "FragmentPath").strip()


def _dropin_paths(unit: str) -> list[str]:
    return _show(unit, "DropInPaths").split()


def _show(unit: str, wanted: str) -> str:
    shown = subprocess.run(
        ["/usr/bin/systemctl", "show", f"--property={wanted}", "--value", "--", unit],
        check=True,
        capture_output=True,
        text=True,
        timeout=_SYSTEMCTL_TIMEOUT_S,
    )
    return shown.stdout


def _make_directory(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(_DIRECTORY_MODE)


def _copy(source: Path, target: Path) -> Path:
    """Copy contents and times, not permissions: the record is for everybody to compare with."""
    fresh = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, fresh)
    shutil.copystat(source, fresh)
    fresh.chmod(_FILE_MODE)
    fresh.replace(target)
    return target
