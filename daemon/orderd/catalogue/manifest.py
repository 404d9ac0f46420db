"""The manifest of a catalogue: the sha256 of every file that a repair may run. Touches the disk.

Written once, when orderd is built or installed, and signed there by the fleet's owner; loaded by the executor at start. From then
on a path means nothing: a file runs only as a copy whose bytes have the hash that was loaded.
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
        version: of this file's own shape; 1 had neither serial nor not_after.
        files: path relative to the catalogue, with ``/`` -> sha256 in lower-case hex.
        serial: rises with every release; 0: not for a host that asks for signatures.
        not_after: UTC, ISO 8601; empty: it does not expire.
    """

    version: Literal[1, 2]
    files: dict[str, Sha256]
    serial: Annotated[int, msgspec.Meta(ge=0, le=1 << 62)] = 0
    not_after: Annotated[str, msgspec.Meta(pattern=r"^([0-9-]{10}T[0-9:]{8}Z)?$")] = ""

    @classmethod
    def of(cls, directory: Path, *, serial: int = 0, not_after: str = "") -> Self:
        """Hash the files of a catalogue as they are now."""
        files = {file.relative_to(directory).as_posix(): sha256(file.read_bytes()) for file in _hashed_files(directory)}
        return cls(version=2, files=files, serial=serial, not_after=not_after)

    def for_repair(self, name: str) -> dict[str, str]:
        """Return the hashes of what one repair may use: its own folder and the shared modules."""
        folders = (name, *SHARED_FOLDERS)
        return {path: digest for path, digest in self.files.items() if path.split("/", 1)[0] in folders}


def sha256(content: bytes) -> str:
    """Return the sha256 of some bytes in lower-case hex."""
    return hashlib.sha256(content).hexdigest()


def write(directory: Path, *, serial: int = 0, not_after: str = "") -> Path:
    """Write manifest.json for the catalogue as it is now.

    Args:
        directory: the folder of repairs.
        serial: of the release; 0 for a catalogue that is not going to be signed.
        not_after: UTC, ISO 8601; empty: it does not expire.

    Returns:
        The file written.
    """
    target = directory / MANIFEST_FILE
    staged = target.with_suffix(".json.new")
    staged.write_bytes(
        msgspec.json.format(msgspec.json.encode(Manifest.of(directory, serial=serial, not_after=not_after)), indent=1) + b"\n"
    )
    staged.chmod(0o644)
    staged.replace(target)
    return target


def load(file: Path) -> Manifest:
    """Load a manifest.

    Raises:
        CatalogueError: it is missing, is not a manifest, or somebody other than its owner could have changed it.
    """
    return decode(read(file), file)


def read(file: Path) -> bytes:
    """Return the exact bytes of a manifest, which are what is signed.

    Raises:
        CatalogueError: it is missing, or somebody other than its owner could have changed it.
    """
    try:
        with file.open("rb") as stream:
            _check_owner(os.fstat(stream.fileno()), file)
            return stream.read(_MANIFEST_BYTES_MAX)
    except OSError as error:
        msg = f"{file}: cannot be read ({error.strerror}); {_remedy(file)}"
        raise CatalogueError(msg) from error


def decode(raw: bytes, file: Path) -> Manifest:
    """Parse a manifest.

    Args:
        raw: from ``read``.
        file: where it lay, for messages.

    Raises:
        CatalogueError: it is no manifest.
    """
    try:
        return msgspec.json.decode(raw, type=Manifest)
    except msgspec.DecodeError as error:
        msg = f"{file}: {error}; {_remedy(file)}"
        raise CatalogueError(msg) from error


def _remedy(file: Path) -> str:
    return f"write it with: python -m orderd.catalogue manifest {file.parent}"


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
