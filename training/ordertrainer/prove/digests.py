"""What a proof is a proof of: hashes over a contract, its playbooks and everything they share. Reads the catalogue's folders.

A proof counts for exactly these bytes. The commit is written beside it for people, and is no part of the question: most commits
change no playbook.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from orderd.catalogue.load import SHARED_FOLDERS as SHARED_BY_REPAIRS
from ordertrainer.chaos.catalogue import SHARED_FOLDERS as SHARED_BY_FAULTS

HEX_DIGITS: Final = 16


def fault_digest(directory: Path, name: str) -> str:
    """Return the digest of a fault's folder and of what all faults share."""
    return _digest(directory, (name, *SHARED_BY_FAULTS))


def cure_digest(fault: str, directory: Path, repair: str) -> str:
    """Return the digest of a repair against a fault, from the fault's digest and the repair's folder and modules."""
    return hashlib.sha256(f"{fault} {_digest(directory, (repair, *SHARED_BY_REPAIRS))}".encode()).hexdigest()[:HEX_DIGITS]


def _digest(directory: Path, folders: tuple[str, ...]) -> str:
    total = hashlib.sha256()
    for folder in folders:
        for file in sorted(path for path in (directory / folder).rglob("*") if path.is_file()):
            if "__pycache__" in file.parts:
                continue
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            total.update(f"{file.relative_to(directory).as_posix()} {content}\n".encode())
    return total.hexdigest()[:HEX_DIGITS]
