"""What orderd uses to have a repair run: one call, events as they come, one result. Touches one AF_UNIX socket.

Imports neither ansible nor D-Bus, so that orderd stays small.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from orderd.errors import ExecutorError, RepairRefusedError
from orderd.executor.channel import Channel
from orderd.executor.messages import (
    REPLIES,
    Awake,
    Finished,
    Outcome,
    RepairRequest,
    Reply,
    Request,
    Running,
    RunningRepair,
    Wake,
    WhatRuns,
)

GRACE_S: Final = 5.0
"""How long after a repair's deadline an answer is still expected: the executor promises one within two seconds."""


R = TypeVar("R", Awake, Running, Finished)
OnEvent = Callable[[Reply], None]


def _ignore(_event: Reply) -> None:
    """Take an event and do nothing with it."""


class ExecutorClient:
    """A client of orderd-exec; one connection a request, so that a broken one never spoils the next."""

    def __init__(self, socket_path: str) -> None:
        """Remember where orderd-exec listens."""
        self._path = socket_path

    async def repair(self, request: RepairRequest, on_event: OnEvent = _ignore) -> Finished:
        """Have one repair run and wait for its end.

        Args:
            request: what to run.
            on_event: called with every message as it arrives (Accepted, Started, Finished); must not block.

        Returns:
            How it ended: succeeded, failed or timed out.

        Raises:
            RepairRefusedError: it was refused; nothing was touched.
            ExecutorError: the executor is unreachable or broke off; whether the host was touched is unknown.
        """
        finished = await self._converse(request, Finished, request.deadline_s + GRACE_S, on_event)
        if finished.outcome is Outcome.REFUSED:
            raise RepairRefusedError(str(finished.code), finished.detail)
        return finished

    async def wake(self, timeout_s: float = 2.0) -> Awake:
        """Have the executor started and ready, because a repair may soon be needed.

        Args:
            timeout_s: how long to wait for it.

        Returns:
            What it can run.

        Raises:
            ExecutorError: it is unreachable or did not answer in time.
        """
        return await self._converse(Wake(), Awake, timeout_s, _ignore)

    async def running(self, timeout_s: float = 2.0) -> tuple[RunningRepair, ...]:
        """Ask which repairs are under way.

        Args:
            timeout_s: how long to wait for the answer.

        Raises:
            ExecutorError: it is unreachable or did not answer in time.
        """
        return (await self._converse(WhatRuns(), Running, timeout_s, _ignore)).repairs

    async def _converse(self, request: Request, last: type[R], timeout_s: float, on_event: OnEvent) -> R:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(request, last, on_event)
        except TimeoutError as error:
            msg = f"{self._path}: no answer within {timeout_s:g} s; see the journal of orderd-exec.service"
            raise ExecutorError(msg) from error
        except OSError as error:
            msg = f"{self._path}: {error.strerror or error}; is orderd-exec.socket running?"
            raise ExecutorError(msg) from error
        except msgspec.DecodeError as error:
            msg = f"{self._path}: answered with something that is no message ({error}); do the versions match?"
            raise ExecutorError(msg) from error

    async def _exchange(self, request: Request, last: type[R], on_event: OnEvent) -> R:
        channel = await Channel.connect(self._path)
        try:
            await channel.send(request)
            while (event := await channel.receive(REPLIES)) is not None:
                on_event(event)
                if isinstance(event, last):
                    return event
                if isinstance(event, Finished):
                    raise RepairRefusedError(str(event.code), event.detail)
        finally:
            channel.close()
        msg = f"{self._path}: closed before the end; whether the repair ran is unknown"
        raise ExecutorError(msg)
