import pytest

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.domain.signals import HOST_SIGNALS
from orderd.domain.values import EntityRow, Sample, entity_values
from orderd.v1.telemetry_pb2 import PushRequest
from orderd.wire import samples_to_wire

NGINX = Entity(kind=EntityKind.UNIT, key="nginx.service")
ROOT = Entity(kind=EntityKind.MOUNT, key="/")


def sample_at(second):
    """Return a sample whose values say when it was taken."""
    rows = (
        EntityRow(entity=NGINX, values=entity_values(unit_active_ratio=1.0, unit_active_s=float(second))),
        EntityRow(entity=ROOT, values=entity_values(mount_used_ratio=second / 1000)),
    )
    host = (second / 100,) * len(HOST_SIGNALS)
    return Sample(at=Instant(mono_ns=second * 10**9, utc_ns=second * 10**9 + 7), cause="timer", host=host, entities=rows)


@pytest.fixture
def batch():
    """A PushRequest of two samples; the sequence says which."""

    def make(sequence, host_id="host-a", boot_id="boot1"):
        samples = [sample_at(2 * sequence), sample_at(2 * sequence + 1)]
        return PushRequest(host_id=host_id, boot_id=boot_id, sequence=sequence, samples=samples_to_wire(samples))

    return make
