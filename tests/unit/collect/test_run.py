import random
import threading
import time
from types import SimpleNamespace

import pytest

from orderd.domain.faults import Failure
from ordertrainer.chaos import Injected, InjectionError, Landing, draw, load_faults
from ordertrainer.collect import run, station
from ordertrainer.collect.errors import Discarded, HostLost, Interrupted
from ordertrainer.collect.plan import Task
from ordertrainer.drill.battery import FAULTS_DIR
from ordertrainer.drill.series import Series


class FakeHost:
    """A host whose probes and injector are played by the test; the same moments a real prober would report."""

    def __init__(self):
        self.broken_since = None
        self.lands, self.heals, self.witnessed = True, True, False
        self.done = []
        self.lost = False

    # what a prober offers
    def check(self):
        """Do nothing."""

    def expect(self, process):
        """Remember."""
        self.done.append(f"expect {process}")

    def forget(self, process):
        """Remember."""
        self.done.append(f"forget {process}")

    def forget_before(self, mono_ns):
        """Do nothing."""

    def all_held(self, checks, after_ns, hold_s):
        """Tell whether the host is whole."""
        return self.broken_since is None or not self.lands

    # what a symptom offers
    def landed(self, prober, after_ns):
        """Say since when the prober has seen it."""
        return self.broken_since if self.lands else None

    def healthy(self, prober, after_ns, hold_s):
        """Say since when it has been gone."""
        return None if self.broken_since else after_ns

    def series(self, check):
        """Return nothing seen."""
        return Series()

    # what an injector offers
    def inject(self, experiment):
        """Break it."""
        self.done.append("inject")
        self.broken_since = time.monotonic_ns()
        return Injected(experiment=experiment, entity="process:7:70", armed_ns=self.broken_since)

    def landing(self, experiment):
        """Say what the witness saw."""
        return Landing(seen=self.witnessed, monotonic_ns=time.monotonic_ns())

    def revert(self, experiment):
        """Mend it."""
        self.done.append("revert")
        if self.heals:
            self.broken_since = None


@pytest.fixture
def fake(monkeypatch):
    """A fake host, with every patience short."""
    monkeypatch.setattr(station, "STEADY_TIMEOUT_S", 0.3)
    monkeypatch.setattr(station, "LAND_MARGIN_S", -4.8)
    monkeypatch.setattr(station, "TELEMETRY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(station, "POLL_S", 0.005)
    host = FakeHost()
    monkeypatch.setattr(run, "symptom_for", lambda _task: host)
    return host


@pytest.fixture
def carry_out(fake):
    """Carry out a fault on the fake host; returns the label."""
    catalogue = load_faults(FAULTS_DIR).faults

    def go(fault="service_kill", stop=None, symptoms_s=0.05):
        contract = catalogue[fault] if fault else None
        task = Task(
            contract=contract,
            experiment=draw(random.Random(1), contract) if contract else None,
            calm_s=0.02,
            symptoms_s=symptoms_s,
        )
        bench = station.Station(
            host=SimpleNamespace(name="drill-x"),
            host_id="host-a",
            prober=fake,
            injector=fake,
            newest_ns=lambda: 0 if fake.lost else time.monotonic_ns(),
            stop=stop or threading.Event(),
        )
        return run.carry_out(bench, task, run_id="r1", split="train")

    return go


def test_a_complete_run_is_labelled_with_its_phases_in_order(carry_out, fake):
    """Steady, armed, landed, reverted, clean: each moment is there, and the label names what failed."""
    label = carry_out()
    assert fake.done == ["inject", "revert"]
    assert (label.failure, label.fault) == (Failure.SERVICE_DOWN, "service_kill")
    assert label.entity == f"unit:{label.target}"
    assert label.began_mono_ns < label.armed_mono_ns <= label.landed_mono_ns < label.ended_mono_ns < label.clean_mono_ns


def test_a_fault_that_nobody_saw_land_is_not_labelled(carry_out, fake):
    """Neither prober nor witness saw it: the run is discarded, and the host is put right all the same."""
    fake.lands = False
    with pytest.raises(Discarded, match="did not land"):
        carry_out()
    assert fake.done == ["inject", "revert"]


def test_a_host_that_does_not_recover_discards_the_run(carry_out, fake):
    """Without a steady state at the end nobody knows what the samples show."""
    fake.heals = False
    with pytest.raises(Discarded, match="not steady"):
        carry_out()


def test_an_injection_that_fails_discards_the_run(carry_out, fake, monkeypatch):
    """What could not be injected is no run."""

    def refuse(_experiment):
        raise InjectionError("nope")

    monkeypatch.setattr(fake, "inject", refuse)
    with pytest.raises(Discarded, match="nope"):
        carry_out()


def test_a_run_without_telemetry_is_no_run(carry_out, fake):
    """A label for samples that never arrived is worth nothing: the host is given up."""
    fake.lost = True
    with pytest.raises(HostLost, match="no sample arrived"):
        carry_out()


def test_stopping_ends_a_run_at_once_and_writes_nothing(carry_out, fake):
    """After Ctrl-C no phase goes on; the fault goes away with its host."""
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        carry_out("service_kill", stop, symptoms_s=60.0)
    assert time.monotonic() - began < 5.0
    assert "revert" not in fake.done


def test_only_processes_are_named_by_the_injector(carry_out, fake):
    """A disk that a process fills is labelled as the mount; a process that spins, as the process the injector started."""
    assert carry_out("disk_fill").entity == "mount:/srv/data"
    assert carry_out("cpu_runaway").entity == "process:7:70"


def test_quiet_stretches_and_decoys_are_ok(carry_out, fake):
    """Nothing failed: the label says ok and names no entity."""
    quiet = carry_out("")
    assert (quiet.fault, quiet.failure, quiet.entity, quiet.intensity) == ("", Failure.OK, "", None)
    decoy = carry_out("planned_restart")
    assert (decoy.failure, decoy.entity, decoy.decoy) == (Failure.OK, "", True)
