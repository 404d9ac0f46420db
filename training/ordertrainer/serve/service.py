"""TelemetryService: every batch checked, made durable, then acknowledged. Touches the network through its caller."""

import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import grpc
import grpc.aio

from orderd.domain.schema import schema_digest
from orderd.v1.telemetry_pb2 import PushRequest, PushResponse
from orderd.v1.telemetry_pb2_grpc import TelemetryServiceServicer
from ordertrainer.serve.check import check
from ordertrainer.serve.committer import Committer
from ordertrainer.serve.errors import BatchRefusedError, ForeignSchemaError

LOG = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Ingested:
    """What came in since the start.

    Attributes:
        batches: durable batches.
        samples: durable samples.
        decisions: durable changes of decisions.
        duplicates: batches that came again.
        refused: batches that were refused.
        newest: host id -> monotonic time of its newest sample, nanoseconds on the host's clock.
    """

    batches: int = 0
    samples: int = 0
    decisions: int = 0
    duplicates: int = 0
    refused: int = 0
    newest: dict[str, int] = field(default_factory=dict[str, int])

    def count(self, request: PushRequest) -> None:
        """Count a new batch."""
        self.batches += 1
        self.samples += len(request.samples.mono_ns)
        self.decisions += len(request.decisions)
        if request.samples.mono_ns:
            self.newest[request.host_id] = max(request.samples.mono_ns)


class Telemetry(TelemetryServiceServicer):
    """Takes the streams of all hosts."""

    def __init__(self, committer: Committer, *, saw: Callable[[str], None] = lambda _host_id: None) -> None:
        """Take batches.

        Args:
            committer: makes them durable.
            saw: told the host id of every batch that is durable.
        """
        self._committer = committer
        self._saw = saw
        self._digest = schema_digest()
        self.ingested = Ingested()

    async def Push(  # noqa: N802  gRPC's name
        self, request_iterator: AsyncIterator[PushRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[PushResponse]:
        """Acknowledge each batch once it is durable."""
        async for request in request_iterator:
            await self._take(request, context)
            yield PushResponse(sequence=request.sequence)

    async def _take(self, request: PushRequest, context: grpc.aio.ServicerContext) -> None:
        try:
            check(request, self._digest)
            new = await self._committer.commit(request)
        except ForeignSchemaError as error:
            await self._refuse(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except BatchRefusedError as error:
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except OSError as error:
            await self._refuse(context, grpc.StatusCode.UNAVAILABLE, f"cannot write: {error}")
        else:
            self._saw(request.host_id)
            if new:
                self.ingested.count(request)
            else:
                self.ingested.duplicates += 1

    async def _refuse(self, context: grpc.aio.ServicerContext, code: grpc.StatusCode, why: str) -> None:
        self.ingested.refused += 1
        LOG.warning("trainer: refused a batch of %s: %s: %s", context.peer(), code.name, why)
        await context.abort(code, why)
