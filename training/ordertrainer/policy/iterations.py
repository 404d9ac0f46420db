"""What every training in iterations shares: when it ends, whom it tells, and how its weights are averaged. Writes one file.

OUT/last.pt          the whole state after the newest iteration; training goes on from here
OUT/best.pt          the weights that did best on hosts that no iteration learned from
OUT/history.jsonl    one line an iteration
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from torch import nn

from ordertrainer.files import write_durably

LAST: Final = "last.pt"
BEST: Final = "best.pt"
HISTORY: Final = "history.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """When to stop, whatever is still to be learned.

    Attributes:
        iterations: at most.
        minutes: at most, those of an interrupted training included; no iteration is begun that would probably not be finished.
    """

    iterations: int = 1000
    minutes: float = float("inf")


class Watcher(Protocol):
    """Who wants to know how far it is."""

    def begin(self, bounds: Bounds, seconds: float) -> None:
        """Hear how long a training has already run."""
        ...

    def part(self, what: str, iteration: int, share: float) -> None:
        """Hear which share of a part of an iteration is done."""
        ...

    def line(self, said: dict[str, Any]) -> None:
        """Hear how an iteration ended."""
        ...


def over(history: Sequence[Mapping[str, Any]], bounds: Bounds, best: Mapping[str, Any] | None = None, patience: int = 0) -> bool:
    """Tell whether a training is over.

    Args:
        history: its lines so far.
        bounds: when to stop.
        best: the best of them; without one nobody loses patience.
        patience: iterations without a better one.
    """
    stale = best is not None and len(history) - best["iteration"] > patience
    seconds = [line["seconds"] for line in history]
    return stale or len(history) >= bounds.iterations or sum(seconds) + max(seconds, default=0.0) > bounds.minutes * 60.0


def write_history(out: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Write all lines so far."""
    write_durably(out / HISTORY, "".join(json.dumps(line) + "\n" for line in history).encode())


@torch.no_grad()
def average(mean: nn.Module, now: nn.Module, *, step: int, mean_of: int) -> None:
    """Move a running mean of weights towards those of now.

    Over the first steps the mean is taken of what there is: weights that were drawn must not linger in it.

    Args:
        mean: is changed.
        now: of the same shape.
        step: from 1.
        mean_of: steps over which it is taken once there are as many.
    """
    share = max(1.0 / mean_of, 1.0 / (1.0 + step / 10.0))
    for kept, new in zip(mean.parameters(), now.parameters(), strict=True):
        kept.lerp_(new, share)
