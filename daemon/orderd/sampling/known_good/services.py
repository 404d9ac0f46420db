"""Services' own files: the record of the unit's file and its configuration. Root's alone: configuration may hold secrets.

Touches the disk.
"""

import json
import os
import shutil
import stat
import tempfile
from pathlib import Path

from orderd.config.schema import Config, ServiceConfig
from orderd.sampling.known_good.writing import make_directory, show

_SECRET_DIRECTORY_MODE = 0o700
_SECRET_FILE_MODE = 0o600
INDEX = "index.json"


def capture(config: Config, root: Path, *, keep: bool) -> list[Path]:
    """Copy every service's own files: the unit's and those that the configuration names."""
    folder, written = root / "files", list[Path]()
    make_directory(folder)
    folder.chmod(_SECRET_DIRECTORY_MODE)
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
    return show(unit, "FragmentPath").strip()
