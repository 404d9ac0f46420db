"""HostService: the host as orderd sees it, and holds. Asks the loop's view; reads the peer's name."""

import math
from typing import Any, Final

import grpc

from orderd.rpc.errors import answered
from orderd.rpc.peers import describe
from orderd.rpc.view import HostView
from orderd.v1 import host_pb2, host_pb2_grpc
from orderd.wire import entity_from_wire, hold_to_wire, status_to_wire

WHY_MAX: Final = 500
"""Characters of a reason; bounds what a hold keeps in memory."""


def _duration(duration_s: float) -> float:
    if not (math.isfinite(duration_s) and duration_s > 0):
        msg = f"duration_s = {duration_s:g}: must be positive"
        raise ValueError(msg)
    return duration_s


def _why(why: str) -> str:
    text = " ".join(why.split())
    if not 0 < len(text) <= WHY_MAX:
        msg = f"why: must be 1 to {WHY_MAX} characters, so that others can tell what is going on"
        raise ValueError(msg)
    return text


class HostServicer(host_pb2_grpc.HostServiceServicer):
    """Status and holds."""

    def __init__(self, view: HostView) -> None:
        """Serve what the loop sees."""
        self._view = view

    async def GetStatus(  # noqa: N802 - named by the interface
        self, request: host_pb2.GetStatusRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> host_pb2.GetStatusResponse:
        """Return the host as of now."""
        del request
        async with answered(context):
            return status_to_wire(self._view.status())
        raise AssertionError  # pragma: no cover - answered() has aborted the call

    async def Hold(  # noqa: N802 - named by the interface
        self, request: host_pb2.HoldRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> host_pb2.HoldResponse:
        """Announce that an entity is changed on purpose."""
        async with answered(context):
            entity = entity_from_wire(request.entity)
            duration_s, why = _duration(request.duration_s), _why(request.why)
            hold = self._view.hold(entity, duration_s, why, await describe(context.peer()))
            return host_pb2.HoldResponse(hold=hold_to_wire(hold, hold.at))
        raise AssertionError  # pragma: no cover - answered() has aborted the call

    async def ReleaseHold(  # noqa: N802 - named by the interface
        self, request: host_pb2.ReleaseHoldRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> host_pb2.ReleaseHoldResponse:
        """End a hold early."""
        async with answered(context):
            entity = entity_from_wire(request.entity)
            if not self._view.release(entity):
                msg = f"entity: there is no hold on {entity}"
                raise LookupError(msg)
            return host_pb2.ReleaseHoldResponse()
        raise AssertionError  # pragma: no cover - answered() has aborted the call
