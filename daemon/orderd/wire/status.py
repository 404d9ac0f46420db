"""The host's status -> protobuf. Pure."""

import math
from collections.abc import Iterable

from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, Signal
from orderd.domain.status import HostStatus
from orderd.domain.values import ModelInfo
from orderd.v1 import host_pb2
from orderd.wire.scalars import entity_to_wire
from orderd.wire.standing import approval_to_wire, denial_to_wire, hold_to_wire, pause_to_wire


def _present(signals: Iterable[Signal], values: Iterable[float]) -> dict[str, float]:
    return {signal.name: value for signal, value in zip(signals, values, strict=True) if not math.isnan(value)}


def _model_to_wire(model: ModelInfo) -> host_pb2.ModelStatus:
    return host_pb2.ModelStatus(
        loaded=model.loaded, why=model.why, version=model.version, sha256=model.sha256, provider=model.provider
    )


def _entities_to_wire(status: HostStatus) -> list[host_pb2.EntityStatus]:
    if status.newest is None:
        return []
    failures = {diagnosis.entity: diagnosis.failure for diagnosis in status.diagnoses}
    return [
        host_pb2.EntityStatus(
            entity=entity_to_wire(row.entity),
            failure=failures.get(row.entity, ""),
            signals=_present(ENTITY_SIGNALS, row.values),
        )
        for row in status.newest.entities
    ]


def status_to_wire(status: HostStatus) -> host_pb2.GetStatusResponse:
    """Return the answer to GetStatus; signals that are missing are left out, never zero."""
    return host_pb2.GetStatusResponse(
        version=status.version,
        host_id=status.host_id,
        hostname=status.hostname,
        mode=status.mode,
        uptime_s=status.uptime_s,
        model=_model_to_wire(status.model),
        entities=_entities_to_wire(status),
        signals={} if status.newest is None else _present(HOST_SIGNALS, status.newest.host),
        holds=[hold_to_wire(hold, status.at) for hold in status.holds],
        degraded=status.degraded,
        repairs=status.repairs,
        samples=status.samples,
        open_incidents=status.open_incidents,
        telemetry_sent=status.telemetry_sent,
        telemetry_waiting=status.telemetry_waiting,
        pause=None if status.pause is None else pause_to_wire(status.pause, status.at),
        denials=[denial_to_wire(denial) for denial in status.denials],
        approvals=[approval_to_wire(approval, status.at) for approval in status.approvals],
        open_tickets=status.open_tickets,
        reasons=status.reasons,
        changes=status.changes,
        budget=status.budget,
        identity=status.identity,
        identity_remaining_s=status.identity_remaining_s,
    )
