"""A foreign series as the windows orderd would have cut from it. Pure; numpy.

Axes: T sample, N window, C channel, S slot (newest first), E entity, H host signal, F entity signal.

Host signals go to the host's token. Entity signals go to one made-up entity for each kind that any of them belongs to. What has
no name among orderd's signals goes nowhere; the order model is not shown it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orderd.domain.faults import KINDS, EntityKind
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, HOST_INDEX, HOST_SIGNALS, SLOT_AGES_S
from ordertrainer.dataset import IGNORE, Examples
from ordertrainer.evaluation.external.series import Series

CHUNK: Final = 2048
_AGES: Final = np.array([int(age_s) for age_s in SLOT_AGES_S])
"""In samples: one counts as one second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Where the channels of a series go.

    Attributes:
        host: (column of the series, host signal), for each that goes to the host.
        entity: (column of the series, place of the entity, entity signal).
        kinds: of the made-up entities, in their order.
        unmapped: columns that go nowhere.
    """

    host: tuple[tuple[int, int], ...]
    entity: tuple[tuple[int, int, int], ...]
    kinds: tuple[EntityKind, ...]
    unmapped: tuple[int, ...]

    @property
    def mapped(self) -> int:
        """Return how many channels the order model is shown."""
        return len(self.host) + len(self.entity)


def mapping_of(channels: tuple[str, ...]) -> Mapping:
    """Return where each channel goes.

    Args:
        channels: names of signals, or "?".
    """
    kind_of = _kinds_of([name for name in channels if name in ENTITY_INDEX])
    kinds = tuple(kind for kind in KINDS if kind in kind_of.values())
    return Mapping(
        host=tuple((c, HOST_INDEX[name]) for c, name in enumerate(channels) if name in HOST_INDEX),
        entity=tuple((c, kinds.index(kind_of[name]), ENTITY_INDEX[name]) for c, name in enumerate(channels) if name in kind_of),
        kinds=kinds,
        unmapped=tuple(c for c, name in enumerate(channels) if name not in HOST_INDEX and name not in kind_of),
    )


def _kinds_of(names: list[str]) -> dict[str, EntityKind]:
    """Return the kind that carries each entity signal; one of several that has a signal of its own there goes first."""
    able = {name: [kind for kind in KINDS if kind in ENTITY_SIGNALS[ENTITY_INDEX[name]].kinds] for name in names}
    alone = {kinds[0] for kinds in able.values() if len(kinds) == 1}
    return {name: next((kind for kind in kinds if kind in alone), kinds[0]) for name, kinds in able.items()}


def slots(series: Series, at: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return [N,S,C], what each slot of the windows at these samples shows; NaN before the beginning of a run.

    Args:
        series: the series.
        at: [N] sample numbers.
    """
    source = at[:, None] - _AGES[None]
    begins = series.offsets[series.run[at]]
    found = series.values[np.maximum(source, 0)]
    found[source < begins[:, None]] = np.nan
    return found


def windows(series: Series) -> Iterator[Examples]:
    """Yield every window of a series, a chunk at a time, oldest first.

    Args:
        series: the series.
    """
    where = mapping_of(series.channels)
    for start in range(0, len(series), CHUNK):
        yield _chunk(series, where, np.arange(start, min(start + CHUNK, len(series))))


def _chunk(series: Series, where: Mapping, at: NDArray[np.int64]) -> Examples:
    # Networks dislike empty axes: without an entity there is one that is absent.
    count, entities, depth = len(at), max(1, len(where.kinds)), len(_AGES)
    shown, run = slots(series, at), series.run[at]
    host = np.full((count, depth, len(HOST_SIGNALS)), np.nan, np.float32)
    rows = np.full((count, entities, depth, len(ENTITY_SIGNALS)), np.nan, np.float32)
    for column, signal in where.host:
        host[:, :, signal] = shown[:, :, column]
    for column, entity, signal in where.entity:
        rows[:, entity, :, signal] = shown[:, :, column]
    kinds = np.array([KINDS.index(kind) for kind in where.kinds] or [0], np.int64)
    return Examples(
        host=host,
        rows=rows,
        kind=np.broadcast_to(kinds, (count, entities)),
        present=np.full((count, entities), bool(where.kinds)),
        failure=np.full((count, entities), IGNORE, np.int64),
        wrong=series.wrong[at].astype(np.float32),
        host_id=np.full(count, series.name),
        run_id=run.astype(np.str_),
        fault=np.full(count, ""),
        intensity=np.full(count, np.nan, np.float32),
        at_s=at.astype(np.float64),
    )
