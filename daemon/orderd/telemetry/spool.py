"""Batches that the trainer does not have yet, oldest first, bounded in bytes. Pure, in memory.

Kept compressed: most columns of an entity row belong to other kinds and are NaN, so zlib's fastest level keeps about a tenth.
Lost with the process; decisions are in the journal anyway, and samples are for training, where a gap at a restart is honest.
"""

import zlib
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

_ZLIB_LEVEL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One serialised PushRequest.

    Attributes:
        sequence: its number within this run of orderd, rising by one from 1.
        samples: how many samples it holds.
        packed: the compressed message.
    """

    sequence: int
    samples: int
    packed: bytes

    def message(self) -> bytes:
        """Return the serialised PushRequest."""
        return zlib.decompress(self.packed)


class Spool:
    """A queue that forgets its oldest batches rather than grow past its bound."""

    def __init__(self, bytes_max: int) -> None:
        """Start empty.

        Args:
            bytes_max: most bytes of compressed batches to hold; one batch is always held, whatever its size.
        """
        self._bytes_max = bytes_max
        self._batches: deque[Batch] = deque()
        self._bytes = 0
        self._samples = 0
        self._last_sequence = 0

    @property
    def next_sequence(self) -> int:
        """Return the number the next batch must carry."""
        return self._last_sequence + 1

    @property
    def size_bytes(self) -> int:
        """Return the compressed bytes held."""
        return self._bytes

    @property
    def samples(self) -> int:
        """Return how many samples wait in it."""
        return self._samples

    def append(self, message: bytes, samples: int) -> int:
        """Add a batch under the next number.

        Returns:
            how many samples were forgotten to make room.
        """
        batch = Batch(sequence=self.next_sequence, samples=samples, packed=zlib.compress(message, _ZLIB_LEVEL))
        self._last_sequence = batch.sequence
        self._batches.append(batch)
        self._bytes += len(batch.packed)
        self._samples += samples
        dropped = 0
        while self._bytes > self._bytes_max and len(self._batches) > 1:
            dropped += self._pop().samples
        return dropped

    def after(self, sequence: int) -> Batch | None:
        """Return the oldest batch numbered above ``sequence``, None when there is none."""
        position = bisect_right(self._batches, sequence, key=_sequence)
        return self._batches[position] if position < len(self._batches) else None

    def acknowledge(self, sequence: int) -> int:
        """Forget every batch up to ``sequence``, which the trainer now has.

        Returns:
            how many samples that were.
        """
        delivered = 0
        while self._batches and self._batches[0].sequence <= sequence:
            delivered += self._pop().samples
        return delivered

    def refuse_oldest(self) -> int:
        """Forget the oldest batch, which the trainer will never take.

        Returns:
            how many samples it held.
        """
        return self._pop().samples if self._batches else 0

    def _pop(self) -> Batch:
        batch = self._batches.popleft()
        self._bytes -= len(batch.packed)
        self._samples -= batch.samples
        return batch


def _sequence(batch: Batch) -> int:
    return batch.sequence
