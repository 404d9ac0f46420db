"""The parts of a test split, by what the training had seen of each fault: families, intensities, nothing at all. Reads labels.

    trained    families that are trained, outside the trained intensities where they have any
    inside     the same families at intensities that are trained, on hosts that are not
    tuning     families that chose between trainings
    held       families that neither saw

Quiet runs belong to every part: a diagnoser that names everything everywhere must not look good on any.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ordertrainer.chaos import FaultContract
from ordertrainer.dataset import Examples, Label, read_labels
from ordertrainer.heldout import HeldOut, Part

TRAINED: Final = "trained families, intensities outside"
INSIDE: Final = "trained families, intensities inside"
TUNING: Final = "tuning families"
HELD: Final = "held-out families"
PARTS: Final = (TRAINED, INSIDE, TUNING, HELD)


def part_of(label: Label, held: HeldOut, faults: Mapping[str, FaultContract]) -> str:
    """Return which part a run belongs to, empty for quiet runs, which belong to all.

    Args:
        label: of the run.
        held: what no training may see.
        faults: the catalogue.
    """
    if not label.fault:
        return ""
    part = held.part(label.fault)
    if part is not Part.TRAIN:
        return TUNING if part is Part.TUNE else HELD
    share = share_of(label, faults)
    low, high = held.intensity
    # What has no intensity differs from training in its host alone, which is all that can differ.
    return TRAINED if share is None or not low <= share <= high else INSIDE


def share_of(label: Label, faults: Mapping[str, FaultContract]) -> float | None:
    """Return where an intensity lies in its contract's range, from 0 to 1; None where there is none."""
    contract = faults.get(label.fault)
    if label.intensity is None or contract is None or contract.intensity.max <= contract.intensity.min:
        return None
    return (label.intensity - contract.intensity.min) / (contract.intensity.max - contract.intensity.min)


def parts(data: Path, examples: Examples, held: HeldOut, faults: Mapping[str, FaultContract]) -> dict[str, NDArray[np.bool_]]:
    """Return [N] for each part there is something of: which examples belong to it.

    Args:
        data: the data directory the examples are of.
        examples: one split of it.
        held: what no training may see.
        faults: the catalogue.
    """
    where = {label.run_id: part_of(label, held, faults) for label in read_labels(data)}
    mine = np.array([where[str(run)] for run in examples.run_id], np.str_)
    failing = (examples.failure > 0).any(axis=1)
    found = {part: (mine == part) | (mine == "") for part in PARTS}
    return {part: mask for part, mask in found.items() if (failing & mask).any()}


def select(examples: Examples, mask: NDArray[np.bool_]) -> Examples:
    """Return some of the examples."""
    return replace(examples, **{field.name: getattr(examples, field.name)[mask] for field in fields(examples)})
