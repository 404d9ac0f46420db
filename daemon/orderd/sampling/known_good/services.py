"""Services' own files: the record of the unit's file and its configuration. Root's alone. Touches the disk."""

import os
from pathlib import Path

from orderd.config.schema import Config, ServiceConfig
from orderd.sampling.known_good import copies
from orderd.sampling.known_good.writing import make_directory, show

_SECRET_DIRECTORY_MODE = 0o700


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
    folders = dict.fromkeys(str(Path(path).parent) for path in files if path != unit_file)
    return copies.record(target, files=files, folders=folders, unit_file=unit_file)


def _unit_file(unit: str) -> str:
    return show(unit, "FragmentPath").strip()
