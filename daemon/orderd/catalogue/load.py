"""Reads playbooks/repairs: one folder a repair; a broken folder is refused by name and the rest serve. Touches the disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from orderd.catalogue.contract import parse_contract
from orderd.domain.repairs import Repair
from orderd.errors import CatalogueError

REPAIR_FILE: Final = "repair.yml"
CONTRACT_FILE: Final = "contract.yml"
SHARED_FOLDERS: Final = ("library", "module_utils")
CONTRACT_BYTES_MAX: Final = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What a catalogue folder holds.

    Attributes:
        directory: where it was read from.
        repairs: every usable repair by name.
        refused: every folder that was refused, with the reason.
    """

    directory: Path
    repairs: Mapping[str, Repair]
    refused: Mapping[str, str]


def load_repairs(directory: Path) -> Catalogue:
    """Read every repair folder of a catalogue.

    Args:
        directory: a folder such as playbooks/repairs.

    Returns:
        The usable repairs, and beside them the refused folders with file, key, value and what is allowed.

    Raises:
        CatalogueError: the folder itself cannot be read.
    """
    repairs: dict[str, Repair] = {}
    refused: dict[str, str] = {}
    for folder in _repair_folders(directory):
        try:
            repairs[folder.name] = _load_repair(folder)
        except CatalogueError as error:
            refused[folder.name] = str(error)
    return Catalogue(directory=directory, repairs=MappingProxyType(repairs), refused=MappingProxyType(refused))


def _repair_folders(directory: Path) -> list[Path]:
    try:
        entries = sorted(directory.iterdir())
    except OSError as error:
        msg = f"{directory}: cannot be read ({error.strerror}); allowed: the folder of repairs, one sub-folder each"
        raise CatalogueError(msg) from error
    return [e for e in entries if e.is_dir() and e.name not in SHARED_FOLDERS and not e.name.startswith((".", "_"))]


def _load_repair(folder: Path) -> Repair:
    contract_file = folder / CONTRACT_FILE
    repair = parse_contract(_read_contract(contract_file), file=str(contract_file), folder=folder.name)
    for playbook in filter(None, (REPAIR_FILE, repair.undo)):
        if not (folder / playbook).is_file():
            msg = f"{folder / playbook}: is missing; allowed: every playbook the contract names is in its folder"
            raise CatalogueError(msg)
    return repair


def _read_contract(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            text = stream.read(CONTRACT_BYTES_MAX + 1)
    except OSError as error:
        msg = f"{file}: cannot be read ({error.strerror}); allowed: every repair folder has a contract.yml"
        raise CatalogueError(msg) from error
    if len(text) > CONTRACT_BYTES_MAX:
        msg = f"{file}: is longer than {CONTRACT_BYTES_MAX} bytes; allowed: a contract of one repair"
        raise CatalogueError(msg)
    return text
