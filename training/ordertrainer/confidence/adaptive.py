"""Label sets that follow one host while its workload drifts: the level is moved by what turned out. Pure; numpy.

What was true is known when an incident is over, so the level moves once a run, by the share of that run's verdicts whose set
missed the truth; failing and healthy entities each have a level of their own. Over T runs the share that is missed comes within
(1 + gamma) / (gamma T) of alpha, whatever the host does.

References:
    Gibbs and Candes 2021, Adaptive conformal inference under distribution shift.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ordertrainer.confidence.conformal import Scales, coverage, sets
from ordertrainer.confidence.verdicts import Verdicts

GAMMA: Final = 0.05
"""A run is one step and a host has some dozens of them a day; the paper's 0.005 is for thousands of steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One host's stream.

    Attributes:
        fixed: [V,C] sets at the level that was calibrated.
        moved: [V,C] sets at levels that were moved.
        levels: [run, 2] levels for failing and for healthy entities that each run was met with.
    """

    fixed: NDArray[np.bool_]
    moved: NDArray[np.bool_]
    levels: NDArray[np.float64]


def follow(verdicts: Verdicts, scales: Scales, alpha: float, gamma: float = GAMMA) -> Followed:
    """Meet a host's runs one after the other.

    Args:
        verdicts: of one host, oldest run first.
        scales: calibrated on other hosts.
        alpha: share that may be missed.
        gamma: how far a level moves; 0 leaves it where it is.
    """
    classes = range(verdicts.said.shape[1])
    level = np.array([alpha, alpha])
    moved, levels = np.zeros(verdicts.said.shape, np.bool_), []
    for run in dict.fromkeys(verdicts.run.tolist()):
        mine = verdicts.run == run
        part = verdicts.where(mine)
        levels.append(level.copy())
        moved[mine] = held = sets(part, scales, {c: float(level[0 if c else 1]) for c in classes})
        missed = ~held[np.arange(len(part)), part.truth]
        for place, which in enumerate((part.truth > 0, part.truth == 0)):
            if which.any():
                level[place] += gamma * (alpha - float(missed[which].mean()))
    return Followed(fixed=sets(verdicts, scales, alpha), moved=moved, levels=np.array(levels).reshape(-1, 2))


def later_half(verdicts: Verdicts) -> NDArray[np.bool_]:
    """Return [V]: those of the later half of a host's runs."""
    runs = list(dict.fromkeys(verdicts.run.tolist()))
    return np.isin(verdicts.run, runs[len(runs) // 2 :])


def followed(verdicts: Verdicts, told: Followed) -> dict[str, Any]:
    """Return what fixed and moved sets cover of one host, over all of its stream and over the later half of its runs.

    Args:
        verdicts: of one host, oldest run first.
        told: its stream.
    """
    later = later_half(verdicts)
    return {
        "runs": len(told.levels),
        "fixed": coverage(told.fixed, verdicts),
        "adaptive": coverage(told.moved, verdicts),
        "adaptive_later_half": coverage(told.moved[later], verdicts.where(later)),
        "levels": told.levels.tolist(),
    }
