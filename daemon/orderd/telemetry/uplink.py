"""The uplink: delivers samples and decisions to the trainer at least once, and never holds up the tick.

Touches the network through `channel`, the disk through `spool`. Two tasks: one seals what was offered into numbered batches and
spools them, the other keeps a stream to the trainer and forgets a batch only when it was acknowledged as durable. The trainer
drops what it already has by (host_id, boot_id, sequence), so resending after a broken stream or a restart of orderd is harmless.
"""

import asyncio
import logging
import random
import secrets
import time
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from orderd.config.schema import TelemetryConfig
from orderd.domain.clock import Clock, Instant
from orderd.domain.schema import schema_digest
from orderd.domain.values import DecisionRecord, Sample
from orderd.errors import OrderdError, TelemetryError
from orderd.telemetry.channel import PUSH, Line
from orderd.telemetry.pending import Pending
from orderd.telemetry.segments import Batch
from orderd.telemetry.spool import Spool
from orderd.v1.telemetry_pb2 import PushRequest, PushResponse
from orderd.wire import decision_to_wire, samples_to_wire

LOG = logging.getLogger(__name__)

_Push = grpc.aio.StreamStreamCall[bytes, bytes]

IN_FLIGHT_MAX: Final = 16
RETRY_S_MIN: Final = 0.25
CONNECT_S: Final = 10.0
"""How long a connection may take to become one; half-open trainers accept and say nothing."""
SILENCE_S_MAX: Final = 20.0
"""How long a batch may be on its way; a trainer that takes batches and never acknowledges is left and tried again."""
SPILL_S: Final = 2.0
"""How long a batch may wait in memory alone; whoever answers within that costs no write at all."""
MESSAGE_BYTES_MAX: Final = 4 << 20
"""What the trainer takes; a larger message would be refused for ever."""
STOP_S: Final = 1.5
"""How long the last flush may take when orderd is stopped."""


class _RenewedError(TelemetryError):
    """The stream was left on purpose."""


class Uplink:
    """One host's line to the trainer; with no trainer configured it takes everything and keeps nothing.

    Offers come from the event loop's thread. Counters are never added to across an await: an offer in between would be lost.
    """

    def __init__(
        self,
        config: TelemetryConfig,
        host_id: str,
        clock: Clock,
        *,
        line: Line | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        """Prepare; nothing is connected or opened before `run`.

        Args:
            config: address, batch and spool sizes, longest pause between attempts.
            host_id: of this host, as in GetStatus.
            clock: dates the newest acknowledgement.
            line: how the trainer is reached; by default as a host that is not enrolled.
            jitter: spreads the attempts of many hosts; a fresh generator when None.
        """
        self._config = config
        self._host_id = host_id
        self._clock = clock
        self._line = line or Line(config)
        self._jitter = jitter or random.Random()  # noqa: S311  spreads attempts, guards nothing
        self._boot_id = secrets.token_hex(16)
        self._pending = Pending(config.batch_samples)
        self._spool = Spool(Path(config.spool), config.spool_bytes)
        self._news = asyncio.Condition()
        self._in_flight: deque[Batch] = deque()
        self._progress = 0.0
        self._acknowledgements = 0
        self._sent = 0
        self._dropped = 0
        self._problem = ""
        self._acknowledged_at: Instant | None = None

    @property
    def enabled(self) -> bool:
        """Tell whether a trainer is configured."""
        return bool(self._config.trainer)

    @property
    def sent(self) -> int:
        """Return how many samples the trainer acknowledged as durable."""
        return self._sent

    @property
    def waiting(self) -> int:
        """Return how many samples wait to be acknowledged."""
        return self._pending.samples + self._spool.samples

    @property
    def dropped(self) -> int:
        """Return how many samples were forgotten because a bound was reached, the trainer refused them or the disk lost them."""
        return self._dropped + self._spool.forgotten + self._spool.lost

    @property
    def problem(self) -> str:
        """Return why nothing is delivered or spooled at the moment, empty while it works or before the first attempt."""
        return "; ".join(filter(None, (self._problem, self._spool.problem)))

    @property
    def acknowledged_at(self) -> Instant | None:
        """Return when the trainer last acknowledged a batch, None before it did."""
        return self._acknowledged_at

    def offer_sample(self, sample: Sample) -> None:
        """Take a sample for delivery; never blocks, never raises."""
        if self.enabled:
            self._dropped += self._pending.add_sample(sample)

    def offer_decision(self, record: DecisionRecord) -> None:
        """Take the newest state of a decision for delivery; never blocks, never raises."""
        if self.enabled:
            self._pending.add_decision(record)

    async def run(self) -> None:
        """Seal and deliver until cancelled; what is left is on disk then."""
        if not self.enabled:
            await asyncio.Event().wait()
        try:
            await self._spool.open()
            await _until_one_fails(self._seal_forever(), self._deliver_forever())
        finally:
            await self._save()

    async def _save(self) -> None:
        """Put what was not delivered on disk; a disk that hangs is not waited for."""
        try:
            async with asyncio.timeout(STOP_S):
                while self._pending.any.is_set():
                    await self._seal(durable=True)
                await self._spool.spill()
                await self._spool.close()
        except TimeoutError:
            LOG.warning("uplink: the disk of the spool hangs; what waited in memory is lost")
            self._spool.abandon()

    async def _seal_forever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(SPILL_S):
                    await self._pending.any.wait()
                async with asyncio.timeout(self._patience_s()):
                    await self._pending.full.wait()
            late = self._spool.in_memory_s >= SPILL_S
            if self._pending.any.is_set():
                await self._seal(durable=late or bool(self._problem))
            elif late:
                await self._spool.spill()

    def _patience_s(self) -> float:
        """Return how long a batch may wait to become full; while nobody takes batches, fuller ones keep the spool small."""
        return max(self._config.flush_s, self._config.retry_s_max) if self._problem else self._config.flush_s

    async def _seal(self, *, durable: bool) -> None:
        samples, decisions = self._pending.take()
        request = PushRequest(
            host_id=self._host_id,
            boot_id=self._boot_id,
            sequence=self._spool.next_sequence,
            samples=samples_to_wire(samples) if samples else None,
            decisions=[decision_to_wire(record) for record in decisions],
        )
        message = request.SerializeToString()
        if len(message) >= MESSAGE_BYTES_MAX:
            LOG.warning("uplink: a batch of %d bytes is more than the trainer takes; it is dropped", len(message))
            self._dropped += len(samples)
            return
        await self._spool.append(message, len(samples), durable=durable)
        await self._tell()

    async def _deliver_forever(self) -> None:
        pause_s = RETRY_S_MIN
        while True:
            before = self._acknowledgements
            try:
                await self._stream()
            except _RenewedError:
                LOG.info("uplink: this host has another certificate; connecting with it")
            except OrderdError as error:
                await self._lost(str(error))
            # Only a trainer that took something starts the backoff afresh; one that accepts and hangs up does not.
            pause_s = RETRY_S_MIN if self._acknowledgements > before else min(pause_s * 2, self._config.retry_s_max)
            await asyncio.sleep(pause_s * self._jitter.uniform(0.5, 1.0))

    async def _stream(self) -> None:
        """Keep one stream until it breaks; everything unacknowledged is sent on it again.

        Raises:
            OrderdError: it broke, or could not be opened.
        """
        self._in_flight.clear()
        async with self._line.open() as channel:
            await self._ready(channel)
            call: _Push = channel.stream_stream(PUSH)()
            await _until_one_fails(self._send(call), self._receive(call), self._expect_progress(), self._leave_when_renewed())

    async def _ready(self, channel: grpc.aio.Channel) -> None:
        """Wait until there is a connection, or until it is known that there is none; the call then says why.

        Raises:
            TelemetryError: neither happened in time.
        """
        try:
            async with asyncio.timeout(CONNECT_S):
                while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
                    if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                        return
                    await channel.wait_for_state_change(state)
        except TimeoutError as error:
            raise TelemetryError(f"UNAVAILABLE: no connection within {CONNECT_S:g} s") from error

    async def _send(self, call: _Push) -> None:
        """Write spooled messages in order, at most IN_FLIGHT_MAX ahead of the acknowledgements."""
        place, reopened = 0, self._spool.reopened
        while True:
            async with self._news:
                while not (batches := await self._sendable(place)):
                    await self._news.wait()
            if self._spool.reopened != reopened:
                raise TelemetryError("the spool has become readable; starting afresh with its oldest batch")
            for batch in batches:
                place = batch.place
                if not self._in_flight:
                    self._progress = time.monotonic()
                self._in_flight.append(batch)
                try:
                    await call.write(batch.message())
                except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    return  # the stream broke; the receiving side learns why

    async def _sendable(self, place: int) -> list[Batch]:
        room = IN_FLIGHT_MAX - len(self._in_flight)
        return await self._spool.after(place, room) if room else []

    async def _receive(self, call: _Push) -> None:
        try:
            async for response in call:
                await self._acknowledge(PushResponse.FromString(response).sequence)
                await self._tell()
        except grpc.aio.AioRpcError as error:
            if self._is_hopeless(error.code()):
                # The oldest batch is the one it means; kept, it would block all later ones.
                samples = await self._spool.forget(self._in_flight[0].place)
                self._dropped += samples
            raise TelemetryError(f"{error.code().name}: {error.details()}") from error
        except DecodeError as error:
            raise TelemetryError("the trainer answered nonsense (no message)") from error
        raise TelemetryError("the trainer ended the stream")

    def _is_hopeless(self, code: grpc.StatusCode) -> bool:
        """Tell whether the trainer will never take the oldest batch: malformed, too large, or of an older orderd's signals."""
        if not self._in_flight:
            return False
        if code is grpc.StatusCode.FAILED_PRECONDITION:
            request = PushRequest.FromString(self._in_flight[0].message())
            return request.HasField("samples") and request.samples.schema_digest != schema_digest()
        return code in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE}

    async def _acknowledge(self, sequence: int) -> None:
        """Forget the oldest batch on its way.

        Raises:
            TelemetryError: it is not that batch which was acknowledged.
        """
        if not self._in_flight or self._in_flight[0].sequence != sequence:
            expected = self._in_flight[0].sequence if self._in_flight else "none"
            raise TelemetryError(f"the trainer acknowledged batch {sequence}, expected was {expected}")
        samples = await self._spool.forget(self._in_flight.popleft().place)
        self._sent += samples
        self._acknowledgements += 1
        self._progress = time.monotonic()
        self._acknowledged_at = self._clock.now()
        if self._problem:
            LOG.info("uplink: %s takes batches again", self._config.trainer)
        self._problem = ""

    async def _expect_progress(self) -> None:
        """Break the stream when nothing is acknowledged for long.

        Raises:
            TelemetryError: that is so.
        """
        while True:
            await asyncio.sleep(SILENCE_S_MAX / 4)
            if self._in_flight and time.monotonic() - self._progress > SILENCE_S_MAX:
                raise TelemetryError(f"the trainer acknowledged nothing for {SILENCE_S_MAX:g} s")

    async def _leave_when_renewed(self) -> None:
        """Break the stream when the host has got another certificate, so that the next one uses it.

        Raises:
            _RenewedError: that is so.
        """
        await self._line.renewed()
        raise _RenewedError("another certificate is in force")

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _lost(self, problem: str) -> None:
        if problem != self._problem:
            LOG.warning("uplink: %s: %s; samples are spooled", self._config.trainer, problem)
        self._problem = problem
        await self._spool.spill()


async def _until_one_fails(*parts: Coroutine[Any, Any, None]) -> None:
    """Run parts together; the first error ends all of them and is raised.

    No TaskGroup: before Python 3.13 one that is cancelled while it has an error to raise forgets the cancellation, and orderd
    would not stop when the trainer goes at the same moment.

    References:
        CPython issue 116720: asyncio.TaskGroup may lose cancellation.
    """
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
