"""What people are to be told, one line of it per sink. Writes notices beside the journal; sends in threads that are thrown away.

``say`` only remembers; ``say_durably`` has kept it when it returns. ``run`` keeps what was said durably and lets every sink take
its notices in order, each at its own pace: a sink that is down waits longer and longer, and holds up no other. What cannot be
told in ``give_up_s`` is given up and counted.
"""

import asyncio
import contextlib
import logging
import random
import socket
import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeVar

from orderd.config.schema import NotifyConfig
from orderd.domain.clock import Clock
from orderd.domain.standing import Standing
from orderd.errors import JournalError
from orderd.notify.notice import EVENTS, Notice
from orderd.notify.sinks import RefusedError, Sink, SinkError, make_sink
from orderd.notify.text import entries, one_line

log = logging.getLogger(__name__)

PAUSE_S_MIN: Final = 1.0
PAUSE_S_MAX: Final = 300.0
RESTORED_S_MIN: Final = 60.0
"""A notice that is found at start is tried for at least this long, whatever the wall clock says of its age."""
KEY_MAX: Final = 200
_SAID_MAX: Final = 500
"""Notices that everybody was told and that are remembered, so that they are not told again and can be resolved."""
T = TypeVar("T")


class Kept(Protocol):
    """Where notices outlive a restart; `orderd.record.KeptState`."""

    def put(self, kind: Standing, key: str, value: object) -> None:
        """Keep a value durably; raises JournalError."""
        ...

    def drop(self, kind: Standing, key: str) -> bool:
        """Forget a value; raises JournalError."""
        ...

    def load(self, kind: Standing, of: type[T]) -> dict[str, T]:
        """Return every value of a kind; raises JournalError."""
        ...


@dataclass(slots=True)
class _Line:
    """What one sink has still to be told, oldest first, and how it fares."""

    sink: Sink
    rows: deque[str] = field(default_factory=deque[str])
    stir: asyncio.Event = field(default_factory=asyncio.Event)
    pause_s: float = 0.0
    trouble: str = ""


class Notifier:
    """Tells people, at least once and rarely twice.

    Attributes:
        dropped: notices that no room was left for, since the start.
        given_up: notices that some sink was never told, since the start.
    """

    def __init__(
        self,
        config: NotifyConfig,
        kept: Kept,
        host: str,
        clock: Clock,
        *,
        pauses_s: tuple[float, float] = (PAUSE_S_MIN, PAUSE_S_MAX),
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Take back what an earlier run had not told; nothing is sent before ``run``.

        Args:
            config: sinks and limits.
            kept: where notices are kept.
            host: name of this host, for people.
            clock: where time comes from.
            pauses_s: shortest and longest pause before a sink is tried again.
            chance: numbers from 0 to 1, for the pauses' jitter.
        """
        self._config = config
        self._kept = kept
        self._clock = clock
        self._pauses_s = pauses_s
        self._chance = chance
        self._lines = {sink.name: _Line(sink) for sink in (make_sink(each, host, config.timeout_s) for each in config.sinks)}
        self._notices: dict[str, Notice] = {}
        self._said_ns: dict[str, int] = {}
        self._end_ns: dict[str, int] = {}
        self._dirty: dict[str, None] = {}
        self._stir = asyncio.Event()
        self._serial = 0
        self._unkept = ""
        self.dropped = 0
        self.given_up = 0
        if self._lines:
            self._restore()

    @property
    def waiting(self) -> int:
        """Return how many notices some sink has not been told."""
        return sum(1 for notice in self._notices.values() if notice.pending)

    @property
    def problem(self) -> str:
        """Return what keeps people from being told, one sentence; empty when nothing does."""
        troubles = [f"{line.sink.where}: {line.trouble} ({len(line.rows)} wait)" for line in self._lines.values() if line.trouble]
        if self._unkept:
            troubles.append(f"notices would be lost in a restart: {self._unkept}")
        if self.dropped:
            troubles.append(f"{self.dropped} notices were dropped because more than {self._config.queue_max} waited")
        return f"people are not told of everything: {'; '.join(troubles)}" if troubles else ""

    def say(self, event: str, key: str, title: str, body: Mapping[str, str] | str) -> None:
        """Have people told; returns at once. What was said of ``key`` within ``again_s`` is not said again.

        Args:
            event: one of EVENTS; one that is not in ``notify.events`` is not told.
            key: what it is about: an incident, a ticket.
            title: one line; any text will do.
            body: more of it, by name or as one text; any text will do, what is too long is cut.
        """
        notice = self._news(event, key, title, body)
        if notice is not None:
            self._take(notice)

    def say_durably(self, event: str, key: str, title: str, body: Mapping[str, str] | str) -> None:
        """Do as ``say``, and return when a restart cannot lose it any more; waits for the disk.

        Raises:
            JournalError: it could not be made durable; nobody is told.
        """
        notice = self._news(event, key, title, body)
        if notice is None:
            return
        before = self._notices.get(notice.row)
        self._kept.put(Standing.NOTICE, notice.row, before if before is not None and before.pending else notice)
        self._take(notice)

    def _news(self, event: str, key: str, title: str, body: Mapping[str, str] | str) -> Notice | None:
        """Return the notice, None where nobody is told of such things or was told of this one lately."""
        if not self._lines or event not in self._config.events:
            return None
        named = {"detail": body} if isinstance(body, str) else body
        notice = self._notice(event, key, title, named, resolved=False)
        said_ns = self._said_ns.get(notice.row)
        lately = said_ns is not None and self._clock.now().mono_ns - said_ns < self._config.again_s * 1e9
        return None if lately else notice

    def _take(self, notice: Notice) -> None:
        before, ended = self._notices.get(notice.row), self._notices.get(f"resolved {notice.key}")
        if before is None or not before.pending:
            self._queue(notice)
        elif ended is not None and ended.pending:
            self._forget(ended.row)  # it is on again, and nobody was told of its beginning yet: there is no end to tell

    def resolve(self, key: str) -> None:
        """Have people told that it is over, if they were told that it began; returns at once."""
        key = one_line(key, KEY_MAX)
        said = [notice for notice in self._notices.values() if notice.key == key and not notice.resolved]
        if not said:
            return
        for notice in said:
            # The same may happen again, and is news then.
            self._said_ns.pop(notice.row, None)
        self._queue(self._notice(said[-1].event, key, said[-1].title, {}, resolved=True))

    async def run(self) -> None:
        """Tell people until cancelled."""
        if not self._lines:
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep(), name="notices")
            for line in self._lines.values():
                group.create_task(self._tell(line), name=line.sink.name)

    def _notice(self, event: str, key: str, title: str, body: Mapping[str, str], *, resolved: bool) -> Notice:
        self._serial += 1
        now = self._clock.now()
        return Notice(
            notice_id=f"{now.utc_ns:020d}-{self._serial:06d}-{int(self._chance() * 16**8) % 16**8:08x}",
            event=event,
            key=one_line(key, KEY_MAX),
            title=one_line(title),
            body=entries(body),
            at_utc_ns=now.utc_ns,
            resolved=resolved,
            pending=tuple(self._lines),
        )

    def _queue(self, notice: Notice) -> None:
        now_ns = self._clock.now().mono_ns
        if notice.row in self._notices:
            self._forget(notice.row)
        self._notices[notice.row] = notice
        self._said_ns[notice.row] = now_ns
        self._end_ns[notice.row] = now_ns + int(self._config.give_up_s * 1e9)
        for name in notice.pending:
            self._lines[name].rows.append(notice.row)
            self._lines[name].stir.set()
        self._mark(notice.row)
        self._make_room()

    def _make_room(self) -> None:
        """Drop the oldest of the least important while too many wait, and forget the oldest of what everybody was told."""
        waiting = [notice for notice in self._notices.values() if notice.pending]
        while len(waiting) > self._config.queue_max:
            least = max(waiting, key=lambda notice: (EVENTS.index(notice.event), -waiting.index(notice)))
            waiting.remove(least)
            self.dropped += 1
            log.warning("too many notices wait, dropped: %s: %s", least.event, least.title)
            self._forget(least.row)
        told = [notice.row for notice in self._notices.values() if not notice.pending]
        for row in told[:-_SAID_MAX]:
            self._forget(row)

    def _forget(self, row: str) -> None:
        notice = self._notices.pop(row)
        self._said_ns.pop(row, None)
        self._end_ns.pop(row, None)
        for name in notice.pending:
            with contextlib.suppress(ValueError):
                self._lines[name].rows.remove(row)
        self._mark(row)

    def _mark(self, row: str) -> None:
        self._dirty[row] = None
        self._stir.set()

    def _restore(self) -> None:
        try:
            found = self._kept.load(Standing.NOTICE, Notice)
        except JournalError as error:
            self._unkept = str(error)
            return
        now = self._clock.now()
        for row, kept in found.items():
            notice = replace(kept, pending=tuple(name for name in kept.pending if name in self._lines))
            if row != notice.row or notice.event not in EVENTS:
                self._mark(row)
                continue
            age_ns = max(0, now.utc_ns - notice.at_utc_ns)
            rest_ns = max(int(RESTORED_S_MIN * 1e9), int(self._config.give_up_s * 1e9) - age_ns)
            self._notices[row] = notice
            self._said_ns[row] = now.mono_ns - age_ns
            self._end_ns[row] = now.mono_ns + min(rest_ns, int(self._config.give_up_s * 1e9))
            for name in notice.pending:
                self._lines[name].rows.append(row)
                self._lines[name].stir.set()

    async def _keep(self) -> None:
        """Write down what changed, outside of the loop: a write waits for the disk."""
        while True:
            await self._stir.wait()
            self._stir.clear()
            rows, self._dirty = list(self._dirty), {}
            try:
                for row in rows:
                    await self._write(row, self._notices.get(row))
                self._unkept = ""
            except JournalError as error:
                self._unkept = str(error)
                self._dirty = dict.fromkeys(rows) | self._dirty
                await asyncio.sleep(self._pauses_s[0])
                self._stir.set()

    async def _write(self, row: str, notice: Notice | None) -> None:
        if notice is None:
            await asyncio.to_thread(self._kept.drop, Standing.NOTICE, row)
        else:
            await asyncio.to_thread(self._kept.put, Standing.NOTICE, row, notice)

    async def _tell(self, line: _Line) -> None:
        while True:
            while line.rows:
                await self._tell_one(line, line.rows[0])
            line.stir.clear()
            await line.stir.wait()

    async def _tell_one(self, line: _Line, row: str) -> None:
        notice = self._notices[row]
        try:
            await _in_thread(line.sink, notice, self._config.timeout_s)
        except RefusedError as error:
            line.trouble = f"refuses a notice for good: {error}"
            self._give_up(line, notice)
        except SinkError as error:
            line.trouble = str(error)
            if self._clock.now().mono_ns >= self._end_ns.get(row, 0):
                self._give_up(line, notice)
            else:
                await self._pause(line)
        else:
            line.trouble, line.pause_s = "", 0.0
            self._settle(line, notice, told=True)

    def _give_up(self, line: _Line, notice: Notice) -> None:
        self.given_up += 1
        log.error("%s was never told: %s: %s (%s)", line.sink.where, notice.event, notice.title, line.trouble)
        self._settle(line, notice, told=False)

    def _settle(self, line: _Line, sent: Notice, *, told: bool) -> None:
        """Take a notice off a sink's line; it may have been dropped or replaced while it was being sent."""
        notice = self._notices.get(sent.row)
        if notice is None or notice.notice_id != sent.notice_id:
            return
        if line.rows and line.rows[0] == notice.row:
            line.rows.popleft()
        name = line.sink.name
        pending = tuple(each for each in notice.pending if each != name)
        self._notices[notice.row] = replace(notice, pending=pending, told=(*notice.told, name) if told else notice.told)
        self._mark(notice.row)
        if notice.resolved and not pending:
            over = [each.row for each in self._notices.values() if each.key == notice.key and not each.pending]
            for row in over:
                self._forget(row)

    async def _pause(self, line: _Line) -> None:
        shortest, longest = self._pauses_s
        line.pause_s = min(longest, max(shortest, 2 * line.pause_s))
        await asyncio.sleep(line.pause_s * (0.5 + self._chance()))


async def _in_thread(sink: Sink, notice: Notice, timeout_s: float) -> None:
    """Send in a thread that is thrown away, and break it off when the whole takes longer than twice its time.

    Raises:
        SinkError: it was not taken.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    breaker = _Breaker()

    def settle(error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error if isinstance(error, SinkError) else SinkError(f"defect of orderd: {error!r}"))

    def work() -> None:
        failure: BaseException | None = None
        try:
            sink.send(notice, breaker)
        except BaseException as error:  # noqa: BLE001  a thread has nobody above it: whatever it was goes to the loop
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, failure)

    threading.Thread(target=work, name=f"notify-{sink.name}", daemon=True).start()
    guard = asyncio.create_task(_trip_until_done(breaker, timeout_s))
    try:
        await done
    finally:
        guard.cancel()


async def _trip_until_done(breaker: "_Breaker", timeout_s: float) -> None:
    await asyncio.sleep(timeout_s)
    while True:
        await asyncio.sleep(timeout_s)
        breaker.trip()


class _Breaker:
    """Shuts the socket of what takes too long as a whole: a server that drips bytes would hold its thread for ever."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Any = None
        self._tripped = False

    @contextlib.contextmanager
    def __call__(self, connection: object) -> Generator[None]:
        with self._lock:
            self._connection = connection
            tripped = self._tripped
        if tripped:
            raise SinkError("took too long")
        try:
            yield
        finally:
            with self._lock:
                self._connection = None

    def trip(self) -> None:
        """Shut the socket now, or as soon as there is one."""
        with self._lock:
            self._tripped = True
            sock = getattr(self._connection, "sock", None)
            if isinstance(sock, socket.socket):
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)  # below TLS, which another thread may be in
