"""What was offered since the last batch: the only thing the tick touches. Pure, in memory, bounded by counts.

Offering appends to a deque and sets an event, about a microsecond; turning values into a message happens later, in the uplink's
own task.
"""

import asyncio
from collections import deque
from itertools import islice
from typing import Final

from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from orderd.domain.values import DecisionRecord, Sample

DECISIONS_MAX: Final = 1_000
DECISIONS_PER_BATCH: Final = 100
BATCHES_AHEAD: Final = 8
FLOATS_MAX: Final = 256 << 10
"""A message stays near 1 MiB however many entities a host has; the trainer takes 4 MiB."""


class Pending:
    """Samples and decisions that no batch holds yet."""

    def __init__(self, batch_samples: int) -> None:
        """Start empty.

        Args:
            batch_samples: how many samples make a full batch.
        """
        self._batch_samples = batch_samples
        self._samples: deque[Sample] = deque()
        self._decisions: dict[str, DecisionRecord] = {}
        self.any = asyncio.Event()
        self.full = asyncio.Event()

    @property
    def samples(self) -> int:
        """Return how many samples wait here."""
        return len(self._samples)

    def add_sample(self, sample: Sample) -> int:
        """Add a sample.

        Returns:
            how many older samples were forgotten to make room.
        """
        self._samples.append(sample)
        self.any.set()
        if len(self._samples) >= self._batch_samples:
            self.full.set()
        if len(self._samples) <= self._batch_samples * BATCHES_AHEAD:
            return 0
        self._samples.popleft()
        return 1

    def add_decision(self, record: DecisionRecord) -> None:
        """Add a decision; it replaces what was offered of it before, because a record is always the newest state whole."""
        self._decisions.pop(record.decision.decision_id, None)
        self._decisions[record.decision.decision_id] = record
        if len(self._decisions) > DECISIONS_MAX:
            del self._decisions[next(iter(self._decisions))]
        self.any.set()

    def take(self) -> tuple[tuple[Sample, ...], tuple[DecisionRecord, ...]]:
        """Remove and return one batch: at most ``batch_samples`` samples, FLOATS_MAX floats and DECISIONS_PER_BATCH decisions."""
        samples: list[Sample] = []
        floats = 0
        while self._samples and len(samples) < self._batch_samples and floats < FLOATS_MAX:
            samples.append(self._samples.popleft())
            floats += len(HOST_SIGNALS) + len(samples[-1].entities) * len(ENTITY_SIGNALS)
        ids = tuple(islice(self._decisions, DECISIONS_PER_BATCH))
        decisions = tuple(self._decisions.pop(decision_id) for decision_id in ids)
        self._lower_flags()
        return tuple(samples), decisions

    def _lower_flags(self) -> None:
        if len(self._samples) < self._batch_samples:
            self.full.clear()
        if not self._samples and not self._decisions:
            self.any.clear()
