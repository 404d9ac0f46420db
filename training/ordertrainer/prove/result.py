"""What has been proven: the shape of catalogue.json, and its keeper, who writes it whole after every item.

Touches: the file. A rerun reads it first: what is proven for the same bytes of contract and playbooks is not proven again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from ordertrainer.prove.errors import ProveError


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all parts of the file."""


class FaultProof(Shape, frozen=True):
    """What came of one fault.

    Attributes:
        name: of the fault.
        landed: the witness on the host saw it in full, after its revert was armed.
        reverted: the revert ran without a complaint.
        residue: what was left on the host, one line a thing.
        skipped: what the host lacks for it; empty when it was tried.
        why: what went wrong, empty when nothing did.
        target: what it happened to, ``new`` for a process of its own.
        intensity: how strong, in the contract's unit.
        seconds: how long the item took.
        landed_s: seconds from the arming to the landing.
        digest: of what the proof is a proof of.
        commit: of the checkout, for people.
    """

    name: str
    landed: bool = False
    reverted: bool = False
    residue: list[str] = []
    skipped: str = ""
    why: str = ""
    target: str = ""
    intensity: float = 0.0
    seconds: float = 0.0
    landed_s: float = 0.0
    digest: str = ""
    commit: str = ""

    @property
    def proven(self) -> bool:
        """Tell whether it landed, was undone and left nothing."""
        return self.landed and self.reverted and not self.residue and not self.why


class CureProof(Shape, frozen=True):
    """What came of one repair against one fault.

    Attributes:
        fault: what was broken.
        cured: verified for its hold time, nothing else changed, the revert kept its hands off, and idempotent where it says so.
        idempotent: the second run reported no change and made none; None where the contract does not promise it.
        collateral: what changed beyond the contract, one line a thing.
        skipped: what the host lacks for the fault; empty when it was tried.
        why: what went wrong, empty when nothing did.
        target: ``kind:key``.
        intensity: of the fault.
        seconds: how long the item took.
        repaired_s: seconds from the order to the verdict, hold time included.
        digest: of what the proof is a proof of.
        commit: of the checkout, for people.
    """

    fault: str
    cured: bool = False
    idempotent: bool | None = None
    collateral: list[str] = []
    skipped: str = ""
    why: str = ""
    target: str = ""
    intensity: float = 0.0
    seconds: float = 0.0
    repaired_s: float = 0.0
    digest: str = ""
    commit: str = ""


class RepairProof(Shape, frozen=True):
    """What came of one repair.

    Attributes:
        name: of the repair.
        proven_on: the faults it cured.
        idempotent: the contract promises it, and every second run kept the promise.
        collateral: what it changed beyond its contract, on any fault.
        skipped: why it was tried on nothing; empty when it was.
        why: what went wrong, by fault.
        proofs: one a fault.
    """

    name: str
    proven_on: list[str] = []
    idempotent: bool = False
    collateral: list[str] = []
    skipped: str = ""
    why: str = ""
    proofs: list[CureProof] = []

    @property
    def proven(self) -> bool:
        """Tell whether it cured everything that it was tried on."""
        tried = [proof for proof in self.proofs if not proof.skipped]
        return bool(tried) and all(proof.cured for proof in tried)


class Proofs(Shape, frozen=True):
    """Everything that is known of a catalogue."""

    faults: list[FaultProof] = []
    repairs: list[RepairProof] = []


def repair_proof(name: str, proofs: Iterable[CureProof]) -> RepairProof:
    """Return what a repair's proofs add up to."""
    known = sorted(proofs, key=lambda proof: proof.fault)
    tried = [proof for proof in known if not proof.skipped]
    return RepairProof(
        name=name,
        proven_on=[proof.fault for proof in tried if proof.cured],
        idempotent=bool(tried) and all(proof.idempotent is True for proof in tried),
        collateral=[f"{proof.fault}: {each}" for proof in tried for each in proof.collateral],
        skipped="" if tried else "; ".join(f"{proof.fault}: {proof.skipped}" for proof in known),
        why="; ".join(f"{proof.fault}: {proof.why}" for proof in tried if proof.why),
        proofs=known,
    )


class Keeper:
    """Keeps the proofs in a file; several threads may add to it."""

    def __init__(self, path: Path) -> None:
        """Read what is there.

        Raises:
            ProveError: there is a file that holds something else.
        """
        self.path = path
        self._lock = threading.Lock()
        known = read(path)
        self._faults = {proof.name: proof for proof in known.faults}
        self._cures = {(repair.name, proof.fault): proof for repair in known.repairs for proof in repair.proofs}

    @property
    def proofs(self) -> Proofs:
        """Return what is known now."""
        with self._lock:
            return self._all()

    def forget(self, digests: Mapping[str | tuple[str, str], str]) -> None:
        """Drop what was proven of bytes that are no more, and of names that are gone.

        Args:
            digests: of everything in the catalogue: fault name, or (repair, fault).
        """
        with self._lock:
            self._faults = {name: proof for name, proof in self._faults.items() if digests.get(name) == proof.digest}
            self._cures = {pair: proof for pair, proof in self._cures.items() if digests.get(pair) == proof.digest}

    def proven(self, fault: str, repair: str | None) -> bool:
        """Tell whether an item needs no proof any more."""
        with self._lock:
            if repair is None:
                return fault in self._faults and self._faults[fault].proven
            return (repair, fault) in self._cures and self._cures[repair, fault].cured

    def add(self, proof: FaultProof | CureProof, repair: str | None) -> None:
        """Take one more proof and write the file."""
        with self._lock:
            if isinstance(proof, FaultProof):
                self._faults[proof.name] = proof
            else:
                self._cures[str(repair), proof.fault] = proof
            write(self.path, msgspec.json.format(msgspec.json.encode(self._all())) + b"\n")

    def _all(self) -> Proofs:
        names = sorted({name for name, _ in self._cures})
        return Proofs(
            faults=[self._faults[name] for name in sorted(self._faults)],
            repairs=[repair_proof(name, [proof for (of, _), proof in self._cures.items() if of == name]) for name in names],
        )


def read(path: Path) -> Proofs:
    """Return the proofs in a file, none when there is no file.

    Raises:
        ProveError: it holds something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Proofs)
    except FileNotFoundError:
        return Proofs()
    except (OSError, msgspec.DecodeError) as error:
        raise ProveError(f"{path}: {error}; remove it, or name another file with --out") from error


def write(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or what was there before, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
