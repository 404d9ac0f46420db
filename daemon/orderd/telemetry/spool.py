"""Batches that the trainer does not have yet: in memory for as long as it answers, on disk as soon as it does not.

Touches the spool's directory, from a thread of its own, so that a disk that hangs holds up telemetry and never the tick. While
the trainer acknowledges within moments nothing is written at all; what it does not take is written and synced at the next flush
and then survives a kill and a power cut. Where the disk cannot be written, batches wait in memory, fewer of them; `problem` says
so.
"""

import asyncio
import logging
import time
import zlib
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from orderd.errors import TelemetryError
from orderd.telemetry.segments import Batch, Segments

LOG = logging.getLogger(__name__)

_ZLIB_LEVEL: Final = 1
MEMORY_BYTES_MAX: Final = 4 << 20
RETRY_S: Final = 10.0
"""How long a disk that failed is left alone."""
FIRST_PLACE: Final = 1 << 40
"""Of this run; what earlier runs left has places from 1, however late the directory becomes readable."""

P = ParamSpec("P")
R = TypeVar("R")


class Spool:
    """A queue that forgets its oldest batches rather than grow past its bound. For one event loop; `open` it first."""

    def __init__(self, directory: Path, bytes_max: int, *, memory_bytes_max: int = MEMORY_BYTES_MAX) -> None:
        """Start empty.

        Args:
            directory: where batches are kept; made when absent.
            bytes_max: most bytes of batches on disk.
            memory_bytes_max: most bytes of batches in memory while the disk cannot take them.
        """
        self._directory = directory
        self._bytes_max = bytes_max
        self._memory_bytes_max = min(memory_bytes_max, bytes_max)
        self._memory: deque[Batch] = deque()
        self._memory_bytes = 0
        self._memory_samples = 0
        self._since = 0.0
        self._disk: Segments | None = None
        self._disk_samples = 0
        self._disk_failed = ""
        self._retry_at = 0.0
        self._next_place = FIRST_PLACE
        self._last_sequence = 0
        self._using = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self.forgotten = 0
        """Samples that were forgotten to make room; counted here, because whoever asked for room may be cancelled meanwhile."""
        self.reopened = 0

    @property
    def next_sequence(self) -> int:
        """Return the number the next batch must carry."""
        return self._last_sequence + 1

    @property
    def size_bytes(self) -> int:
        """Return the bytes held, in memory and on disk."""
        return self._memory_bytes + (self._disk.size_bytes if self._disk else 0)

    @property
    def memory_bytes(self) -> int:
        """Return the bytes held in memory."""
        return self._memory_bytes

    @property
    def samples(self) -> int:
        """Return how many samples wait in it."""
        return self._memory_samples + self._disk_samples

    @property
    def in_memory_s(self) -> float:
        """Return for how long the oldest batch in memory has waited there, 0 when there is none."""
        return time.monotonic() - self._since if self._memory else 0.0

    @property
    def lost(self) -> int:
        """Return how many samples on disk could not be read any more."""
        return self._disk.lost if self._disk else 0

    @property
    def problem(self) -> str:
        """Return why batches cannot be kept on disk, empty while they can."""
        return self._disk_failed

    async def open(self) -> None:
        """Index what an earlier run left; where that fails, the spool works in memory and tries again now and then."""
        await self._whole(self._reach_disk())

    async def append(self, message: bytes, samples: int, *, durable: bool) -> None:
        """Add a batch under the next number; what had to be forgotten for it is counted in ``forgotten``.

        Args:
            message: the serialised PushRequest.
            samples: how many samples it holds.
            durable: write it to disk now, and all that wait before it.
        """
        sequence, place = self.next_sequence, self._next_place
        batch = Batch(place=place, sequence=sequence, samples=samples, packed=zlib.compress(message, _ZLIB_LEVEL))
        self._last_sequence, self._next_place = sequence, place + 1
        await self._whole(self._append(batch, durable=durable))

    async def spill(self) -> None:
        """Write to disk what waits in memory; what had to be forgotten for it is counted in ``forgotten``."""
        await self._whole(self._spill())

    async def after(self, place: int, count_max: int) -> list[Batch]:
        """Return the oldest batches placed above ``place``."""
        async with self._using:
            try:
                found = await self._from_disk(place, count_max)
            except OSError as error:
                self._fails(error)
                return []  # nothing behind it may be acknowledged before it
            waiting = (batch for batch in self._memory if batch.place > place)
            return [*found, *islice(waiting, count_max - len(found))]

    async def forget(self, place: int) -> int:
        """Forget every batch up to ``place``, because the trainer has it or will never take it.

        Returns:
            how many samples that were.
        """
        return await self._whole(self._forget(place))

    async def close(self) -> None:
        """Let the directory go."""
        async with self._using:
            disk, self._disk = self._disk, None
            if disk is not None:
                await self._in_thread(disk.close)
        self._thread.shutdown(wait=False)

    def abandon(self) -> None:
        """Let a thread that hangs on its disk be."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _append(self, batch: Batch, *, durable: bool) -> None:
        if not self._memory:
            self._since = time.monotonic()
        self._memory.append(batch)
        self._memory_bytes += len(batch.packed)
        self._memory_samples += batch.samples
        if durable:
            await self._spill()
        while self._memory_bytes > self._memory_bytes_max and len(self._memory) > 1:
            self.forgotten += self._pop().samples

    async def _forget(self, place: int) -> int:
        samples = 0
        if self._disk is not None and self._disk.batches:
            samples = await self._in_thread(self._disk.forget, place)
            self._disk_samples = self._disk.samples
        while self._memory and self._memory[0].place <= place:
            samples += self._pop().samples
        return samples

    async def _whole(self, work: Coroutine[Any, Any, R]) -> R:
        """Do a change to its end even when the caller is cancelled in the middle of it: disk and memory must agree."""
        return await asyncio.shield(asyncio.create_task(self._alone(work)))

    async def _alone(self, work: Coroutine[Any, Any, R]) -> R:
        async with self._using:
            return await work

    async def _in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))

    async def _reach_disk(self) -> Segments | None:
        if self._disk is not None:
            return self._disk
        try:
            disk = await self._in_thread(Segments, self._directory, self._bytes_max)
        except (OSError, TelemetryError) as error:
            self._fails(error)
            return None
        self._disk, self._disk_samples = disk, disk.samples
        self._say_damage(disk)
        if disk.batches:
            self.reopened += 1  # these stand before everything that may be on its way already
        return disk

    async def _spill(self) -> None:
        if not self._memory or time.monotonic() < self._retry_at:
            return
        disk = await self._reach_disk()
        if disk is None:
            return
        written, dropped, error = await self._in_thread(_write, disk, tuple(self._memory))
        for _ in range(written):
            self._pop()
        self.forgotten += dropped
        self._disk_samples = disk.samples
        if error is not None:
            self._fails(error)
        elif self._disk_failed:
            LOG.info("spool: %s can be written again", self._directory)
            self._disk_failed = ""

    async def _from_disk(self, place: int, count_max: int) -> list[Batch]:
        if self._disk is None or not self._disk.batches or place + 1 >= self._disk.end:
            return []
        found = await self._in_thread(self._disk.read, place, count_max)
        self._disk_samples = self._disk.samples
        self._say_damage(self._disk)
        return found

    def _say_damage(self, disk: Segments) -> None:
        for sentence in disk.damage:
            LOG.warning("spool: %s", sentence)
        disk.damage.clear()

    def _fails(self, error: Exception) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        why = f"spool {self._directory}: {getattr(error, 'strerror', None) or error}; batches wait in memory"
        if why != self._disk_failed:
            LOG.warning("%s", why)
        self._disk_failed = why

    def _pop(self) -> Batch:
        batch = self._memory.popleft()
        self._memory_bytes -= len(batch.packed)
        self._memory_samples -= batch.samples
        return batch


def _write(disk: Segments, batches: tuple[Batch, ...]) -> tuple[int, int, OSError | None]:
    """Append batches and make them durable; returns how many were taken, samples forgotten for them, and what went wrong."""
    dropped = 0
    for number, batch in enumerate(batches):
        try:
            dropped += disk.append(batch)
        except OSError as error:
            return number, dropped, error
    try:
        disk.sync()
    except OSError as error:
        return len(batches), dropped, error
    return len(batches), dropped, None
