"""Whether this host is a container, whose kernel counts for all of its machine. Looks for the marks that runtimes leave."""

from pathlib import Path

_MARKS = ("run/systemd/container", "run/.containerenv", ".dockerenv")


def is_container(root: Path = Path("/")) -> bool:
    """Tell whether this host is a container."""
    return any((root / mark).exists() for mark in _MARKS)
