"""Kernel settings by their sysctl name. Touches: /proc/sys."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/proc/sys")


def words(value: object) -> list[str]:
    """Return a value as the kernel compares it: by its words, whatever is between them."""
    return str(value).split()


def read(key: str) -> list[str]:
    """Return the words of a setting.

    Raises:
        OSError: this kernel, or this host, has no such setting.
    """
    return words(_file(key).read_text(encoding="ascii"))


def write(key: str, value: list[str]) -> None:
    """Give a setting a value."""
    _file(key).write_text(" ".join(value), encoding="ascii")


def _file(key: str) -> Path:
    return ROOT / key.replace(".", "/")
