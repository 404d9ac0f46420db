"""The manifest of a catalogue: the sha256 of every file that a repair may run. Touches the disk.

Written once, when orderd is built or installed; loaded by the executor at start. From then on a path means nothing: a file
runs only as a copy whose bytes have the hash that was loaded.
"""

import hashlib
import os
import stat
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import msgspec

from orderd.catalogue.load import SHARED_FOLDERS
from orderd.errors import CatalogueError

MANIFEST_FILE: Final = "manifest.json"
_MANIFEST_BYTES_MAX: Final = 1 << 20
_SUFFIXES: Final = (".yml", ".py")

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hashes by path.

    Attributes:
        version: of this file's own shape.
        files: path relative to the catalogue, with ``/`` -> sha256 in lower-case hex.
    """

    version: Literal[1]
    files: dict[str, Sha256]

    @classmethod
    def of(cls, directory: Path) -> Self:
        """Hash the files of a catalogue as they are now."""
        files = {file.relative_to(directory).as_posix(): sha256(file.read_bytes()) for file in _hashed_files(directory)}
        return cls(version=1, files=files)

    def for_repair(self, name: str) -> dict[str, str]:
        """Return the hashes of what one repair may use: its own folder and the shared modules."""
        folders = (name, *SHARED_FOLDERS)
        return {path: digest for path, digest in self.files.items() if path.split("/", 1)[0] in folders}


def sha256(content: bytes) -> str:
    """Return the sha256 of some bytes in lower-case hex."""
    return hashlib.sha256(content).hexdigest()


def write(directory: Path) -> Path:
    """Write manifest.json for the catalogue as it is now.

    Returns:
        The file written.
    """
    target = directory / MANIFEST_FILE
    staged = target.with_suffix(".json.new")
    staged.write_bytes(msgspec.json.format(msgspec.json.encode(Manifest.of(directory)), indent=1) + b"\n")
    staged.chmod(0o644)
    staged.replace(target)
    return target


def load(file: Path) -> Manifest:
    """Load a manifest.

    Raises:
        CatalogueError: it is missing, is not a manifest, or somebody other than its owner could have changed it.
    """
    remedy = f"write it with: python -m orderd.catalogue manifest {file.parent}"
    try:
        with file.open("rb") as stream:
            _check_owner(os.fstat(stream.fileno()), file)
            return msgspec.json.decode(stream.read(_MANIFEST_BYTES_MAX), type=Manifest)
    except OSError as error:
        msg = f"{file}: cannot be read ({error.strerror}); {remedy}"
        raise CatalogueError(msg) from error
    except msgspec.DecodeError as error:
        msg = f"{file}: {error}; {remedy}"
        raise CatalogueError(msg) from error


def _check_owner(status: os.stat_result, file: Path) -> None:
    """Refuse a manifest that another user could have written: trust in it is trust in whoever can write it."""
    if status.st_uid not in {0, os.geteuid()} or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = stat.S_IMODE(status.st_mode)
        msg = f"{file}: owner {status.st_uid}, mode {mode:o}; allowed: owned by root, writable by it alone"
        raise CatalogueError(msg)


def _hashed_files(directory: Path) -> list[Path]:
    """Return the playbooks, contracts and modules one folder deep; nothing else is ever copied into a repair."""
    found = (file for folder in directory.iterdir() if folder.is_dir() for file in folder.iterdir())
    return sorted(file for file in found if file.is_file() and file.suffix in _SUFFIXES)
