"""Windows with the sample that came next. Values only; imports torch.

Axes: n moment, E entity (padded), S slot (newest first), H host signal, F entity signal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as nnf

from ordertrainer.nets.next_sample import Seen
from ordertrainer.sim.tables import Tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments(Tensors):
    """What was seen, and the next sample.

    Attributes:
        host: [n, S, H] float32, NaN where missing.
        rows: [n, E, S, F] float32, likewise, and in padding.
        kind: [n, E] int64.
        present: [n, E] bool.
        next_host: [n, H] float32.
        next_rows: [n, E, F] float32, NaN for entities that are not there any more.
    """

    host: Tensor
    rows: Tensor
    kind: Tensor
    present: Tensor
    next_host: Tensor
    next_rows: Tensor

    def __len__(self) -> int:
        """Return n."""
        return len(self.host)

    @property
    def seen(self) -> Seen:
        """Return the windows."""
        return Seen(self.host, self.rows, self.kind, self.present)

    def take(self, where: Tensor) -> Self:
        """Return some of these, in that order: [B] int64 places."""
        return type(self)(**{f.name: getattr(self, f.name).index_select(0, where) for f in fields(self)})

    def widened(self, entities: int) -> Self:
        """Return these with room for so many entities, at least those they have."""
        more = entities - self.kind.shape[1]
        return type(self)(
            host=self.host,
            rows=nnf.pad(self.rows, (0, 0, 0, 0, 0, more), value=torch.nan),
            kind=nnf.pad(self.kind, (0, more)),
            present=nnf.pad(self.present, (0, more)),
            next_host=self.next_host,
            next_rows=nnf.pad(self.next_rows, (0, 0, 0, more), value=torch.nan),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Second after second of one host, without a gap; places in the entity axis stay the same entity's.

    Attributes:
        moments: of its seconds, in order.
        fault: what happens on it, empty for a quiet host; several joined by +.
        landed: [n] seconds since the first fault or decoy landed, as of the next sample; negative before, NaN on a quiet host.
    """

    moments: Moments
    fault: str
    landed: Tensor


def concatenate(several: Sequence[Moments]) -> Moments:
    """Return moments one after another, padded to the most entities."""
    most = max(each.kind.shape[1] for each in several)
    wide = [each.widened(most) for each in several]
    return Moments(**{f.name: torch.cat([getattr(each, f.name) for each in wide]) for f in fields(Moments)})
