"""What there is to prove: every fault, and every repair against every fault that names it as a cure. Reads the catalogue.

The catalogue decides all of it; a fault or repair that is added is proven without a line here.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orderd.catalogue import Catalogue, load_repairs
from orderd.domain.repairs import Repair
from ordertrainer.chaos import Experiment, FaultCatalogue, FaultContract, draw, load_faults
from ordertrainer.prove.digests import cure_digest, fault_digest
from ordertrainer.prove.errors import ProveError

PLAYBOOKS: Final = Path(__file__).parents[3] / "playbooks"
ORDERCTL: Final = "orderctl"
"""The need of faults that speak to orderd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What shall be proven.

    Attributes:
        faults: only these; all when empty.
        repairs: only these, against the faults they cure; all when empty.
        cures: whether repairs are proven at all.
        seed: targets and intensities follow from it.
    """

    faults: Sequence[str] = ()
    repairs: Sequence[str] = ()
    cures: bool = True
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to prove.

    Attributes:
        fault: its contract.
        repair: the cure to prove against it; None for the fault alone.
        experiment: as drawn.
        digest: of everything the proof depends on.
    """

    fault: FaultContract
    repair: Repair | None
    experiment: Experiment
    digest: str

    @property
    def name(self) -> str:
        """Return how it is called in lines of progress."""
        return self.fault.name if self.repair is None else f"{self.fault.name} -> {self.repair.name}"

    @property
    def needs_orderd(self) -> bool:
        """Tell whether orderd has to be installed on the host."""
        return self.repair is not None or ORDERCTL in self.fault.needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The catalogue as it lies on the disk now."""

    faults: FaultCatalogue
    repairs: Catalogue

    @classmethod
    def load(cls, playbooks: Path = PLAYBOOKS) -> Shelf:
        """Read both folders.

        Raises:
            CatalogueError: one cannot be read.
        """
        return cls(faults=load_faults(playbooks / "faults"), repairs=load_repairs(playbooks / "repairs"))

    def cured_by(self, repair: str) -> list[str]:
        """Return the faults that name a repair as a cure."""
        return sorted(name for name, fault in self.faults.faults.items() if repair in fault.cures)


def items(shelf: Shelf, wanted: Wanted) -> list[Item]:
    """Return what is to be proven, in order: faults first, because a cure of a fault that does not land proves nothing.

    Raises:
        ProveError: something that was asked for is unknown or refused; names it and what there is.
    """
    _check(wanted.faults, "fault", shelf.faults.faults, shelf.faults.refused)
    _check(wanted.repairs, "repair", shelf.repairs.repairs, shelf.repairs.refused)
    chosen = sorted(wanted.faults or shelf.faults.faults)
    alone = [] if wanted.repairs else [_fault_item(shelf, name, wanted.seed) for name in chosen]
    if not wanted.cures:
        return alone
    pairs = [
        _cure_item(shelf, fault, repair, wanted.seed)
        for fault in chosen
        for repair in shelf.faults.faults[fault].cures
        if repair in shelf.repairs.repairs and repair in (wanted.repairs or shelf.repairs.repairs)
    ]
    if wanted.repairs and not pairs:
        raise ProveError(f"{', '.join(wanted.repairs)}: no fault names it among its `cures`, so there is nothing to prove it on")
    return [*alone, *pairs]


def _check(names: Sequence[str], what: str, known: object, refused: object) -> None:
    for name in names:
        if name in refused:  # type: ignore[operator]
            raise ProveError(f"{what} {name!r} cannot be proven: {refused[name]}")  # type: ignore[index]
        if name not in known:  # type: ignore[operator]
            raise ProveError(f"there is no {what} {name!r}; there are: {', '.join(sorted(known))}")  # type: ignore[call-overload]


def _fault_item(shelf: Shelf, name: str, seed: int) -> Item:
    contract = shelf.faults.faults[name]
    digest = fault_digest(shelf.faults.directory, name)
    return Item(fault=contract, repair=None, experiment=_drawn(contract, f"{seed}/{name}"), digest=digest)


def _cure_item(shelf: Shelf, fault: str, repair: str, seed: int) -> Item:
    contract = shelf.faults.faults[fault]
    return Item(
        fault=contract,
        repair=shelf.repairs.repairs[repair],
        experiment=_drawn(contract, f"{seed}/{fault}/{repair}"),
        digest=cure_digest(fault_digest(shelf.faults.directory, fault), shelf.repairs.directory, repair),
    )


def _drawn(contract: FaultContract, stream: str) -> Experiment:
    """Draw from a random stream of its own, so that one fault more or less changes nothing about the others."""
    return draw(random.Random(stream), contract)  # noqa: S311  experiments have to be drawn again, secrets must not
