"""Reads playbooks/faults: one folder a fault; a broken folder is refused by name and the rest serve. Touches the disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from orderd.errors import CatalogueError
from ordertrainer.chaos.contract import FaultContract, parse_contract

CONTRACT_FILE: Final = "contract.yml"
PLAYBOOKS: Final = ("inject.yml", "landed.yml", "revert.yml")
SHARED_FOLDERS: Final = ("common",)
CONTRACT_BYTES_MAX: Final = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCatalogue:
    """What a folder of faults holds.

    Attributes:
        directory: where it was read from.
        faults: every usable fault by name.
        refused: every folder that was refused, with the reason.
    """

    directory: Path
    faults: Mapping[str, FaultContract]
    refused: Mapping[str, str]


def load_faults(directory: Path) -> FaultCatalogue:
    """Read every fault folder of a catalogue.

    Args:
        directory: a folder such as playbooks/faults.

    Raises:
        CatalogueError: the folder itself cannot be read.
    """
    faults: dict[str, FaultContract] = {}
    refused: dict[str, str] = {}
    for folder in _fault_folders(directory):
        try:
            faults[folder.name] = _load_fault(folder)
        except CatalogueError as error:
            refused[folder.name] = str(error)
    return FaultCatalogue(directory=directory, faults=MappingProxyType(faults), refused=MappingProxyType(refused))


def _fault_folders(directory: Path) -> list[Path]:
    try:
        entries = sorted(directory.iterdir())
    except OSError as error:
        raise CatalogueError(
            f"{directory}: cannot be read ({error.strerror}); allowed: the folder of faults, one sub-folder each"
        ) from error
    return [e for e in entries if e.is_dir() and e.name not in SHARED_FOLDERS and not e.name.startswith((".", "_"))]


def _load_fault(folder: Path) -> FaultContract:
    file = folder / CONTRACT_FILE
    try:
        with file.open("rb") as stream:
            text = stream.read(CONTRACT_BYTES_MAX + 1)
    except OSError as error:
        raise CatalogueError(f"{file}: cannot be read ({error.strerror}); allowed: every fault folder has one") from error
    if len(text) > CONTRACT_BYTES_MAX:
        raise CatalogueError(f"{file}: is longer than {CONTRACT_BYTES_MAX} bytes; allowed: the contract of one fault")
    contract = parse_contract(text, file=str(file), folder=folder.name)
    for playbook in PLAYBOOKS:
        if not (folder / playbook).is_file():
            raise CatalogueError(f"{folder / playbook}: is missing; allowed: a fault with {', '.join(PLAYBOOKS)}")
    return contract
