"""Stage 0: what no training may see. Reads ``heldout.toml``, which is locked: a test fails when its sha256 changes. Pure.

    families     every fault and decoy is a family; those listed under ``tune`` choose between trainings, those under ``held`` are
                 for the final test alone; what is not listed is trained on, new faults too
    intensities  trained between two shares of a contract's range, examined outside
    pairs        a share of all pairs of trained faults, chosen by a salted hash of their names
    triples      never trained

Who draws for a training asks here, and what it drew is checked by the same code (`ordertrainer.policy.levels`).
"""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any, Final

FILE: Final = Path(__file__).with_name("heldout.toml")
TOGETHER_MAX: Final = 2
"""Faults on one host at most while training."""
_TUNE, _HELD = 3, 4
_OF: Final = 20
"""Of twenty families, three tune and three are held out."""


class HeldOutError(Exception):
    """A training asked for what it may not see; the message names it."""


class Part(StrEnum):
    """What a family is for."""

    TRAIN = "train"
    TUNE = "tune"
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """What the locked file says.

    Attributes:
        sha256: of the file.
        tune, held: names of faults and decoys.
        intensity: shares of a contract's range between which is trained.
        pairs_share: share of pairs of trained faults that are held out.
        pairs_salt: what their names are hashed with.
    """

    sha256: str
    tune: frozenset[str]
    held: frozenset[str]
    intensity: tuple[float, float]
    pairs_share: float
    pairs_salt: str

    def part(self, fault: str) -> Part:
        """Return what a family is for."""
        if fault in self.held:
            return Part.HELD
        return Part.TUNE if fault in self.tune else Part.TRAIN

    def pair_is_held(self, one: str, other: str) -> bool:
        """Tell whether a pair is held out, whatever its order; a pair with a family that is not trained always is."""
        if {self.part(one), self.part(other)} != {Part.TRAIN}:
            return True
        text = "+".join((self.pairs_salt, *sorted((one, other))))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) < self.pairs_share * 2**64

    def check(self, faults: Sequence[str], intensities: Sequence[float]) -> None:
        """Refuse a host that no training may see.

        Args:
            faults: names of what happens on it, decoys included.
            intensities: of each.

        Raises:
            HeldOutError: it may not be trained on.
        """
        for fault, intensity in zip(faults, intensities, strict=True):
            if (part := self.part(fault)) is not Part.TRAIN:
                raise HeldOutError(f"{fault} is for the part {part.value!r} of heldout.toml; no training may draw it")
            if not self.intensity[0] <= intensity <= self.intensity[1]:
                low, high = self.intensity
                raise HeldOutError(f"{fault} at intensity {intensity:.3f}; trained is between {low:g} and {high:g}")

    def check_together(self, faults: Sequence[str]) -> None:
        """Refuse faults (no decoys) that no training may see on one host.

        Raises:
            HeldOutError: they are too many, or a pair that is held out.
        """
        if len(faults) > TOGETHER_MAX:
            raise HeldOutError(f"{' + '.join(sorted(faults))}: more than {TOGETHER_MAX} faults on one host are never trained")
        if len(faults) == TOGETHER_MAX and self.pair_is_held(*faults):
            raise HeldOutError(f"the pair {' + '.join(sorted(faults))} is held out; no training may draw it")


def load(file: Path = FILE) -> HeldOut:
    """Read the locked file.

    Raises:
        ValueError: a family is in both lists, or a share makes no sense.
    """
    raw = file.read_bytes()
    said: dict[str, Any] = tomllib.loads(raw.decode())
    families, pairs = said["families"], said["pairs"]
    low, high = said["intensities"]["trained"]
    found = HeldOut(
        sha256=hashlib.sha256(raw).hexdigest(),
        tune=frozenset(families["tune"]),
        held=frozenset(families["held"]),
        intensity=(float(low), float(high)),
        pairs_share=float(pairs["share"]),
        pairs_salt=str(pairs["salt"]),
    )
    if twice := found.tune & found.held:
        raise ValueError(f"{file}: {', '.join(sorted(twice))}: for tuning and held out at once")
    if not (0.0 <= low < high <= 1.0 and 0.0 < found.pairs_share < 1.0):
        raise ValueError(f"{file}: intensities and the share of pairs lie between 0 and 1")
    return found


def draw(groups: Mapping[str, Sequence[str]], seed: int) -> dict[Part, list[str]]:
    """Deal families to the three parts, 70/15/15, each group in the same proportion; how ``heldout.toml`` was made, once.

    Args:
        groups: names of families by group.
        seed: of the shuffle in each group.
    """
    random = Random(seed)  # noqa: S311  a deal that can be repeated, no secret
    dealt: list[str] = []
    for group in sorted(groups):
        dealt += random.sample(sorted(groups[group]), len(groups[group]))
    pattern = random.sample([Part.TUNE] * 3 + [Part.HELD] * 3 + [Part.TRAIN] * 14, _OF)
    return {part: sorted(name for place, name in enumerate(dealt) if pattern[place % _OF] is part) for part in Part}
