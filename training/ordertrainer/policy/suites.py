"""What an exam asks: hosts by kinds of trouble, each kind apart. Imports torch.

    quiet, decoys            nothing is wrong, or something only looks like it; nobody may be called and nothing touched
    singles, pairs, buried   trained families and pairs at trained intensities, on hosts that no training saw
    tuning families          faults that chose between trainings

and, for the final test, which is run once and logged:

    weak, strong             trained families at intensities below and above those that were trained
    held pairs               pairs of trained families that never stood together
    held families            faults that no training and no choice saw
    held decoys              likewise
    triples                  three faults at once, one of them hidden
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ordertrainer.heldout import HeldOut, Part
from ordertrainer.policy.levels import Locked, Trained
from ordertrainer.sim import Compiled, Shares, Uniform

TUNING: Final = "tuning families"
MIX: Final = "training mix"
_NOTHING: Final = {"quiet": 0.0, "decoy": 0.0, "single": 0.0, "pair": 0.0, "buried": 0.0, "triple": 0.0, "beside": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One kind of question.

    Attributes:
        name: of the suite.
        chaos: draws its hosts.
        held: part of the final test.
        single: one fault on each host, so that what became of it can be told by family.
    """

    name: str
    chaos: Uniform
    held: bool = False
    single: bool = False


def suites(world: Compiled, held: HeldOut) -> tuple[Suite, ...]:
    """Return every suite of a catalogue; those for which it has no fault are left out."""
    locked = Locked(world, held)
    trained, tuning, kept = (locked.families(part) for part in (Part.TRAIN, Part.TUNE, Part.HELD))
    low, high = held.intensity
    pairs, apart = {"pairs": locked.pairs}, {"pairs": ~locked.pairs}
    asked = [
        _suite("quiet", world, {"quiet": 1.0}, faults=trained),
        _suite("decoys", world, {"decoy": 1.0}, faults=trained, intensity=held.intensity),
        _suite("singles", world, {"single": 1.0}, faults=trained, intensity=held.intensity),
        _suite("pairs", world, {"pair": 1.0}, faults=trained, intensity=held.intensity, **pairs),
        _suite("buried", world, {"buried": 1.0}, faults=trained, intensity=held.intensity, **pairs),
        _suite(TUNING, world, {"single": 1.0}, faults=tuning, intensity=held.intensity),
        _suite("weak", world, {"single": 1.0}, faults=trained, intensity=(0.0, low), held=True),
        _suite("strong", world, {"single": 1.0}, faults=trained, intensity=(high, 1.0), held=True),
        _suite("held pairs", world, {"pair": 0.75, "buried": 0.25}, faults=trained, intensity=held.intensity, held=True, **apart),
        _suite("held families", world, {"single": 1.0}, faults=kept, intensity=held.intensity, held=True),
        _suite("held decoys", world, {"decoy": 1.0}, faults=kept, intensity=held.intensity, held=True),
        _suite("triples", world, {"triple": 1.0}, faults=trained, intensity=held.intensity, held=True),
    ]
    return tuple(suite for suite in asked if suite is not None)


def training_mix(world: Compiled, held: HeldOut) -> Suite:
    """Return hosts drawn as a training draws them, all kinds together."""
    return Suite(name=MIX, chaos=Trained(world, held))


def _suite(name: str, world: Compiled, shares: Mapping[str, float], *, held: bool = False, **drawn: Any) -> Suite | None:
    try:
        chaos = Uniform(world, shares=Shares(**{**_NOTHING, **shares}), **drawn)
        return Suite(name=name, chaos=chaos, held=held, single="single" in shares)
    except ValueError:
        return None
