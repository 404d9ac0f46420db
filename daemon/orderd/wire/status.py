"""The host's status and holds -> protobuf. Pure."""

import math
from collections.abc import Iterable

from orderd.domain.clock import Instant
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, Signal
from orderd.domain.status import HostStatus
from orderd.domain.values import Hold, ModelInfo
from orderd.v1 import host_pb2
from orderd.wire.scalars import entity_to_wire


def _present(signals: Iterable[Signal], values: Iterable[float]) -> dict[str, float]:
    return {signal.name: value for signal, value in zip(signals, values, strict=True) if not math.isnan(value)}


def hold_to_wire(hold: Hold, now: Instant) -> host_pb2.HoldStatus:
    """Return the message of a hold, with the seconds that are left of it."""
    return host_pb2.HoldStatus(
        entity=entity_to_wire(hold.entity),
        why=hold.why,
        by=hold.by,
        remaining_s=max(0.0, (hold.until - now.mono_ns) / 1e9),
    )


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
    )
