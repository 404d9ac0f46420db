"""Changes of decisions, read once and sent to all who watch. Reads the journal; owns one task.

The hub only says that something changed; what changed is read from the journal, by the number each change has there. So a watcher
can go on where it stopped, whoever was restarted in between, and a change is read and serialised once, not once for each watcher.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Final, Protocol

from orderd.domain.values import DecisionRecord
from orderd.errors import JournalError, WatchError
from orderd.record import DecisionHub
from orderd.rpc.tokens import resume_token
from orderd.v1 import decision_pb2

_log = logging.getLogger(__name__)

QUEUE_MAX: Final = 64
"""Changes a watcher may lag behind; a decision has about five."""
BATCH_MAX: Final = 100
"""Changes read at once."""
_SENT_MAX: Final = 256
_AGAIN_S: Final = 1.0
"""Pause after the journal could not be read."""


class ChangesPart(Protocol):
    """See orderd.record.JournalReader."""

    def changes(self, after: int, limit: int) -> list[tuple[int, DecisionRecord]]:
        """Return what changed after a change, oldest first, each decision once with its newest state."""
        ...

    def newest_change(self) -> int:
        """Return the number of the newest change, 0 when there is none."""
        ...

    def page(self, limit: int) -> list[DecisionRecord]:
        """Return decisions, newest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change, ready to be sent.

    Attributes:
        number: of the change; rises.
        failure: failure class of the decision.
        response: the serialised WatchDecisionsResponse.
    """

    number: int
    failure: str
    response: bytes


@dataclass(slots=True, eq=False)
class Watcher:
    """One who watches.

    Attributes:
        after: only later changes than this.
        queue: of what was not sent yet; None ends the watch.
        why: what ended it, empty for a stop of orderd.
    """

    after: int
    queue: asyncio.Queue[Change | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_MAX))
    why: str = ""

    def end(self, why: str) -> None:
        """End the watch: what is queued is thrown away."""
        self.why = why
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class _Sent:
    """Remembers how many steps of the decisions of late were handed out."""

    def __init__(self, newest_id: str) -> None:
        """Begin behind the newest decision of the journal."""
        self._steps: dict[str, int] = {}
        self._forgotten = newest_id
        """Of decisions up to this one nothing is known."""

    def last(self, decision_id: str, count: int) -> int:
        """Return how many steps were handed out; where nothing is known, all but the newest."""
        return self._steps.get(decision_id, count - 1 if decision_id <= self._forgotten else 0)

    def note(self, decision_id: str, count: int) -> None:
        """Keep how many have been handed out now."""
        self._steps[decision_id] = count
        if len(self._steps) > _SENT_MAX:
            oldest = next(iter(self._steps))
            del self._steps[oldest]
            self._forgotten = max(self._forgotten, oldest)


class Feed:
    """Follows the journal and hands every change to all who watch."""

    def __init__(
        self, journal: ChangesPart, hub: DecisionHub, tell: Callable[[DecisionRecord], decision_pb2.Decision], watchers_max: int
    ) -> None:
        """Prepare to follow.

        Args:
            journal: holds the changes.
            hub: says that there is one.
            tell: turns a record into its message.
            watchers_max: further watchers are refused.
        """
        self._journal = journal
        self._hub = hub
        self._tell = tell
        self._watchers_max = watchers_max
        self._watchers: set[Watcher] = set()
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._sent = _Sent("")
        self.newest = 0
        """Number of the newest change that was handed out."""
        self.dropped = 0

    @property
    def watchers(self) -> int:
        """Return how many watch now."""
        return len(self._watchers)

    async def start(self) -> None:
        """Begin to follow from now on.

        Raises:
            JournalError: the journal cannot be read.
        """
        self.newest = await asyncio.to_thread(self._journal.newest_change)
        newest = await asyncio.to_thread(self._journal.page, 1)
        self._sent = _Sent(newest[0].decision.decision_id if newest else "")
        self._task = asyncio.create_task(self._follow(), name="feed")

    async def close(self) -> None:
        """End every watch quietly and stop following."""
        self._closed = True
        for watcher in self._watchers:
            watcher.end("")
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def read(self, after: int) -> list[Change]:
        """Return the changes that follow one, oldest first, at most BATCH_MAX.

        Args:
            after: number of a change.

        Raises:
            JournalError: the journal cannot be read.
        """
        found = await asyncio.to_thread(self._journal.changes, after, BATCH_MAX)
        return [self._change(number, record) for number, record in found]

    def check_room(self) -> None:
        """Refuse a watcher that would be one too many.

        Raises:
            WatchError: there are as many as ``rpc.watchers_max`` allows.
        """
        if len(self._watchers) >= self._watchers_max:
            msg = f"{len(self._watchers)} watch already, rpc.watchers_max allows {self._watchers_max}: end one, or raise it"
            raise WatchError(msg)

    @contextlib.contextmanager
    def watch(self, after: int) -> Generator[Watcher]:
        """Have changes queued until the context ends.

        Args:
            after: only later changes than this; at least ``newest``, else some would be missing.

        Raises:
            WatchError: there are too many watchers.
        """
        self.check_room()
        watcher = Watcher(after)
        self._watchers.add(watcher)
        if self._closed:
            watcher.end("")
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def _change(self, number: int, record: DecisionRecord, token: str = "") -> Change:
        token = token or resume_token(number, record.decision.decision_id)
        response = decision_pb2.WatchDecisionsResponse(decision=self._tell(record), resume_token=token)
        return Change(number=number, failure=record.decision.diagnosis.failure, response=response.SerializeToString())

    async def _follow(self) -> None:
        while not self._closed:
            try:
                # Subscribed first: what changes while the journal is read wakes the loop below.
                with self._hub.subscribe() as woken:
                    await self._catch_up()
                    async for _ in woken:
                        await self._catch_up()
                self._closed = True  # the hub ends only with orderd
            except WatchError:
                continue  # a burst larger than the hub's queue; nothing is lost, it is in the journal
            except JournalError as error:
                _log.warning("watchers wait: %s", error)
                await asyncio.sleep(_AGAIN_S)

    async def _catch_up(self) -> None:
        while found := await asyncio.to_thread(self._journal.changes, self.newest, BATCH_MAX):
            for number, record in found:
                self._tell_all(number, record)
            if len(found) < BATCH_MAX:
                return

    def _tell_all(self, number: int, record: DecisionRecord) -> None:
        """Hand out a decision once for each step that was not handed out before, oldest first."""
        count = len(record.steps)
        before = resume_token(self.newest, "")
        for steps in range(self._sent.last(record.decision.decision_id, count) + 1, count):
            earlier = DecisionRecord(decision=record.decision, steps=record.steps[:steps])
            # Its token is that of the change before: who stops here is told the rest again.
            self._hand_out(self._change(number, earlier, before))
        self._hand_out(self._change(number, record))
        self.newest = number
        self._sent.note(record.decision.decision_id, count)

    def _hand_out(self, change: Change) -> None:
        slow = [w for w in self._watchers if w.after < change.number and not self._offer(w, change)]
        for watcher in slow:
            self._watchers.discard(watcher)
            self.dropped += 1
            watcher.end(f"dropped: more than {QUEUE_MAX} changes behind: read faster, or watch again with resume_after")

    @staticmethod
    def _offer(watcher: Watcher, change: Change) -> bool:
        try:
            watcher.queue.put_nowait(change)
        except asyncio.QueueFull:
            return False
        return True
