"""Waits until a socket has something to say. Pure epoll beside asyncio's.

asyncio's own way of watching a descriptor is made for connections that last. A question watches a new one for a millisecond, and
twelve of those a second are a tenth of what orderd costs at rest: here one set of descriptors is watched by asyncio for good, and
a socket enters and leaves that set by a system call each.
"""

import asyncio
import select
from typing import Final
from weakref import WeakKeyDictionary

READABLE: Final = select.EPOLLIN
WRITABLE: Final = select.EPOLLOUT


class Readiness:
    """The sockets that one event loop waits for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to watch for nothing."""
        self._set = select.epoll()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        # The loop keeps what it calls: a reference back to the loop would keep both for ever.
        loop.add_reader(self._set.fileno(), self._tell)

    async def of(self, file: int, what: int) -> None:
        """Return when a descriptor is ready, or has failed; at most one waits for each descriptor.

        Args:
            file: the descriptor; it stays open while it is waited for.
            what: READABLE or WRITABLE.
        """
        self._set.register(file, what)
        ready = self._waiting[file] = asyncio.get_running_loop().create_future()
        try:
            await ready
        finally:
            del self._waiting[file]
            self._set.unregister(file)

    def _tell(self) -> None:
        for file, _ in self._set.poll(0):
            ready = self._waiting.get(file)
            if ready is not None and not ready.done():
                ready.set_result(None)


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Readiness] = WeakKeyDictionary()


async def until(file: int, what: int) -> None:
    """Return when a descriptor is READABLE or WRITABLE, or has failed."""
    loop = asyncio.get_running_loop()
    readiness = _of_loop.get(loop)
    if readiness is None:
        readiness = _of_loop[loop] = Readiness(loop)
    await readiness.of(file, what)
