"""A digest of what runs: a worker with other code would compute something else under the same name. Reads the sources."""

import hashlib
import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import orderd
import ordertrainer

PLAYBOOKS: Final = Path(__file__).parents[3] / "playbooks"
SUFFIXES: Final = frozenset({".py", ".toml", ".yml", ".yaml", ".json"})
PACKAGES: Final = ("numpy", "torch")
"""Whose release decides what is computed, too."""


def folders() -> tuple[Path, ...]:
    """Return what results depend on: both programs, and the catalogue of faults and repairs."""
    return Path(orderd.__file__).parent, Path(ordertrainer.__file__).parent, PLAYBOOKS / "faults", PLAYBOOKS / "repairs"


@cache
def digest_here() -> str:
    """Return the digest of what this process runs; read once, as modules are."""
    releases = [f"python {'.'.join(platform.python_version_tuple()[:2])}", *(f"{name} {_release(name)}" for name in PACKAGES)]
    return digest(folders(), releases)


def digest(folders: tuple[Path, ...], releases: list[str]) -> str:
    """Return the sha256 of all sources in some folders, with their paths in there, and of releases."""
    found = hashlib.sha256("\n".join(releases).encode())
    for folder in folders:
        for path in _files(folder):
            for part in (str(path.relative_to(folder)).encode(), path.read_bytes()):
                found.update(len(part).to_bytes(8) + part)
    return found.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES and path.is_file())


def _release(package: str) -> str:
    """Return the release of a package, without what a build for some GPU adds to it."""
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return "none"
