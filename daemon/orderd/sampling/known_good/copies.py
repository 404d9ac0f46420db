"""Copies of files with their mode and owner, for root alone: configuration may hold secrets. Touches the disk."""

import json
import shutil
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

_SECRET_FILE_MODE = 0o600
INDEX = "index.json"


def record(target: Path, *, files: Iterable[str], folders: Iterable[str], **more: str) -> list[Path]:
    """Make a folder of copies with an index, in the place of the one that was there.

    Args:
        target: the folder.
        files: paths of what is copied.
        folders: paths of which only mode and owner are recorded.
        more: what else the index says.

    Returns:
        The files written.
    """
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        copies = {path: _copy(path, fresh / str(place)).name for place, path in enumerate(files)}
        index = {path: _describe(path) | {"copy": copy} for path, copy in copies.items()}
        around = {folder: _describe(folder) for folder in folders}
        (fresh / INDEX).write_text(json.dumps({**more, "files": index, "folders": around}, indent=1), encoding="utf-8")
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


def _copy(source: str, target: Path) -> Path:
    shutil.copyfile(source, target)
    target.chmod(_SECRET_FILE_MODE)
    return target
