"""Small recorded hosts: in memory, and as a data directory."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind, Failure
from orderd.domain.signals import HOST_SIGNALS
from orderd.domain.values import EntityRow, Sample, entity_values
from orderd.v1.telemetry_pb2 import PushRequest
from orderd.wire import samples_to_wire
from ordertrainer.chaos.catalogue import load_faults
from ordertrainer.dataset import Label, append_label
from ordertrainer.serve.store import Store
from ordertrainer.sim.catalogue import PLAYBOOKS

NGINX = Entity(kind=EntityKind.UNIT, key="nginx.service")
WORKER = Entity(kind=EntityKind.UNIT, key="worker.service")
DATA = Entity(kind=EntityKind.MOUNT, key="/srv/data")
CALM_S, BROKEN_S = 8, 8
DOWN = {"unit_active_ratio": 0.0, "unit_active_s": np.nan, "unit_main_stopped_ratio": np.nan, "probe_ok_ratio": 0.0}


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture(scope="session")
def contracts():
    """Return the faults of this tree."""
    return load_faults(PLAYBOOKS / "faults").faults


@dataclass
class Recorder:
    """Writes runs one after another, as a collection would have."""

    root: object
    seed: int = 0
    second: int = 10
    latency_s: float = 0.01
    onset_s: float = 2.0
    samples: dict = field(default_factory=dict)
    labels: list = field(default_factory=list)

    def run(self, fault="service_stop", failure=Failure.SERVICE_DOWN, split="train", host="host-a", entity=NGINX):
        """Add a run: calm, then the fault on nginx for some seconds; a quiet stretch without a fault."""
        began, armed = self.second, self.second + CALM_S
        ended = armed + (BROKEN_S if fault else 0)
        rng = np.random.default_rng((self.seed, began))
        shows_s = armed + self.onset_s if fault else np.inf
        taken = [self._sample(rng, second, broken=second >= shows_s) for second in range(began, ended)]
        self.samples.setdefault(host, []).extend(taken)
        self.labels.append(
            Label(
                run_id=f"run-{len(self.labels)}",
                host_id=host,
                fault=fault,
                failure=failure if fault else Failure.OK,
                entity=str(entity) if fault else "",
                target="nginx.service",
                intensity=0.5 if fault else None,
                decoy=False,
                began_mono_ns=began * 10**9,
                armed_mono_ns=armed * 10**9,
                landed_mono_ns=armed * 10**9,
                ended_mono_ns=ended * 10**9,
                clean_mono_ns=(ended + 1) * 10**9,
                seed=1,
                split=split,
            )
        )
        self.second = ended + 2
        return self

    def _sample(self, rng, second, *, broken):
        up = {"unit_active_ratio": 1.0, "unit_transition_ratio": 0.0, "unit_main_stopped_ratio": 0.0, "probe_ok_ratio": 1.0}
        up |= {"unit_active_s": 100.0 + second, "probe_latency_s": self.latency_s * float(rng.uniform(0.8, 1.2))}
        rows = {
            NGINX: up | (DOWN if broken else {}),
            WORKER: dict(up),
            DATA: {"mount_used_ratio": 0.3 + 0.01 * float(rng.uniform()), "mount_read_only_ratio": 0.0, "mount_stuck_s": 0.0},
        }
        return Sample(
            at=Instant(mono_ns=int(second * 1e9), utc_ns=int(second * 1e9)),
            cause="timer",
            host=tuple(rng.uniform(0.0, 0.2, len(HOST_SIGNALS)).tolist()),
            entities=tuple(EntityRow(entity=entity, values=entity_values(**row)) for entity, row in rows.items()),
        )

    def write(self):
        """Write everything; return the data directory."""
        store = Store(self.root)
        for number, (host, samples) in enumerate(self.samples.items(), start=1):
            wire = samples_to_wire(samples)
            store.append([PushRequest(host_id=host, boot_id="boot1", sequence=number, samples=wire)])
        store.close()
        for label in self.labels:
            append_label(self.root, label)
        return self.root


@pytest.fixture
def recorder(tmp_path):
    """Return a recorder of a new data directory."""
    return Recorder(tmp_path / "data")
