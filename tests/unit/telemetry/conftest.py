import random
import socket

import pytest

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind, Failure
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from orderd.domain.values import (
    Action,
    Decision,
    DecisionRecord,
    Diagnosis,
    EntityRow,
    IncidentState,
    Reason,
    Sample,
    Source,
    Step,
    entity_values,
)

NGINX = Entity(kind=EntityKind.UNIT, key="nginx.service")


@pytest.fixture
def free_port():
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def make_samples():
    """Samples one second apart, of one unit."""

    def make(count):
        row = EntityRow(entity=NGINX, values=entity_values(unit_active_ratio=1.0, probe_ok_ratio=1.0))
        return [
            Sample(
                at=Instant(mono_ns=(i + 1) * 10**9, utc_ns=(i + 1) * 10**9),
                cause="timer",
                host=(0.25,) * len(HOST_SIGNALS),
                entities=(row,),
            )
            for i in range(count)
        ]

    return make


@pytest.fixture
def noisy_samples(make_samples):
    """Samples that no compressor makes smaller."""

    def make(count):
        generator = random.Random(1)
        for sample in make_samples(count):
            values = tuple(generator.random() for _ in ENTITY_SIGNALS)
            host = tuple(generator.random() for _ in HOST_SIGNALS)
            yield Sample(at=sample.at, cause="timer", host=host, entities=(EntityRow(entity=NGINX, values=values),) * 1)

    return make


@pytest.fixture
def make_record():
    """A decision that repaired nginx."""

    def make(decision_id):
        at = Instant(mono_ns=5 * 10**9, utc_ns=5 * 10**9)
        decision = Decision(
            decision_id=decision_id,
            incident_id="i1",
            at=at,
            detected_at=at,
            diagnosis=Diagnosis(failure=Failure.SERVICE_DOWN, entity=NGINX, probability=1.0, source=Source.RULES),
            other_diagnosis=None,
            action=Action.REPAIR,
            repair="restart_service",
            reason=Reason.ALLOWED,
            detail="",
            candidates=(),
            model_version="",
            provider="",
        )
        step = Step(decision_id=decision_id, at=at, state=IncidentState.REPAIRING, what="started")
        return DecisionRecord(decision=decision, steps=(step,))

    return make
