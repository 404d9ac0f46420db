"""DecisionService: what orderd decided. Reads the journal and the hub."""

import asyncio
from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Any, Final

import grpc

from orderd.domain.faults import Failure
from orderd.domain.values import Action, DecisionRecord
from orderd.record import DecisionHub, JournalReader
from orderd.rpc.errors import answered
from orderd.rpc.tokens import Place, from_token, to_token
from orderd.v1 import decision_pb2, decision_pb2_grpc
from orderd.wire import decision_to_wire
from orderd.wire.scalars import member

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 500


def _page_size(asked: int) -> int:
    if asked < 0:
        msg = f"page_size = {asked}: must not be negative"
        raise ValueError(msg)
    return min(asked or PAGE_DEFAULT, PAGE_MAX)


def _checked(kind: type[StrEnum], value: str, field: str) -> str:
    """Return a filter, which may be empty.

    Raises:
        ValueError: it is neither empty nor a member of the enumeration.
    """
    return str(member(kind, value, field)) if value else ""


class DecisionServicer(decision_pb2_grpc.DecisionServiceServicer):
    """Lists, gets and watches decisions."""

    def __init__(self, journal: JournalReader, hub: DecisionHub, page_bytes_max: int) -> None:
        """Serve from a journal.

        Args:
            journal: answers from the disk.
            hub: tells of changes.
            page_bytes_max: a page ends early rather than grow beyond this.
        """
        self._journal = journal
        self._hub = hub
        self._page_bytes_max = page_bytes_max

    async def ListDecisions(  # noqa: N802 - named by the interface
        self, request: decision_pb2.ListDecisionsRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> decision_pb2.ListDecisionsResponse:
        """Return one page, newest first."""
        async with answered(context):
            size = _page_size(request.page_size)
            failure = _checked(Failure, request.failure, "failure")
            action = _checked(Action, request.action, "action")
            before = from_token(request.page_token, failure, action)
            # One more than asked tells whether there is a next page. In a thread: 500 decisions take some milliseconds to decode.
            records = await asyncio.to_thread(self._journal.page, size + 1, before, failure, action)
            return self._page(records, size, Place("", failure, action))
        raise AssertionError  # pragma: no cover - answered() has aborted the call

    async def GetDecision(  # noqa: N802 - named by the interface
        self, request: decision_pb2.GetDecisionRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> decision_pb2.GetDecisionResponse:
        """Return one decision."""
        async with answered(context):
            if not request.id:
                msg = "id: must not be empty"
                raise ValueError(msg)
            record = self._journal.get(request.id)
            if record is None:
                msg = f"id = {request.id[:80]!r}: there is no such decision"
                raise LookupError(msg)
            return decision_pb2.GetDecisionResponse(decision=decision_to_wire(record))
        raise AssertionError  # pragma: no cover - answered() has aborted the call

    async def WatchDecisions(  # noqa: N802 - named by the interface
        self, request: decision_pb2.WatchDecisionsRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> AsyncGenerator[decision_pb2.WatchDecisionsResponse]:
        """Send every change from now on."""
        async with answered(context):
            failure = _checked(Failure, request.failure, "failure")
            with self._hub.subscribe() as changes:
                # The client that has seen the initial metadata knows that it misses nothing from here on.
                await context.send_initial_metadata(())
                async for record in changes:
                    if failure in {"", record.decision.diagnosis.failure}:
                        yield decision_pb2.WatchDecisionsResponse(decision=decision_to_wire(record))

    def _page(self, records: list[DecisionRecord], size: int, place: Place) -> decision_pb2.ListDecisionsResponse:
        response = decision_pb2.ListDecisionsResponse()
        room = self._page_bytes_max
        for record in records[:size]:
            message = decision_to_wire(record)
            room -= message.ByteSize()
            if room < 0 and response.decisions:
                break
            response.decisions.append(message)
        if len(response.decisions) < len(records):
            last = response.decisions[-1].id
            response.next_page_token = to_token(Place(last, place.failure, place.action))
        return response
