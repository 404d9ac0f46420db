"""Conducts one admitted repair: fork in the zygote, adoption, release, deadline, end. Touches the zygote's socket and systemd."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from orderd.errors import ExecutorError
from orderd.executor.admission import Admitted
from orderd.executor.channel import Channel
from orderd.executor.messages import (
    JOB_REPLIES,
    Code,
    Finished,
    Forked,
    Go,
    JobDone,
    JobRefused,
    Outcome,
    Started,
    cut,
)
from orderd.executor.scope import TERM_TO_KILL_S, Scopes
from orderd.executor.targets import Refusal

FORKED_WITHIN_S: Final = 2.0
SECOND_LINE_S: Final = TERM_TO_KILL_S + 0.5
"""Our own timer fires this long after the scope's: it matters only when systemd did not act."""


class Conductor:
    """Runs admitted repairs, one call each."""

    def __init__(self, zygote_socket: str, scopes: Scopes) -> None:
        """Remember where the zygote listens and what holds the processes."""
        self._zygote_socket = zygote_socket
        self._scopes = scopes
        self._settled = False
        self._settling = asyncio.Lock()
        self._stuck: set[str] = set()

    async def settle(self) -> None:
        """End what an earlier executor left running, and what would not end before; nothing is started before this has succeeded.

        Raises:
            ExecutorError: systemd cannot be asked, or something is still running.
        """
        # Of two that come at once the second waits: else it would take the scope of the first for one that was left behind.
        async with self._settling:
            if not self._settled:
                await self._scopes.end_all()
                self._settled = True
            for scope in sorted(self._stuck):
                await self._scopes.end(scope, 0)
                self._stuck.discard(scope)

    async def zygote_listens(self) -> bool:
        """Tell whether the warm Ansible process answers."""
        try:
            (await self._connect()).close()
        except Refusal:
            return False
        return True

    async def run(self, admitted: Admitted, on_started: Callable[[Started], Awaitable[None]]) -> Finished:
        """Run one repair to its end.

        Args:
            admitted: what may run.
            on_started: called when the playbook is about to run.

        Returns:
            How it ended; no process of it is left.
        """
        run = _Run(admitted)
        try:
            return await self._run(run, on_started)
        except Refusal as refusal:
            return run.finished(Outcome.REFUSED, code=refusal.code, detail=refusal.detail)
        except ExecutorError as error:
            return run.finished(Outcome.FAILED, code=Code.SCOPE_FAILED, detail=cut(error))

    async def _run(self, run: "_Run", on_started: Callable[[Started], Awaitable[None]]) -> Finished:
        channel = await self._connect()
        try:
            pid = await self._fork(channel, run)
            scope = await self._adopt(run, pid)
            try:
                await on_started(Started(repair_id=run.admitted.request.repair_id, scope=scope))
                await channel.send(Go())
                reply = await self._reply(channel, run)
            finally:
                await self._end(scope, pid)
                run.lap("end")
        finally:
            channel.close()
        return run.judge(reply)

    async def _end(self, scope: str, pid: int) -> None:
        try:
            await self._scopes.end(scope, pid)
        except ExecutorError:
            if scope:
                self._stuck.add(scope)
            raise

    async def _connect(self) -> Channel:
        try:
            return await Channel.connect(self._zygote_socket)
        except OSError as error:
            raise Refusal(Code.ZYGOTE_UNAVAILABLE, f"{self._zygote_socket}: {error.strerror or error}") from error

    async def _fork(self, channel: Channel, run: "_Run") -> int:
        try:
            async with asyncio.timeout(FORKED_WITHIN_S):
                await channel.send(run.admitted.job)
                forked = await channel.receive(JOB_REPLIES)
        except (TimeoutError, OSError, msgspec.DecodeError) as error:
            raise Refusal(Code.ZYGOTE_UNAVAILABLE, f"{self._zygote_socket}: {type(error).__name__} {error}") from error
        if not isinstance(forked, Forked):
            raise Refusal(Code.ZYGOTE_UNAVAILABLE, f"{self._zygote_socket}: closed; see the journal of orderd-zygote.service")
        run.lap("fork")
        return forked.pid

    async def _adopt(self, run: "_Run", pid: int) -> str:
        """Have the process adopted; when that fails it is never released, sees the closed channel and leaves."""
        try:
            await self.settle()
            scope = await self._scopes.adopt(run.admitted.job.job_id, pid, run.admitted.deadline_s)
        except ExecutorError as error:
            raise Refusal(Code.SCOPE_FAILED, cut(error)) from error
        run.lap("adopt")
        run.start_deadline()
        return scope

    async def _reply(self, channel: Channel, run: "_Run") -> JobDone | JobRefused | None:
        try:
            async with asyncio.timeout(run.admitted.deadline_s + SECOND_LINE_S):
                reply = await channel.receive(JOB_REPLIES)
        except (TimeoutError, OSError):
            reply = None
        run.lap("run")
        return reply if isinstance(reply, JobDone | JobRefused) else None


class _Run:
    """One repair under way: its clock and its verdict."""

    def __init__(self, admitted: Admitted) -> None:
        self.admitted = admitted
        self._began = self._lap_began = time.monotonic()
        self._deadline_began = self._began
        self._seconds: dict[str, float] = {}

    def lap(self, step: str) -> None:
        """Note how long a step took."""
        now = time.monotonic()
        self._seconds[step] = now - self._lap_began
        self._lap_began = now

    def start_deadline(self) -> None:
        """Count the deadline from now."""
        self._deadline_began = time.monotonic()

    def judge(self, reply: JobDone | JobRefused | None) -> Finished:
        """Turn what the repair process said, or did not say, into the outcome."""
        if isinstance(reply, JobRefused):
            return self.finished(Outcome.REFUSED, code=reply.code, detail=reply.detail)
        if isinstance(reply, JobDone):
            return self._judge_done(reply)
        if time.monotonic() - self._deadline_began >= self.admitted.deadline_s:
            return self.finished(Outcome.TIMED_OUT, code=Code.DEADLINE, detail=f"killed at {self.admitted.deadline_s:g} s")
        return self.finished(Outcome.FAILED, code=Code.DIED, detail="the repair process ended without a word (killed?)")

    def _judge_done(self, done: JobDone) -> Finished:
        self._seconds |= done.seconds
        if done.rc == 0:
            return self.finished(Outcome.SUCCEEDED, done=done)
        failed = any(task.status in {"failed", "unreachable"} for task in done.tasks)
        code = Code.TASK_FAILED if failed else Code.PLAYBOOK_ERROR
        return self.finished(Outcome.FAILED, code=code, detail=done.detail, done=done)

    def finished(self, outcome: Outcome, *, code: Code | None = None, detail: str = "", done: JobDone | None = None) -> Finished:
        """Build the last message."""
        return Finished(
            repair_id=self.admitted.request.repair_id,
            outcome=outcome,
            code=code,
            detail=detail,
            rc=done.rc if done else None,
            changed=any(task.changed for task in done.tasks) if done else False,
            tasks=done.tasks if done else (),
            seconds=self._seconds | {"total": time.monotonic() - self._began},
        )
