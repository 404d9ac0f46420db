"""Group commit: one fsync for every batch that arrived while the last fsync ran. Touches the store, from one thread of its own.

Compaction has another thread, so that a stream's acknowledgement never waits for Parquet.
"""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from orderd.v1.telemetry_pb2 import PushRequest
from ordertrainer.serve.store import Store

LOG = logging.getLogger(__name__)

SEGMENT_AGE_S_MAX: Final = 300.0
HOUSEKEEPING_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ticket:
    request: PushRequest
    durable: "asyncio.Future[bool]"


class Committer:
    """Turns concurrent `commit` calls into few, large, durable appends."""

    def __init__(self, store: Store, *, segment_age_s_max: float = SEGMENT_AGE_S_MAX) -> None:
        """Prepare.

        Args:
            store: where batches go; nobody else may append to it.
            segment_age_s_max: how long a batch may wait for Parquet.
        """
        self._store = store
        self._segment_age_s_max = segment_age_s_max
        self._tickets: list[_Ticket] = []
        self._wake = asyncio.Event()
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="trainer-wal")
        self._parquet = ThreadPoolExecutor(1, thread_name_prefix="trainer-parquet")

    async def commit(self, request: PushRequest) -> bool:
        """Wait until a batch is durable.

        Returns:
            whether it was new.

        Raises:
            OSError: the disk is full or broken; the batch was not taken.
        """
        ticket = _Ticket(request=request, durable=asyncio.get_running_loop().create_future())
        self._tickets.append(ticket)
        self._wake.set()
        return await ticket.durable

    async def run(self) -> None:
        """Commit and compact until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._commit_forever(), name="trainer-commit")
            tasks.create_task(self._compact_forever(), name="trainer-compact")

    async def close(self) -> None:
        """Compact everything and let the store go; call it when `run` has ended."""
        await asyncio.get_running_loop().run_in_executor(self._disk, self._store.close)
        self._disk.shutdown()
        self._parquet.shutdown()

    async def _commit_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            tickets, self._tickets = self._tickets, []
            try:
                fresh = await loop.run_in_executor(self._disk, self._append, [t.request for t in tickets])
            except OSError as error:
                LOG.error("trainer: cannot write: %s", error)  # noqa: TRY400  the disk's words are enough
                _fail(tickets, error)
                continue
            for ticket, new in zip(tickets, fresh, strict=True):
                if not ticket.durable.done():  # its stream may have gone meanwhile
                    ticket.durable.set_result(new)

    def _append(self, requests: list[PushRequest]) -> list[bool]:
        fresh = [not self._store.has(request) for request in requests]
        self._store.append(requests)
        return fresh

    async def _compact_forever(self) -> None:
        loop = asyncio.get_running_loop()
        rotated = time.monotonic()
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            try:
                if time.monotonic() - rotated >= self._segment_age_s_max:
                    await loop.run_in_executor(self._disk, self._store.rotate)
                    rotated = time.monotonic()
                await loop.run_in_executor(self._parquet, self._store.compact_closed)
            except OSError as error:
                LOG.error("trainer: cannot compact, the segments stay: %s", error)  # noqa: TRY400  the disk's words are enough


def _fail(tickets: list[_Ticket], error: OSError) -> None:
    for ticket in tickets:
        if not ticket.durable.done():
            ticket.durable.set_exception(error)
