import msgspec
import pytest

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind, Failure
from orderd.domain.signals import HOST_SIGNALS
from orderd.domain.values import EntityRow, Sample, entity_values
from orderd.v1.telemetry_pb2 import PushRequest
from orderd.wire import samples_to_wire
from ordertrainer.dataset import Label, append_label
from ordertrainer.serve.store import Store

NGINX = Entity(kind=EntityKind.UNIT, key="nginx.service")
WORKER = Entity(kind=EntityKind.UNIT, key="worker.service")
DATA = Entity(kind=EntityKind.MOUNT, key="/srv/data")
SPINNER = Entity(kind=EntityKind.PROCESS, key="77:1234")

UP = {"unit_active_ratio": 1.0, "unit_transition_ratio": 0.0, "unit_main_stopped_ratio": 0.0, "probe_ok_ratio": 1.0}
HEALTHY = {
    NGINX: UP,
    WORKER: UP,
    DATA: {"mount_used_ratio": 0.3, "mount_read_only_ratio": 0.0, "mount_stuck_s": 0.0},
    SPINNER: {"process_cpu_user_cores": 0.0, "process_cpu_system_cores": 0.0, "process_memory_ratio": 0.01},
}


def sample(second, changes=None, without=()):
    """Return a sample of the small host at a second, healthy but for the changes."""
    values = {entity: HEALTHY[entity] | (changes or {}).get(entity, {}) for entity in HEALTHY if entity not in without}
    return Sample(
        at=Instant(mono_ns=int(second * 1e9), utc_ns=int(second * 1e9)),
        cause="timer",
        host=(0.1,) * len(HOST_SIGNALS),
        entities=tuple(EntityRow(entity=entity, values=entity_values(**row)) for entity, row in values.items()),
    )


def run_of(fault="service_kill", failure=Failure.SERVICE_DOWN, entity=str(NGINX), **changes):
    """Return a run: steady from 10 s, armed at 20, landed at 21, reverted at 30, clean at 35."""
    label = Label(
        run_id="run-1",
        host_id="host-a",
        fault=fault,
        failure=failure,
        entity=entity,
        target="nginx.service",
        intensity=0.5,
        decoy=False,
        began_mono_ns=10 * 10**9,
        armed_mono_ns=20 * 10**9,
        landed_mono_ns=21 * 10**9,
        ended_mono_ns=30 * 10**9,
        clean_mono_ns=35 * 10**9,
        seed=1,
        split="train",
    )

    return msgspec.structs.replace(label, **changes)


@pytest.fixture
def host():
    """The names of the small host's entities, and its samples and runs."""
    return Host()


class Host:
    """A small host with two units, a mount and a process."""

    nginx, worker, data, spinner = NGINX, WORKER, DATA, SPINNER
    sample = staticmethod(sample)
    run = staticmethod(run_of)


@pytest.fixture
def data(tmp_path):
    """Write samples (and labels) as a trainer would have; returns the directory."""

    def make(samples, labels=(), host_id="host-a", boots=None):
        store = Store(tmp_path)
        for n, (boot_id, taken) in enumerate(boots or [("boot1", samples)], start=1):
            store.append([PushRequest(host_id=host_id, boot_id=boot_id, sequence=n, samples=samples_to_wire(list(taken)))])
        store.close()
        for label in labels:
            append_label(tmp_path, label)
        return tmp_path

    return make
