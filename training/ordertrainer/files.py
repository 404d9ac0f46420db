"""Writing files so that a crash leaves the old one or the new one, never half of one. Touches the disk."""

import json
import os
from pathlib import Path
from typing import Any


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def publish(written: Path, path: Path) -> None:
    """Make a finished temporary file appear under its name, durably, replacing what was there."""
    fd = os.open(written, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    written.replace(path)
    sync_directory(path.parent)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a small file's content in one step."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    publish(temporary, path)


def write_json(path: Path, value: Any) -> None:
    """Write plain values for people and programs, in one step; the folder is made when it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, (json.dumps(value, indent=2) + "\n").encode())
