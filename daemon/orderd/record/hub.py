"""Tells watchers of every change of a decision. In memory, one event loop.

A publisher never waits: each watcher has a bounded queue, and one that does not keep up is dropped with an error it can read.
"""

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from typing import Final

from orderd.domain.values import DecisionRecord
from orderd.errors import WatchError

QUEUE_MAX: Final = 64
"""Changes a watcher may lag behind; a decision has about five."""


class Subscription:
    """One watcher's queue of changes; iterate over it."""

    def __init__(self) -> None:
        """Start empty."""
        self._queue: asyncio.Queue[DecisionRecord | None] = asyncio.Queue(QUEUE_MAX)
        self._why = ""

    def offer(self, record: DecisionRecord) -> bool:
        """Queue a change; return whether there was room."""
        try:
            self._queue.put_nowait(record)
        except asyncio.QueueFull:
            return False
        return True

    def end(self, why: str) -> None:
        """End the iteration: what is queued is discarded, the watcher gets WatchError unless ``why`` is empty."""
        self._why = why
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[DecisionRecord]:
        """Yield changes as they happen.

        Raises:
            WatchError: the watcher was too slow.
        """
        while (record := await self._queue.get()) is not None:
            yield record
        if self._why:
            raise WatchError(self._why)


class DecisionHub:
    """Hands every change to all who watch."""

    def __init__(self, watchers_max: int = 200) -> None:
        """Start without watchers.

        Args:
            watchers_max: further ones are refused.
        """
        self._watchers: set[Subscription] = set()
        self._watchers_max = watchers_max
        self._closed = False
        self.dropped = 0

    @property
    def watchers(self) -> int:
        """Return how many watch now."""
        return len(self._watchers)

    def publish(self, record: DecisionRecord) -> None:
        """Queue a change for every watcher and drop those that lag too far behind. Never waits, never raises."""
        for watcher in [w for w in self._watchers if not w.offer(record)]:
            self._watchers.discard(watcher)
            self.dropped += 1
            watcher.end(f"dropped: more than {QUEUE_MAX} changes behind: read faster, or list decisions and watch again")

    @contextmanager
    def subscribe(self) -> Generator[Subscription]:
        """Watch from now on, until the context ends.

        Raises:
            WatchError: there are too many watchers.
        """
        if len(self._watchers) >= self._watchers_max:
            msg = f"{len(self._watchers)} watch already, rpc.watchers_max allows {self._watchers_max}: end one, or raise it"
            raise WatchError(msg)
        subscription = Subscription()
        self._watchers.add(subscription)
        if self._closed:
            subscription.end("")
        try:
            yield subscription
        finally:
            self._watchers.discard(subscription)

    def close(self) -> None:
        """End all iterations quietly; for shutdown."""
        self._closed = True
        for watcher in self._watchers:
            watcher.end("")
