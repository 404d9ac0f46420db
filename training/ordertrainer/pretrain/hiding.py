"""Slots that the learner is not shown, drawn anew for every batch. Pure; imports torch.

A daemon that has just started has no past, and to say what comes after half a minute in the dark takes more than to repeat the
newest value.

Axes: B window, E entity, S slot (newest first).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from orderd.domain.signals import SLOT_AGES_S
from ordertrainer.pretrain.moments import Moments

_SLOTS = len(SLOT_AGES_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hiding:
    """How often what is hidden.

    Attributes:
        newest: share of windows whose newest slots are missing: 1 to S - 1 of them, evenly.
        oldest: share of windows whose oldest slots are missing, likewise.
        names: share of windows of which neither names nor context are known.
    """

    newest: float = 0.2
    oldest: float = 0.2
    names: float = 0.15


def hide(moments: Moments, hiding: Hiding, generator: torch.Generator) -> Moments:
    """Return moments with some slots missing."""
    count = len(moments)
    slots = torch.arange(_SLOTS)
    newest = slots < _drawn(count, hiding.newest, generator)
    oldest = slots >= _SLOTS - _drawn(count, hiding.oldest, generator)
    return without(moments, newest | (oldest & ~newest.any(1, keepdim=True)))


def without(moments: Moments, gone: Tensor) -> Moments:
    """Return moments without some slots: [n, S] bool."""
    gone = gone.to(moments.host.device)
    return replace(
        moments,
        host=moments.host.masked_fill(gone[:, :, None], torch.nan),
        rows=moments.rows.masked_fill(gone[:, None, :, None], torch.nan),
    )


def _drawn(count: int, share: float, generator: torch.Generator) -> Tensor:
    """Return [n, 1] how many slots to hide, 0 where none."""
    chosen = torch.rand(count, generator=generator) < share
    return (torch.randint(1, _SLOTS, (count,), generator=generator) * chosen)[:, None]
