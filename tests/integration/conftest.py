"""A gRPC server over a real socket and a real journal, with a host that is only imagined."""

import pytest

from orderd.config.schema import RpcConfig
from orderd.domain.faults import Entity, Failure
from orderd.domain.signals import HOST_SIGNALS
from orderd.domain.status import HostStatus
from orderd.domain.values import NAN, Diagnosis, EntityRow, Hold, Mode, ModelInfo, Sample, Source, entity_values
from orderd.record import DecisionHub, Journal

NGINX = Entity.parse("unit:nginx.service")
HOLD_MAX_S = 3600.0


class ImaginedHost:
    """A view of a host with one broken unit."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.held = {}
        self.fails = None

    def status(self) -> HostStatus:
        """Return the host."""
        if self.fails:
            raise self.fails
        now = self.clock.now()
        rows = (
            EntityRow(entity=Entity.parse("mount:/"), values=entity_values(mount_used_ratio=0.42)),
            EntityRow(entity=NGINX, values=entity_values(unit_active_ratio=0.0, unit_failed_ratio=1.0)),
        )
        return HostStatus(
            at=now,
            version="0.1",
            host_id="h",
            hostname="web-3",
            mode=Mode.AUTO,
            uptime_s=4000.0,
            model=ModelInfo(loaded=True, version="1", sha256="ab" * 32, provider="CPUExecutionProvider"),
            newest=Sample(at=now, cause="timer", host=(0.5,) + (NAN,) * (len(HOST_SIGNALS) - 1), entities=rows),
            diagnoses=(Diagnosis(failure=Failure.SERVICE_DOWN, entity=NGINX, probability=1.0, source=Source.RULES),),
            holds=self.holds(),
            degraded=("trainer unreachable",),
            repairs=("start",),
            open_incidents=1,
        )

    def hold(self, entity, duration_s, why, by) -> Hold:
        """Place a hold."""
        if entity != NGINX:
            raise LookupError(f"{entity} is not watched")
        if duration_s > HOLD_MAX_S:
            raise ValueError(f"duration_s = {duration_s:g}: at most {HOLD_MAX_S:g} (decision.hold_max_s)")
        now = self.clock.now()
        self.held[entity] = Hold(entity=entity, why=why, by=by, at=now, until=now.mono_ns + int(duration_s * 1e9))
        return self.held[entity]

    def release(self, entity) -> bool:
        """End a hold."""
        return self.held.pop(entity, None) is not None

    def holds(self):
        """Return all holds."""
        return tuple(self.held.values())


@pytest.fixture
def imagined_host(manual_clock):
    """Return a view of a host."""
    return ImaginedHost(manual_clock)


@pytest.fixture
def rpc_journal(tmp_path):
    """Return an open journal."""
    journal = Journal.open(tmp_path / "journal.sqlite")
    yield journal
    journal.close()


@pytest.fixture
def rpc_config(tmp_path):
    """Return bounds and a socket."""
    return RpcConfig(socket=str(tmp_path / "o.sock"), watchers_max=3)


@pytest.fixture
def hub(rpc_config):
    """Return a hub with the configured bound."""
    return DecisionHub(rpc_config.watchers_max)
