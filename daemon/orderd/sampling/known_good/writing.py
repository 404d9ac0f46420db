"""How a record is written: folders and copies that everybody may read, or only root. Touches the disk; asks systemd."""

import json
import shutil
import subprocess
from pathlib import Path

_SYSTEMCTL_TIMEOUT_S = 10.0
DIRECTORY_MODE = 0o755
_FILE_MODE = 0o644
SECRET_FILE_MODE = 0o600


def show(unit: str, wanted: str) -> str:
    """Return a property of a unit as systemd has it."""
    shown = subprocess.run(
        ["/usr/bin/systemctl", "show", f"--property={wanted}", "--value", "--", unit],
        check=True,
        capture_output=True,
        text=True,
        timeout=_SYSTEMCTL_TIMEOUT_S,
    )
    return shown.stdout


def make_directory(path: Path) -> None:
    """Make a folder that everybody may read."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(DIRECTORY_MODE)


def copy(source: Path, target: Path) -> Path:
    """Copy contents and times, not permissions: the record is for everybody to compare with."""
    fresh = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, fresh)
    shutil.copystat(source, fresh)
    fresh.chmod(_FILE_MODE)
    fresh.replace(target)
    return target


def write_json(content: object, target: Path, *, mode: int = _FILE_MODE) -> Path:
    """Write a record as a whole; everybody may compare with it, unless ``mode`` says otherwise."""
    fresh = target.with_name(f".{target.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=SECRET_FILE_MODE)
    fresh.write_text(json.dumps(content, indent=1), encoding="utf-8")
    fresh.chmod(mode)
    return fresh.replace(target)
