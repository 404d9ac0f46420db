"""The parts of a test split, by what the training had seen of each fault: families, intensities, nothing at all. Pure.

    trained    families that are trained, outside the trained intensities where they have any
    inside     the same families at intensities that are trained, on hosts that are not
    tuning     families that chose between trainings
    held       families that neither saw

Runs in which nothing was injected belong to every part: who names everything everywhere must not look good on any.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ordertrainer.chaos import FaultContract
from ordertrainer.dataset import Examples
from ordertrainer.heldout import HeldOut, Part

TRAINED: Final = "trained families, intensities outside"
INSIDE: Final = "trained families, intensities inside"
TUNING: Final = "tuning families"
HELD: Final = "held-out families"
PARTS: Final = (TRAINED, INSIDE, TUNING, HELD)


def part_of(fault: str, intensity: float | None, held: HeldOut, faults: Mapping[str, FaultContract]) -> str:
    """Return which part a run belongs to.

    Args:
        fault: its name.
        intensity: in the fault's unit; None where it has none.
        held: what no training may see.
        faults: the catalogue.
    """
    part = held.part(fault)
    if part is not Part.TRAIN:
        return TUNING if part is Part.TUNE else HELD
    share = share_of(intensity, faults.get(fault))
    low, high = held.intensity
    # What has no intensity differs from training in its host alone, which is all that can differ.
    return TRAINED if share is None or not low <= share <= high else INSIDE


def share_of(intensity: float | None, contract: FaultContract | None) -> float | None:
    """Return where an intensity lies in its contract's range, from 0 to 1; None where there is none."""
    if intensity is None or contract is None or contract.intensity.max <= contract.intensity.min:
        return None
    return (intensity - contract.intensity.min) / (contract.intensity.max - contract.intensity.min)


def parts(examples: Examples, held: HeldOut, faults: Mapping[str, FaultContract]) -> dict[str, NDArray[np.bool_]]:
    """Return [N] for each part in which something fails: which examples belong to it.

    Args:
        examples: one split.
        held: what no training may see.
        faults: the catalogue.
    """
    where: dict[str, str] = {}
    for n in np.flatnonzero(examples.fault != ""):
        intensity = float(examples.intensity[n])
        name = str(examples.fault[n])
        where[str(examples.run_id[n])] = part_of(name, intensity if np.isfinite(intensity) else None, held, faults)
    mine = np.array([where.get(str(run), "") for run in examples.run_id], np.str_)
    failing = (examples.failure > 0).any(axis=1)
    found = {part: (mine == part) | (mine == "") for part in PARTS}
    return {part: mask for part, mask in found.items() if (failing & mask).any()}


def select(examples: Examples, mask: NDArray[np.bool_]) -> Examples:
    """Return some of the examples."""
    return replace(examples, **{field.name: getattr(examples, field.name)[mask] for field in fields(examples)})
