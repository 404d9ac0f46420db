"""Changes that leave the truth as it is, drawn anew for every batch. Pure; imports torch.

Axes: B window, E entity, S slot (newest first), H host signal, F entity signal. Slot 0 is never replaced: a failure must be
named from the first sample that shows it. Entities are not permuted: the network gives the same answer in any order.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from orderd.domain.faults import FAILURES, Failure
from orderd.domain.signals import SLOT_AGES_S
from ordertrainer.dataset import IGNORE

_SLOTS = len(SLOT_AGES_S)
_SLOW = tuple(FAILURES.index(failure) for failure in (Failure.CPU_RUNAWAY, Failure.MEMORY_LEAK))
_SLOW_SLOTS_MIN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one training step sees; axes as in ``ordertrainer.dataset.examples``."""

    host: Tensor
    rows: Tensor
    kind: Tensor
    present: Tensor
    failure: Tensor
    wrong: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How often each change is made; 0 turns it off.

    Attributes:
        young: share of windows whose older slots become missing, as after a start of orderd.
        onset: share of windows whose older slots become the oldest one, as if the failure had only just begun.
        entity: share of healthy entities that disappear from a window.
        signal: share of (window, signal) pairs that become missing in all slots.
        noise: standard deviation of the factor's logarithm on values other than 0 and 1.
    """

    young: float = 0.25
    onset: float = 0.25
    entity: float = 0.1
    signal: float = 0.02
    noise: float = 0.05


def augment(batch: Batch, settings: Augmentation, generator: torch.Generator) -> Batch:
    """Return a changed copy of a batch.

    Args:
        batch: as drawn.
        settings: how often each change is made.
        generator: source of randomness, on the CPU.
    """
    batch = collapse_onset(batch, settings.onset, generator)
    batch = forget_history(batch, settings.young, generator)
    batch = drop_entities(batch, settings.entity, generator)
    batch = lose_signals(batch, settings.signal, generator)
    return add_noise(batch, settings.noise, generator)


def collapse_onset(batch: Batch, share: float, generator: torch.Generator) -> Batch:
    """Set slots from k on to the oldest slot: Bernoulli(share) per window, k uniform in 1..S-1, at least 4 for slow failures."""
    first = _first_slot(batch, share, generator)
    slow = torch.isin(batch.failure, torch.tensor(_SLOW, device=batch.failure.device)).any(dim=1)
    first = torch.where(slow, first.clamp(min=_SLOW_SLOTS_MIN), first)
    slots = torch.arange(_SLOTS, device=first.device)
    source = torch.where(slots[None] >= first[:, None], _SLOTS - 1, slots[None])
    return replace(batch, host=_take_slots(batch.host, source), rows=_take_slots(batch.rows, source[:, None]))


def forget_history(batch: Batch, share: float, generator: torch.Generator) -> Batch:
    """Set slots from k on to missing: Bernoulli(share) per window, k uniform in 1..S-1."""
    first = _first_slot(batch, share, generator)
    gone = torch.arange(_SLOTS, device=first.device)[None] >= first[:, None]
    return replace(
        batch,
        host=batch.host.masked_fill(gone[:, :, None], torch.nan),
        rows=batch.rows.masked_fill(gone[:, None, :, None], torch.nan),
    )


def drop_entities(batch: Batch, share: float, generator: torch.Generator) -> Batch:
    """Remove entities that are not failing: Bernoulli(share) per entity."""
    gone = _draw(batch.present.shape, batch, generator) < share
    gone &= batch.failure <= 0
    return replace(batch, present=batch.present & ~gone, failure=batch.failure.masked_fill(gone, IGNORE))


def lose_signals(batch: Batch, share: float, generator: torch.Generator) -> Batch:
    """Make a signal missing in the whole window, for all entities: Bernoulli(share) per window and signal."""
    host_gone = _draw((len(batch.host), 1, batch.host.shape[-1]), batch, generator) < share
    rows_gone = _draw((len(batch.rows), 1, 1, batch.rows.shape[-1]), batch, generator) < share
    return replace(batch, host=batch.host.masked_fill(host_gone, torch.nan), rows=batch.rows.masked_fill(rows_gone, torch.nan))


def add_noise(batch: Batch, deviation: float, generator: torch.Generator) -> Batch:
    """Multiply values other than 0 and 1 by exp(Normal(0, deviation)); one factor per signal and window, so that trends stay."""
    return replace(
        batch,
        host=_scale(batch.host, (len(batch.host), 1, batch.host.shape[-1]), deviation, generator),
        rows=_scale(batch.rows, (len(batch.rows), batch.rows.shape[1], 1, batch.rows.shape[-1]), deviation, generator),
    )


def _scale(values: Tensor, shape: tuple[int, ...], deviation: float, generator: torch.Generator) -> Tensor:
    factor = torch.exp(deviation * torch.randn(shape, generator=generator)).to(values.device)
    return torch.where((values == 0.0) | (values == 1.0), values, values * factor)


def _first_slot(batch: Batch, share: float, generator: torch.Generator) -> Tensor:
    """Return [B], the first slot to change; S where none is."""
    count = len(batch.host)
    first = torch.randint(1, _SLOTS, (count,), generator=generator)
    chosen = torch.rand(count, generator=generator) < share
    return torch.where(chosen, first, _SLOTS).to(batch.host.device)


def _take_slots(values: Tensor, source: Tensor) -> Tensor:
    index = source.unsqueeze(-1).expand(values.shape)
    return values.gather(-2, index)


def _draw(shape: tuple[int, ...] | torch.Size, batch: Batch, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator).to(batch.host.device)
