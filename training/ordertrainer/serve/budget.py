"""BudgetService: one word for the whole fleet on how many hosts may be under repair. Touches DATA/budget.sqlite through `leases`.

All asks are answered one after the other by one thread, so that however many come at once, the share is never exceeded. Whether a
caller is the host it names is checked before it gets here (`roles`).
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import grpc
import grpc.aio

from orderd.domain.clock import Clock
from orderd.v1.fleet_pb2 import AcquireLeaseRequest, AcquireLeaseResponse, ReleaseLeaseRequest, ReleaseLeaseResponse
from orderd.v1.fleet_pb2_grpc import BudgetServiceServicer
from ordertrainer.serve.layout import HOST_ID_SHAPE
from ordertrainer.serve.leases import Answer, Leases, Terms

LOG = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
R = TypeVar("R")

ASKS_WAITING_MAX: Final = 2_000
KEEP_S: Final = 30.0
_GROUP_SHAPE: Final = re.compile(r"[A-Za-z0-9._/-]{0,100}")


class Budget(BudgetServiceServicer):
    """Gives out leases; `open` it inside the event loop, `close` it there."""

    def __init__(
        self, path: Path, terms: Terms, *, clock: Clock | None = None, enrolled: Callable[[], Collection[str]] = frozenset
    ) -> None:
        """Prepare; see `Leases` for the arguments."""
        self._make = lambda: Leases(path, terms, clock=clock, enrolled=enrolled)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trainer-budget")
        self._seen: set[str] = set()
        self._waiting = 0
        self._line = ""

    async def open(self) -> None:
        """Open the file.

        Raises:
            ServeError: it cannot be used.
        """
        try:
            self._leases = await asyncio.get_running_loop().run_in_executor(self._thread, self._make)
        except BaseException:
            self._thread.shutdown()
            raise
        self._line = self._leases.describe()
        self._keeping = asyncio.create_task(self._keep_forever(), name="trainer-budget")

    async def close(self) -> None:
        """Write down which hosts are known and let the file go."""
        self._keeping.cancel()
        with suppress(asyncio.CancelledError):
            await self._keeping
        with suppress(OSError):  # leases are durable anyway
            await self._do(lambda leases: leases.close())
        self._thread.shutdown()

    def saw(self, host_id: str) -> None:
        """Note that a host has just sent telemetry; costs nothing."""
        self._seen.add(host_id)

    def describe(self) -> str:
        """Return one sentence for the terminal, at most half a minute old."""
        return self._line

    async def AcquireLease(self, request: AcquireLeaseRequest, context: Context) -> AcquireLeaseResponse:  # noqa: N802  gRPC's name
        """Grant, renew or refuse; whoever was refused is told when to ask again."""
        await self._check(request.host_id, request.group, context)
        left_s = context.time_remaining()
        patience = time.monotonic() + (left_s if left_s is not None else 60.0)

        def ask(leases: Leases) -> Answer | None:
            # A lease for somebody who does not listen any more would only keep others waiting.
            return leases.acquire(request.host_id, request.group) if time.monotonic() < patience else None

        try:
            answer = await self._do(ask)
        except OSError as error:
            await self._refuse(context, grpc.StatusCode.UNAVAILABLE, f"leases cannot be kept: {error}")
        if answer is None:
            await self._refuse(context, grpc.StatusCode.DEADLINE_EXCEEDED, "too late")
        return AcquireLeaseResponse(
            granted=bool(answer.lease_id), lease_id=answer.lease_id, duration_s=answer.duration_s, detail=answer.detail
        )

    async def ReleaseLease(self, request: ReleaseLeaseRequest, context: Context) -> ReleaseLeaseResponse:  # noqa: N802  gRPC's name
        """End a lease; one that is over already is no error."""
        await self._check(request.host_id, "", context)
        try:
            await self._do(lambda leases: leases.release(request.host_id, request.lease_id))
        except OSError as error:
            await self._refuse(context, grpc.StatusCode.UNAVAILABLE, f"leases cannot be kept: {error}")
        return ReleaseLeaseResponse()

    async def _check(self, host_id: str, group: str, context: Context) -> None:
        if HOST_ID_SHAPE.fullmatch(host_id) is None:
            why = f"host_id = {host_id[:80]!r}: allowed are 1 to 128 of A-Z a-z 0-9 . _ - and no leading sign"
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, why)
        if _GROUP_SHAPE.fullmatch(group) is None:
            why = f"group = {group[:80]!r}: allowed are up to 100 of A-Z a-z 0-9 . _ / -"
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, why)
        if self._waiting >= ASKS_WAITING_MAX:
            await self._refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, f"{self._waiting} hosts are asking already")

    async def _refuse(self, context: Context, code: grpc.StatusCode, why: str) -> NoReturn:
        LOG.warning("budget: %s: %s: %s", context.peer(), code.name, why)
        await context.abort(code, why)
        raise AssertionError  # pragma: no cover - aborting has raised

    async def _do(self, work: Callable[[Leases], R]) -> R:
        """Do one thing with the leases, after all that was asked before it."""
        seen, self._seen = self._seen, set()

        def alone() -> tuple[R, str]:
            self._leases.saw(seen)
            done = work(self._leases)
            return done, self._leases.describe()

        self._waiting += 1
        try:
            done, self._line = await asyncio.get_running_loop().run_in_executor(self._thread, alone)
        finally:
            self._waiting -= 1
        return done

    async def _keep_forever(self) -> None:
        while True:
            try:
                await self._do(lambda leases: leases.keep())
            except OSError as error:
                LOG.error("budget: %s", error)  # noqa: TRY400  the disk's words are enough
            await asyncio.sleep(KEEP_S)
