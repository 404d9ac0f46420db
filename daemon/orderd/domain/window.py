"""The window: a fixed-order, multi-resolution view of the recent past. Pure; the same code serves orderd and the trainer.

Axes: S slot (SLOT_AGES_S, newest first), E entity (order of ``entities``), H host signal, F entity signal.
A slot holds the newest sample at least as old as the slot's age (less half a period of tolerance), so event samples and timer
samples mix without resampling. No numpy: orderd must stay small, and a window is some thousands of floats.
"""

import math
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from orderd.domain.clock import Instant
from orderd.domain.faults import KINDS, Entity
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S
from orderd.domain.values import EntityRow, Sample

_TOLERANCE_S: Final = 0.5
_KIND_INDEX: Final = {kind: i for i, kind in enumerate(KINDS)}
_WIDTH: Final = len(ENTITY_SIGNALS)
_SLOTS: Final = len(SLOT_AGES_S)
_NO_HOST: Final = array("f", [math.nan] * len(HOST_SIGNALS))
_NO_ENTITY: Final = array("f", [math.nan] * len(ENTITY_SIGNALS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a diagnoser sees.

    Attributes:
        at: time of the newest sample.
        entities: E entities present in the newest sample.
        kinds: E kind indices (into KINDS), int64.
        host: S x H float32, row-major, NaN where missing.
        rows: E x S x F float32, row-major, NaN where missing.
        newest: the newest sample itself.
    """

    at: Instant
    entities: tuple[Entity, ...]
    kinds: "array[int]"
    host: "array[float]"
    rows: "array[float]"
    newest: Sample

    def series(self, entity_index: int, signal_index: int) -> tuple[float, ...]:
        """Return one signal of one entity over the slots, newest first."""
        first = entity_index * _SLOTS * _WIDTH + signal_index
        return tuple(self.rows[first : first + (_SLOTS - 1) * _WIDTH + 1 : _WIDTH])

    def now(self, entity_index: int, signal_index: int) -> float:
        """Return one signal of one entity in the newest slot."""
        return self.rows[entity_index * _SLOTS * _WIDTH + signal_index]


@dataclass(slots=True)
class _Track:
    """One thing's recent values; ``times`` and ``values`` run in parallel, oldest first."""

    times: deque[int] = field(default_factory=deque[int])
    values: deque["array[float]"] = field(default_factory=deque["array[float]"])

    def append(self, mono_ns: int, row: tuple[float, ...], oldest_ns: int) -> None:
        self.times.append(mono_ns)
        self.values.append(array("f", row))
        # One row older than the last slot is kept: it is what that slot shows.
        while len(self.times) > 1 and self.times[1] <= oldest_ns:
            self.times.popleft()
            self.values.popleft()

    def slots(self, now_ns: int, missing: "array[float]") -> Iterator["array[float]"]:
        times = list(self.times)
        for age_s in SLOT_AGES_S:
            if age_s == 0.0:
                yield self.values[-1]
                continue
            newest_allowed = now_ns - int((age_s - min(_TOLERANCE_S, age_s / 2)) * 1e9)
            position = bisect_right(times, newest_allowed) - 1
            yield self.values[position] if position >= 0 else missing


class History:
    """Keeps what a window needs of the past and cuts windows from it.

    Entities that left the host are forgotten once they are older than the oldest slot. Bounded: entities of one sample are
    bounded by the sampler, ages by SLOT_AGES_S.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._host = _Track()
        self._entities: dict[Entity, _Track] = {}

    def add(self, sample: Sample) -> Window:
        """Add the newest sample and return the window that ends with it."""
        now = sample.at.mono_ns
        oldest = now - int((SLOT_AGES_S[-1] + _TOLERANCE_S) * 1e9)
        self._host.append(now, sample.host, oldest)
        for row in sample.entities:
            self._track(row).append(now, row.values, oldest)
        self._forget(oldest)
        return self._cut(sample)

    def _track(self, row: EntityRow) -> _Track:
        return self._entities.setdefault(row.entity, _Track())

    def _forget(self, oldest_ns: int) -> None:
        for entity in [e for e, track in self._entities.items() if track.times[-1] < oldest_ns]:
            del self._entities[entity]

    def _cut(self, sample: Sample) -> Window:
        now = sample.at.mono_ns
        host, rows = array("f"), array("f")
        for slot in self._host.slots(now, _NO_HOST):
            host.extend(slot)
        for row in sample.entities:
            for slot in self._entities[row.entity].slots(now, _NO_ENTITY):
                rows.extend(slot)
        return Window(
            at=sample.at,
            entities=tuple(row.entity for row in sample.entities),
            kinds=array("q", (_KIND_INDEX[row.entity.kind] for row in sample.entities)),
            host=host,
            rows=rows,
            newest=sample,
        )
