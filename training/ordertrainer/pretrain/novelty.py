"""Surprise as a sign of what no training saw: how well it tells faults of other families from quiet hosts. Imports torch.

    step      what the next second costs a network that saw everything until now
    half      what it costs one that saw nothing of the last 8 seconds: trouble that lasts surprises for longer

Each as a mean over all values, as the most that one value costs, or as a mean of the few that cost most. Which of the six is used
is chosen on the families that are for choosing; the families held out are asked once for that one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from orderd.domain.signals import SLOT_AGES_S
from ordertrainer.evaluation.scores import auc
from ordertrainer.nets.next_sample import Bits, NextNet
from ordertrainer.pretrain.cost import charges
from ordertrainer.pretrain.hiding import without
from ordertrainer.pretrain.moments import Course

LOOKS_S: Final = 10.0
"""A fault is looked for in the seconds after it landed, and on a quiet host in as many."""
_DARK_S: Final = 8.0
_FEW: Final = 5
RESAMPLES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Surprise:
    """How surprising each second of a course was, by way of asking.

    Attributes:
        fault: what happened on it, empty for a quiet host.
        landed: [T] seconds since then, NaN on a quiet host.
        ways: [T] by name.
    """

    fault: str
    landed: NDArray[np.float32]
    ways: Mapping[str, NDArray[np.float32]]


def surprise(net: NextNet, course: Course) -> Surprise:
    """Ask a network how surprising a course was."""
    dark = torch.tensor([age < _DARK_S for age in SLOT_AGES_S]).expand(len(course.moments), -1)
    asked = {"step": course.moments, "half": without(course.moments, dark)}
    ways = {f"{name} {way}": said for name, moments in asked.items() for way, said in _ways(charges(net, moments)).items()}
    return Surprise(fault=course.fault, landed=course.landed.numpy(), ways={name: said.numpy() for name, said in ways.items()})


def _ways(charged: Bits) -> dict[str, Tensor]:
    every = torch.cat((charged.host, charged.entities.flatten(1)), dim=1)
    count = charged.of_host.sum(-1) + charged.of_entities.sum((-1, -2))
    return {"mean": every.sum(1) / count.clamp(min=1), "most": every.amax(1), "few": every.topk(_FEW, dim=1).values.mean(1)}


def peaks(found: Sequence[Surprise], way: str) -> NDArray[np.float32]:
    """Return [N]: the most surprise of each course while it is looked at; courses too short for that are left out."""
    return np.array([peak for each in found if (peak := _peak(each, way)) is not None], np.float32)


def _peak(found: Surprise, way: str) -> float | None:
    said = found.ways[way]
    if found.fault:
        looked = said[(found.landed >= 0.0) & (found.landed < LOOKS_S)]
    else:
        # The middle of a quiet host: neither its first seconds nor a best or worst stretch.
        start = max(0, (len(said) - int(LOOKS_S)) // 2)
        looked = said[start : start + int(LOOKS_S)]
    return float(looked.max()) if len(looked) else None


def told_apart(faulty: Sequence[Surprise], quiet: Sequence[Surprise], way: str, seed: int) -> dict[str, Any]:
    """Return the area under the ROC curve of faulty against quiet hosts, with a 95 % interval by host, and by family."""
    ill, calm = peaks(faulty, way), peaks(quiet, way)
    rng = np.random.default_rng(seed)
    drawn = [_auc(rng.choice(ill, len(ill)), rng.choice(calm, len(calm))) for _ in range(RESAMPLES)]
    low, high = np.percentile(drawn, (2.5, 97.5))
    families = sorted({each.fault for each in faulty})
    return {
        "auc": round(_auc(ill, calm), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "faulty": len(ill),
        "quiet": len(calm),
        "families": {f: round(_auc(peaks([s for s in faulty if s.fault == f], way), calm), 4) for f in families},
    }


def choose(tuning: Sequence[Surprise], quiet: Sequence[Surprise]) -> str:
    """Return the way of asking that tells the families that are for choosing from quiet hosts best."""
    calm = {way: peaks(quiet, way) for way in quiet[0].ways}
    return max(sorted(calm), key=lambda way: _auc(peaks(tuning, way), calm[way]))


def _auc(ill: NDArray[np.float32], calm: NDArray[np.float32]) -> float:
    return auc(np.concatenate((ill, calm)), np.concatenate((np.ones_like(ill), np.zeros_like(calm))))
