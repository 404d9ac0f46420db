"""DecisionService: what orderd decided, why, and what people say to it. Reads the journal and the feed; asks the loop's view."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final

from orderd.domain.faults import Failure
from orderd.domain.values import Action, DecisionRecord, IncidentState, Reason
from orderd.errors import WatchError
from orderd.record import JournalReader
from orderd.rpc import checks, tokens
from orderd.rpc.feed import Change, Feed
from orderd.rpc.handlers import Answer, Call
from orderd.rpc.requests import Requests
from orderd.rpc.telling import Teller
from orderd.rpc.view import HostView
from orderd.v1 import decision_pb2
from orderd.wire import entity_from_wire, evidence_to_wire, explanation_to_wire, replay_to_wire

_EXAMPLES: Final = 4
"""Ids shown when several fit: enough to choose from."""
_TOKEN_ROOM_BYTES: Final = 256
_FRAME_BYTES: Final = 8
"""Tag and length of a decision inside a page."""
RESUME_METADATA: Final = "orderd-resume-token"
"""Initial metadata of a watch: the token of the moment it began, for who is cut off before the first change."""


def _filters(request: decision_pb2.ListDecisionsRequest) -> dict[str, Any]:
    """Return what a listing is narrowed to.

    Raises:
        ValueError: a filter is not what it may be; the message names it.
    """
    since, until = (checks.moment(getattr(request, field), field) for field in ("since_utc_ns", "until_utc_ns"))
    if until and since >= until:
        msg = f"until_utc_ns = {until}: must be after since_utc_ns = {since}"
        raise ValueError(msg)
    return {
        "failure": checks.one_of(Failure, request.failure, "failure"),
        "action": checks.one_of(Action, request.action, "action"),
        "entity": str(entity_from_wire(request.entity)) if request.HasField("entity") else "",
        "state": checks.one_of(IncidentState, request.state, "state"),
        "reason": checks.one_of(Reason, request.reason, "reason"),
        "since_utc_ns": since,
        "until_utc_ns": until,
    }


class DecisionServicer:
    """Lists, gets, watches, explains and replays decisions; takes people's answers."""

    def __init__(self, *, journal: JournalReader, feed: Feed, view: HostView, requests: Requests, page_bytes_max: int) -> None:
        """Serve from a journal.

        Args:
            journal: answers from the disk.
            feed: tells of changes.
            view: the loop, which explains, replays, and takes orders.
            requests: answers what is repeated.
            page_bytes_max: a page ends early rather than grow beyond this.
        """
        self._journal = journal
        self._feed = feed
        self._view = view
        self._requests = requests
        self._teller = Teller(view)
        self._page_bytes_max = page_bytes_max

    async def ListDecisions(self, request: decision_pb2.ListDecisionsRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Return one page, newest first."""
        del call
        size, filters = checks.page_size(request.page_size), _filters(request)
        digest = tokens.filters_of(request)
        before = tokens.page_after(request.page_token, digest)
        # One more than asked tells whether there is a next page. In a thread: 500 decisions take some milliseconds to decode.
        records = await asyncio.to_thread(self._journal.page, size + 1, before, **filters)
        return self._page(records, size, digest)

    async def GetDecision(self, request: decision_pb2.GetDecisionRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Return one decision."""
        del call
        record = self._find(request.id)
        response = decision_pb2.GetDecisionResponse(decision=self._teller.decision(record))
        if request.evidence:
            evidence = self._journal.evidence(record.decision.decision_id)
            response.evidence.CopyFrom(decision_pb2.Evidence() if evidence is None else evidence_to_wire(evidence))
        return response

    async def WatchDecisions(  # noqa: N802 - named by the interface
        self, request: decision_pb2.WatchDecisionsRequest, call: Call
    ) -> AsyncGenerator[Answer]:
        """Send every change since the token, or from now on."""
        failure = checks.one_of(Failure, request.failure, "failure")
        after = await self._resumed(request.resume_after)
        self._feed.check_room()
        # Whoever has seen the initial metadata knows that nothing is missed from here on.
        await call.context.send_initial_metadata(((RESUME_METADATA, tokens.resume_token(after, "")),))
        async for change in self._missed(after):
            after = change.number
            if failure in {"", change.failure}:
                yield change.response
        with self._feed.watch(after) as watcher:
            while (change := await watcher.queue.get()) is not None:
                if failure in {"", change.failure}:
                    yield change.response
            if watcher.why:
                raise WatchError(watcher.why)

    async def ExplainDecision(self, request: decision_pb2.ExplainDecisionRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Say why a decision was made."""
        del call
        most = checks.signals_max(request.signals_max)
        return explanation_to_wire(await self._view.explain(self._whole(request.id), most))

    async def ReplayDecision(self, request: decision_pb2.ReplayDecisionRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Decide a recorded decision again."""
        del call
        return replay_to_wire(await self._view.replay(self._whole(request.id)))

    async def ApproveDecision(self, request: decision_pb2.ApproveDecisionRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Let a waiting repair run."""
        why = checks.why(request.why, required=False)

        def act() -> decision_pb2.ApproveDecisionResponse:
            record = self._view.approve(self._whole(request.id), why, call.by, validate_only=request.validate_only)
            return decision_pb2.ApproveDecisionResponse(decision=self._teller.decision(record))

        return self._requests.once(call, request, act)

    async def RejectDecision(self, request: decision_pb2.RejectDecisionRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Answer no to a waiting repair."""
        why = checks.why(request.why)

        def act() -> decision_pb2.RejectDecisionResponse:
            record = self._view.reject(self._whole(request.id), why, call.by, validate_only=request.validate_only)
            return decision_pb2.RejectDecisionResponse(decision=self._teller.decision(record))

        return self._requests.once(call, request, act)

    async def RateDecision(self, request: decision_pb2.RateDecisionRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Say whether a decision was right."""
        note = checks.why(request.note, required=False, field="note")

        def act() -> decision_pb2.RateDecisionResponse:
            found = self._whole(request.id)
            record = self._view.rate(found, request.good, note, call.by, validate_only=request.validate_only)
            return decision_pb2.RateDecisionResponse(decision=self._teller.decision(record))

        return self._requests.once(call, request, act)

    async def _resumed(self, token: str) -> int:
        """Return the number of the change after which a watch goes on."""
        point = tokens.resume_point(token)
        if point is None:
            return self._feed.newest
        if point.decision_id:
            known = await asyncio.to_thread(self._journal.get, point.decision_id) is not None
        else:
            known = point.change <= await asyncio.to_thread(self._journal.newest_change)
        if not known:
            msg = "resume_after: of another journal than this orderd's: list decisions, and watch without it"
            raise ValueError(msg)
        return point.change

    async def _missed(self, after: int) -> AsyncGenerator[Change]:
        """Yield what changed until the journal holds no more, and the feed has handed out no more, than was yielded."""
        while True:
            newest = self._feed.newest
            changes = await self._feed.read(after)
            for change in changes:
                yield change
            # What the feed had handed out but the journal no longer holds has become too old to be kept.
            after = changes[-1].number if changes else max(after, newest)
            if not changes and after >= self._feed.newest:
                return

    def _page(self, records: list[DecisionRecord], size: int, filters: str) -> decision_pb2.ListDecisionsResponse:
        response = decision_pb2.ListDecisionsResponse()
        room = self._page_bytes_max - _TOKEN_ROOM_BYTES
        for record in records[:size]:
            message = self._teller.decision(record)
            room -= message.ByteSize() + _FRAME_BYTES
            if room < 0 and response.decisions:
                break
            response.decisions.append(message)
        if len(response.decisions) < len(records):
            response.next_page_token = tokens.page_token(response.decisions[-1].id, filters)
        return response

    def _whole(self, words: str) -> str:
        return self._find(words).decision.decision_id

    def _find(self, words: str) -> DecisionRecord:
        """Return the one decision whose id is this, or begins or ends with it."""
        part = checks.any_id(words)
        record = self._journal.get(part)
        if record is not None:
            return record
        fitting = self._journal.find(part, _EXAMPLES + 1)
        if len(fitting) > 1:
            some = ", ".join(fitting[:_EXAMPLES]) + (", ..." if len(fitting) > _EXAMPLES else "")
            msg = f"id = {part!r}: several decisions fit, {some}: write more of the id"
            raise ValueError(msg)
        record = self._journal.get(fitting[0]) if fitting else None
        if record is None:
            msg = f"id = {part!r}: there is no such decision"
            raise LookupError(msg)
        return record
