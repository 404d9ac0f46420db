"""HostService: the host as orderd sees it, and what people tell it. Asks the loop's view."""

from orderd.domain.faults import Failure
from orderd.rpc import checks, tokens
from orderd.rpc.handlers import Answer, Call
from orderd.rpc.requests import Requests
from orderd.rpc.view import HostView
from orderd.v1 import host_pb2
from orderd.wire import entity_from_wire, hold_to_wire, pause_to_wire, score_to_wire, status_to_wire, ticket_to_wire
from orderd.wire.scalars import member


class HostServicer:
    """Status, holds, pause, repairs by hand, tickets, the scorecard, denials."""

    def __init__(self, view: HostView, requests: Requests) -> None:
        """Serve what the loop sees.

        Args:
            view: the loop.
            requests: answers what is repeated.
        """
        self._view = view
        self._requests = requests

    async def GetStatus(self, request: host_pb2.GetStatusRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Return the host as of now."""
        del request, call
        return status_to_wire(self._view.status())

    async def Hold(self, request: host_pb2.HoldRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Announce that an entity is changed on purpose."""
        entity = entity_from_wire(request.entity)
        duration_s, why = checks.duration(request.duration_s), checks.why(request.why)

        def act() -> host_pb2.HoldResponse:
            hold = self._view.hold(entity, duration_s, why, call.by, validate_only=request.validate_only)
            return host_pb2.HoldResponse(hold=hold_to_wire(hold, hold.at))

        return self._requests.once(call, request, act)

    async def ReleaseHold(self, request: host_pb2.ReleaseHoldRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """End a hold early."""
        entity = entity_from_wire(request.entity)

        def act() -> host_pb2.ReleaseHoldResponse:
            if not self._view.release(entity, call.by, validate_only=request.validate_only):
                msg = f"entity: there is no hold on {entity}"
                raise LookupError(msg)
            return host_pb2.ReleaseHoldResponse()

        return self._requests.once(call, request, act)

    async def Pause(self, request: host_pb2.PauseRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Stop all repairs on this host."""
        duration_s, why = checks.duration(request.duration_s, zero=True), checks.why(request.why)

        def act() -> host_pb2.PauseResponse:
            pause = self._view.pause(why, call.by, duration_s, validate_only=request.validate_only)
            return host_pb2.PauseResponse(pause=pause_to_wire(pause, pause.at))

        return self._requests.once(call, request, act)

    async def Resume(self, request: host_pb2.ResumeRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """End a pause."""

        def act() -> host_pb2.ResumeResponse:
            if not self._view.resume(call.by, validate_only=request.validate_only):
                msg = "this host is not paused"
                raise LookupError(msg)
            return host_pb2.ResumeResponse()

        return self._requests.once(call, request, act)

    async def RunRepair(self, request: host_pb2.RunRepairRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Run a catalogued repair by hand."""
        repair, entity, why = checks.repair_name(request.repair), entity_from_wire(request.entity), checks.why(request.why)

        def act() -> host_pb2.RunRepairResponse:
            decision_id = self._view.run_repair(repair, entity, why, call.by, validate_only=request.validate_only)
            return host_pb2.RunRepairResponse(decision_id=decision_id)

        return self._requests.once(call, request, act)

    async def ListTickets(self, request: host_pb2.ListTicketsRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Return one page of tickets, newest first."""
        del call
        size, filters = checks.page_size(request.page_size), tokens.filters_of(request)
        before = tokens.page_after(request.page_token, filters)
        wanted = (t for t in self._view.tickets() if request.closed or t.closed is None)
        tickets = [t for t in wanted if not before or t.ticket_id < before]
        response = host_pb2.ListTicketsResponse(tickets=[ticket_to_wire(t) for t in tickets[:size]])
        if len(tickets) > size:
            response.next_page_token = tokens.page_token(tickets[size - 1].ticket_id, filters)
        return response

    async def CloseTicket(self, request: host_pb2.CloseTicketRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Say that the cause of a ticket was found."""
        ticket_id, why = checks.any_id(request.id), checks.why(request.why)

        def act() -> host_pb2.CloseTicketResponse:
            ticket = self._view.close_ticket(ticket_id, why, call.by, validate_only=request.validate_only)
            return host_pb2.CloseTicketResponse(ticket=ticket_to_wire(ticket))

        return self._requests.once(call, request, act)

    async def GetScorecard(self, request: host_pb2.GetScorecardRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Return how often each playbook was right."""
        del request, call
        return host_pb2.GetScorecardResponse(scores=[score_to_wire(score, mode) for score, mode in self._view.scorecard()])

    async def SetAuthority(self, request: host_pb2.SetAuthorityRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Overrule the scorecard, or give it back its word."""
        failure = member(Failure, request.failure, "failure")
        repair, why = checks.repair_name(request.repair), checks.why(request.why)
        authority = checks.granted(request.authority)

        def act() -> host_pb2.SetAuthorityResponse:
            score, mode = self._view.set_authority(failure, repair, authority, why, call.by, validate_only=request.validate_only)
            return host_pb2.SetAuthorityResponse(score=score_to_wire(score, mode))

        return self._requests.once(call, request, act)

    async def LiftDenial(self, request: host_pb2.LiftDenialRequest, call: Call) -> Answer:  # noqa: N802 - named by the interface
        """Let a repair be used on a target again."""
        repair, entity, why = checks.repair_name(request.repair), entity_from_wire(request.entity), checks.why(request.why)

        def act() -> host_pb2.LiftDenialResponse:
            self._view.lift_denial(repair, entity, why, call.by, validate_only=request.validate_only)
            return host_pb2.LiftDenialResponse()

        return self._requests.once(call, request, act)
