"""Writing files so that a crash leaves the old one or the new one, never half of one. Touches the disk."""

import os
from pathlib import Path


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
