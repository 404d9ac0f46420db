"""A decision as it is told to those who ask: the record, what people thought of it, and how long they have to answer. Pure."""

from orderd.domain.values import DecisionRecord, IncidentState
from orderd.rpc.view import HostView
from orderd.v1 import decision_pb2
from orderd.wire import decision_to_wire
from orderd.wire.standing import remaining_s


class Teller:
    """Turns records into messages."""

    def __init__(self, view: HostView) -> None:
        """Ask a view for what records do not hold."""
        self._view = view

    def decision(self, record: DecisionRecord) -> decision_pb2.Decision:
        """Return the message of one record."""
        rated = any(step.what == "rated" for step in record.steps)
        ratings = self._view.ratings(record.decision.decision_id) if rated else ()
        bundle = self._view.bundle(record.decision.incident_id)
        return decision_to_wire(record, ratings, self._remaining_s(record), bundle=bundle)

    def _remaining_s(self, record: DecisionRecord) -> float | None:
        if record.state is not IncidentState.WAITING:
            return None
        status = self._view.status()
        waiting = (a for a in status.approvals if a.decision_id == record.decision.decision_id)
        return next((remaining_s(approval.until, status.at) for approval in waiting), None)
