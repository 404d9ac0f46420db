"""Data: the record of who may read and write what services keep. Root's alone: it names what lies in closed folders.

Touches the disk; asks systemd. Contents are nobody's business here, and what is new since is unknown: only access is recorded.
"""

import json
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from orderd.config.schema import Config, ServiceConfig
from orderd.sampling.known_good.writing import SECRET_FILE_MODE, show, write_json

DATA: Final = "data.json"
ENTRIES_MAX: Final = 2000
"""Of a unit, those near the top first: it is what a restore by hand gets wrong, and a database may have millions."""
_STATE: Final = Path("/var/lib")


def capture(config: Config, root: Path, *, keep: bool) -> list[Path]:
    """Write down mode and owner of what the declared units keep: ``data`` and their StateDirectory."""
    target = root / DATA
    known = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    wanted = [service for service in config.services if not (keep and service.unit in known)]
    found = {service.unit: _describe(service) for service in wanted}
    return [write_json(known | found, target, mode=SECRET_FILE_MODE)] if found else []


def _describe(service: ServiceConfig) -> dict[str, tuple[int, int, int]]:
    """Return path -> type and mode, owner, group; links are left out, and so is what is mounted below."""
    states = (_STATE / name for name in _state_directories(service.unit))
    tops = dict.fromkeys([*map(Path.resolve, map(Path, service.data)), *(each.resolve() for each in states if each.is_dir())])
    found: dict[str, tuple[int, int, int]] = {}
    for path, status in (each for top in tops for each in _below(str(top))):
        if len(found) >= ENTRIES_MAX:
            break
        found[path] = status.st_mode, status.st_uid, status.st_gid
    return found


def _below(top: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield a path and all below it, level by level."""
    status = os.lstat(top)
    yield top, status
    pending = deque([top])
    while pending:
        for entry in sorted(_entries(pending.popleft()), key=lambda entry: entry.name):
            try:
                below = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # services write and remove meanwhile
                continue
            if entry.is_symlink() or below.st_dev != status.st_dev:
                continue
            yield entry.path, below
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)


def _entries(folder: str) -> "list[os.DirEntry[str]]":
    try:
        return list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _state_directories(unit: str) -> list[str]:
    return show(unit, "StateDirectory").split()
