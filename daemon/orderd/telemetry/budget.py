"""The fleet's budget, as this host sees it: a lease from the trainer, or a small allowance of its own while nobody answers.

Touches the network through the channel it is given. The tick never waits longer than ``fleet.timeout_s``, and a trainer that did
not answer is not waited for again: it is asked in the background, and ticks are answered from memory meanwhile.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from orderd.config.schema import FleetConfig, TelemetryConfig
from orderd.domain.clock import Clock, Instant
from orderd.domain.standing import Lease
from orderd.errors import OrderdError, TelemetryError
from orderd.v1.fleet_pb2 import AcquireLeaseRequest, AcquireLeaseResponse, ReleaseLeaseRequest, ReleaseLeaseResponse

LOG = logging.getLogger(__name__)

ACQUIRE: Final = "/orderd.v1.BudgetService/AcquireLease"
RELEASE: Final = "/orderd.v1.BudgetService/ReleaseLease"

CALL_S_MAX: Final = 5.0
"""How long a request may stay out; its answer then counts for later ticks."""
AGAIN_S: Final = 3.0
"""Pause between requests to a trainer that does not answer."""
SILENCE_S: Final = 30.0
"""How long silence is remembered: a tick waits for an answer again only when nobody asked for so long."""
LOCAL_S: Final = 60.0
"""How long the local allowance's word stands; it is asked again at every tick."""
LEASE_S_MAX: Final = 3600.0
REFUSED_S_MIN: Final = 1.0
REFUSED_S_MAX: Final = 60.0
_HOUR_NS: Final = 3600 * 10**9
_DETAIL_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    """What the trainer last said.

    Attributes:
        lease_id: of the lease; empty when it was refused.
        asked: monotonic nanoseconds at which it was asked for; a lease counts from there, so that it never ends late.
        until: monotonic nanoseconds at which the lease ends, or at which to ask again.
        detail: for people.
    """

    lease_id: str
    asked: int
    until: int
    detail: str


class Budget:
    """Asks for this host's lease; with ``fleet.budget`` off it has no say. For the event loop's thread."""

    def __init__(
        self,
        fleet: FleetConfig,
        telemetry: TelemetryConfig,
        host_id: str,
        *,
        channel: Callable[[], grpc.aio.Channel],
        clock: Clock,
    ) -> None:
        """Prepare; nothing is connected before a lease is wanted.

        Args:
            fleet: whether there is a budget, the host's group, patience and local allowance.
            telemetry: names the trainer.
            host_id: of this host, as in GetStatus.
            channel: opens a channel to the trainer; called again after every failure, so that it may use renewed certificates.
            clock: both clocks.
        """
        self._config = fleet
        self._trainer = telemetry.trainer
        self._host_id = host_id
        self._open = channel
        self._clock = clock
        self._channel: grpc.aio.Channel | None = None
        self._line = asyncio.Lock()  # requests never overtake each other: a late release must not end a new lease
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking: asyncio.Task[None] | None = None
        self._word: _Word | None = None
        self._silence = ""
        self._silent_at = 0
        self._ask_from = 0
        self._local: deque[int] = deque(maxlen=max(1, fleet.local_repairs_per_hour))

    @property
    def enabled(self) -> bool:
        """Tell whether repairs need a lease."""
        return self._config.budget

    def restore(self, repaired: Iterable[Instant]) -> None:
        """Remember repairs that an earlier run began without the trainer's word.

        Args:
            repaired: when; the monotonic side on this boot's clock, oldest first.
        """
        self._local.extend(sorted(at.mono_ns for at in repaired))

    async def prepare(self, wanted: bool) -> Lease | None:  # noqa: FBT001  the one question there is
        """Answer whether a repair may start now, within ``fleet.timeout_s`` whatever the trainer does.

        A lease that is held is renewed in the background until `release`.

        Args:
            wanted: a repair is running or may be chosen in this tick; without it nobody is asked.

        Returns:
            the answer, None when no budget is configured.
        """
        if not self._config.budget:
            return None
        now = self._clock.now().mono_ns
        if self._due(now, wanted=wanted):
            patient = not self._remembers_silence(now) and self._held(now) is None
            self._ask()
            if patient:
                await self._wait()
        return self.lease()

    def lease(self) -> Lease | None:
        """Return the present answer from memory; after `spend` it is the one for the next repair."""
        if not self._config.budget:
            return None
        now = self._clock.now().mono_ns
        if held := self._held(now):
            return Lease(granted=True, unreachable=False, detail=held.detail, until=held.until)
        if self._silence:
            left = self._local_left(now)
            until = now + int(LOCAL_S * 1e9) if left else 0
            return Lease(granted=left > 0, unreachable=True, detail=self._local_detail(left), until=until)
        return Lease(granted=False, unreachable=False, detail=self._word.detail if self._word else "nobody was asked", until=0)

    def spend(self) -> None:
        """Note that a repair starts now; it counts against the local allowance unless the trainer's lease covers it."""
        now = self._clock.now().mono_ns
        if self._config.budget and self._held(now) is None:
            self._local.append(now)

    def release(self) -> None:
        """Give the lease back, in the background: no repair runs or is wanted. Cheap to call at every tick."""
        word, self._word = self._word, None
        if word is not None and word.lease_id and word.until > self._clock.now().mono_ns:
            self._start(self._give_back(word.lease_id), name="budget-release")

    def describe(self) -> str:
        """Return one sentence for status; empty when no budget is configured."""
        lease = self.lease()
        if lease is None:
            return ""
        if lease.unreachable:
            return lease.detail
        if lease.granted:
            return f"{lease.detail}; this host may repair"
        return f"{lease.detail}; this host has to wait" if self._word else "no repair is running or wanted"

    async def close(self) -> None:
        """Let the channel go; a lease that is held ends by itself."""
        for task in (*self._tasks,):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._hang_up()

    def _due(self, now: int, *, wanted: bool) -> bool:
        if self._asking is not None or now < self._ask_from:
            return False
        if held := self._held(now):
            return now >= (held.asked + held.until) // 2
        return wanted and (self._word is None or now >= self._word.until)

    def _held(self, now: int) -> _Word | None:
        word = self._word
        return word if word is not None and word.lease_id and now < word.until else None

    def _remembers_silence(self, now: int) -> bool:
        return bool(self._silence) and now - self._silent_at < int(SILENCE_S * 1e9)

    def _local_left(self, now: int) -> int:
        used = sum(1 for at in self._local if now - at < _HOUR_NS)
        return max(0, self._config.local_repairs_per_hour - used)

    def _local_detail(self, left: int) -> str:
        return f"{self._silence}; {left} of {self._config.local_repairs_per_hour} repairs of this hour are left without its word"

    def _ask(self) -> None:
        self._asking = self._start(self._acquire(), name="budget-ask")

    async def _wait(self) -> None:
        """Wait for the answer, but not long; it may still come later."""
        assert self._asking is not None
        _, late = await asyncio.wait({self._asking}, timeout=self._config.timeout_s)
        if late:
            self._unanswered(f"the trainer did not answer within {self._config.timeout_s:g} s")

    def _start(self, work: Any, *, name: str) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _acquire(self) -> None:
        try:
            async with self._line:
                asked = self._clock.now().mono_ns
                request = AcquireLeaseRequest(host_id=self._host_id, group=self._config.group)
                self._heard(_word_of(await self._call(ACQUIRE, request, AcquireLeaseResponse), asked))
        except (OrderdError, OSError) as error:
            self._unanswered(str(error))
        finally:
            self._asking = None

    async def _give_back(self, lease_id: str) -> None:
        try:
            async with self._line:
                await self._call(RELEASE, ReleaseLeaseRequest(host_id=self._host_id, lease_id=lease_id), ReleaseLeaseResponse)
                if self._asking is None:
                    await self._hang_up()
        except (OrderdError, OSError) as error:
            LOG.info("budget: the lease could not be given back, it ends by itself: %s", error)

    async def _call(self, method: str, request: Any, response: Any) -> Any:
        """Ask the trainer.

        Raises:
            TelemetryError: it cannot be reached, refuses, is too slow, or speaks nonsense.
        """
        if not self._trainer:
            raise TelemetryError("no trainer is configured (telemetry.trainer)")
        if self._channel is None:
            self._channel = self._open()
        try:
            # Parsed here: gRPC turns an answer that does not parse into None.
            answer = await self._channel.unary_unary(method)(request.SerializeToString(), timeout=CALL_S_MAX)
            return response.FromString(answer)
        except grpc.aio.AioRpcError as error:
            await self._hang_up()
            raise TelemetryError(f"trainer {self._trainer}: {error.code().name}: {_for_people(error.details() or '')}") from error
        except DecodeError as error:
            raise TelemetryError("the trainer answered nonsense (no message)") from error

    async def _hang_up(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    def _heard(self, word: _Word) -> None:
        if self._silence:
            LOG.info("budget: the trainer answers again")
        self._word, self._silence, self._ask_from = word, "", 0

    def _unanswered(self, why: str) -> None:
        now = self._clock.now().mono_ns
        if not self._silence:
            LOG.warning("budget: %s; the local allowance counts", why)
        self._silence, self._silent_at, self._ask_from = why, now, now + int(AGAIN_S * 1e9)
        if self._held(now) is None:
            self._word = None


def _word_of(response: AcquireLeaseResponse, asked: int) -> _Word:
    """Parse an answer.

    Raises:
        TelemetryError: it is not one.
    """
    duration_s = response.duration_s
    if not math.isfinite(duration_s) or duration_s < 0 or (response.granted and not (response.lease_id and duration_s)):
        raise TelemetryError(f"the trainer answered nonsense (granted {response.granted}, for {duration_s} s)")
    shortest, longest = (0.0, LEASE_S_MAX) if response.granted else (REFUSED_S_MIN, REFUSED_S_MAX)
    until = asked + int(min(max(duration_s, shortest), longest) * 1e9)
    lease_id = response.lease_id[:_DETAIL_MAX] if response.granted else ""
    return _Word(lease_id=lease_id, asked=asked, until=until, detail=_for_people(response.detail))


def _for_people(text: str) -> str:
    """Return foreign text cut and without control characters, because it ends up on terminals."""
    return "".join(c if c.isprintable() else " " for c in text[:_DETAIL_MAX])
