"""The uplink: delivers samples and decisions to the trainer at least once, and never holds up the tick.

Touches the network through `channel`. Two tasks: one seals what was offered into numbered batches and spools them, the other
keeps a stream to the trainer and forgets a batch only when it was acknowledged as durable. The trainer drops what it already
has by (host_id, boot_id, sequence), so resending after a broken stream is harmless.
"""

import asyncio
import logging
import random
import secrets
from contextlib import suppress
from typing import Any, Final

import grpc
import grpc.aio

from orderd.config.schema import TelemetryConfig
from orderd.domain.clock import Clock, Instant
from orderd.domain.values import DecisionRecord, Sample
from orderd.errors import TelemetryError
from orderd.telemetry.channel import PUSH, connect
from orderd.telemetry.pending import Pending
from orderd.telemetry.spool import Batch, Spool
from orderd.v1.telemetry_pb2 import PushRequest, PushResponse
from orderd.wire import decision_to_wire, samples_to_wire

LOG = logging.getLogger(__name__)

_Push = grpc.aio.StreamStreamCall[Any, PushResponse]

IN_FLIGHT_MAX: Final = 16
RETRY_S_MIN: Final = 0.25


class Uplink:
    """One host's line to the trainer; with no trainer configured it takes everything and keeps nothing.

    Offers come from the event loop's thread.
    """

    def __init__(self, config: TelemetryConfig, host_id: str, clock: Clock, *, jitter: random.Random | None = None) -> None:
        """Prepare; nothing is connected before `run`.

        Args:
            config: address, batch and spool sizes, longest pause between attempts.
            host_id: of this host, as in GetStatus.
            clock: dates the newest acknowledgement.
            jitter: spreads the attempts of many hosts; a fresh generator when None.
        """
        self._config = config
        self._host_id = host_id
        self._clock = clock
        self._jitter = jitter or random.Random()  # noqa: S311  spreads attempts, guards nothing
        self._boot_id = secrets.token_hex(16)
        self._pending = Pending(config.batch_samples)
        self._spool = Spool(config.spool_bytes)
        self._news = asyncio.Condition()
        self._acknowledged = 0
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
        """Return how many samples were forgotten because a bound was reached or the trainer refused them."""
        return self._dropped

    @property
    def problem(self) -> str:
        """Return why nothing is delivered at the moment, empty while it works or before the first attempt."""
        return self._problem

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
        """Seal and deliver until cancelled."""
        if not self.enabled:
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._seal_forever(), name="uplink-seal")
            tasks.create_task(self._deliver_forever(), name="uplink-deliver")

    async def _seal_forever(self) -> None:
        while True:
            await self._pending.any.wait()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._pending.full.wait(), self._patience_s())
            await self._seal()

    def _patience_s(self) -> float:
        """Return how long a batch may wait to become full; while nobody takes batches, fuller ones keep the spool small."""
        return max(self._config.flush_s, self._config.retry_s_max) if self._problem else self._config.flush_s

    async def _seal(self) -> None:
        samples, decisions = self._pending.take()
        request = PushRequest(
            host_id=self._host_id,
            boot_id=self._boot_id,
            sequence=self._spool.next_sequence,
            samples=samples_to_wire(samples) if samples else None,
            decisions=[decision_to_wire(record) for record in decisions],
        )
        self._dropped += self._spool.append(request.SerializeToString(), len(samples))
        await self._tell()

    async def _deliver_forever(self) -> None:
        pause_s = RETRY_S_MIN
        while True:
            before = self._acknowledged
            try:
                await self._stream()
            except* TelemetryError as errors:
                self._lost(str(errors.exceptions[0]))
            # Only a trainer that took something starts the backoff afresh; one that accepts and hangs up does not.
            pause_s = RETRY_S_MIN if self._acknowledged > before else min(pause_s * 2, self._config.retry_s_max)
            await asyncio.sleep(pause_s * self._jitter.uniform(0.5, 1.0))

    async def _stream(self) -> None:
        """Keep one stream until it breaks; everything unacknowledged is sent on it again."""
        async with connect(self._config.trainer) as channel:
            call = channel.stream_stream(PUSH, response_deserializer=PushResponse.FromString)()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(call), name="uplink-send")
                tasks.create_task(self._receive(call), name="uplink-receive")

    async def _send(self, call: _Push) -> None:
        """Write spooled messages in order, at most IN_FLIGHT_MAX ahead of the acknowledgements."""
        sequence = self._acknowledged
        while True:
            async with self._news:
                while (batch := self._sendable(sequence)) is None:
                    await self._news.wait()
            sequence = batch.sequence
            try:
                await call.write(batch.message())
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return  # the stream broke; the receiving side learns why

    async def _receive(self, call: _Push) -> None:
        try:
            async for response in call:
                self._acknowledge(response.sequence)
                await self._tell()
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                # The oldest batch is the one it calls malformed; kept, it would block all later ones.
                self._dropped += self._spool.refuse_oldest()
            raise TelemetryError(f"{error.code().name}: {error.details()}") from error
        raise TelemetryError("the trainer ended the stream")

    def _sendable(self, sequence: int) -> Batch | None:
        return None if sequence - self._acknowledged >= IN_FLIGHT_MAX else self._spool.after(sequence)

    def _acknowledge(self, sequence: int) -> None:
        self._sent += self._spool.acknowledge(sequence)
        self._acknowledged = max(self._acknowledged, sequence)
        self._acknowledged_at = self._clock.now()
        if self._problem:
            LOG.info("uplink: %s takes batches again", self._config.trainer)
        self._problem = ""

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    def _lost(self, problem: str) -> None:
        if problem != self._problem:
            LOG.warning("uplink: %s: %s; samples are spooled", self._config.trainer, problem)
        self._problem = problem
