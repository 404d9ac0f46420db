"""What the locked split says of recorded drills: whoever trains on them asks here first. Pure.

References:
    `ordertrainer.heldout`, which says what is held out and why.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from ordertrainer.chaos import FaultContract
from ordertrainer.dataset import Examples
from ordertrainer.heldout import HeldOut, HeldOutError, Part

_ROUNDED: Final = 0.02
"""Intensities are recorded with the digits that people write; whole ones are drawn to the next number."""


def refuse_held(examples: Examples, held: HeldOut, faults: Mapping[str, FaultContract], *, tune: bool = False) -> None:
    """Refuse recorded drills that a training may not see.

    Args:
        examples: what would be learned from, or chosen with.
        held: the locked split.
        faults: the catalogue, for the bounds of each intensity.
        tune: they only choose between trainings, so families for that may be among them.

    Raises:
        HeldOutError: a family or an intensity is held out; names the run.
    """
    allowed = {Part.TRAIN, Part.TUNE} if tune else {Part.TRAIN}
    injected = np.flatnonzero(examples.fault != "")
    _, first = np.unique(examples.run_id[injected], return_index=True)
    for n in injected[first].tolist():
        run, fault = str(examples.run_id[n]), str(examples.fault[n])
        if held.part(fault) not in allowed:
            raise HeldOutError(f"run {run}: {fault} is for the part {held.part(fault).value!r} of heldout.toml")
        if fault in faults:
            _refuse_intensity(run, faults[fault], float(examples.intensity[n]), held)


def _refuse_intensity(run: str, fault: FaultContract, intensity: float, held: HeldOut) -> None:
    low, high = fault.intensity.min, fault.intensity.max
    if not low < high or not np.isfinite(intensity):
        return
    share, slack = (intensity - low) / (high - low), max(_ROUNDED, fault.intensity.whole * 0.5 / (high - low))
    if not held.intensity[0] - slack <= share <= held.intensity[1] + slack:
        within = f"{held.intensity[0]:g} to {held.intensity[1]:g}"
        raise HeldOutError(f"run {run}: {fault.name} at {share:.2f} of its range; trained is {within} (heldout.toml)")
