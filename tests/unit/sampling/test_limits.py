import json
import math

import pytest

from orderd.domain.faults import Entity
from orderd.sampling.allowance import Allowances
from orderd.sampling.cgroups import Cgroups
from orderd.sampling.known_good import Limits, limits
from orderd.sampling.limits import LimitsCollector
from orderd.sampling.proc import ProcessTable, Stat

UNIT = "a.service"
ENTITY = Entity.parse(f"unit:{UNIT}")
GROUP = "/system.slice/a.service"
ENTRY = {"cpu_cores": None, "memory_max_bytes": None, "memory_high_bytes": None, "nice": 0, "nices": [0, 5]}


class FakeCgroups:
    def pids(self, group):
        return [7, 8] if group == GROUP else []


class Host:
    """A unit of two processes, its control group, and the record."""

    def __init__(self, root):
        self.record = root / "known-good" / "limits.json"
        self.group = root / "cgroup" / GROUP.lstrip("/")
        self.nices = {7: 0, 8: 0}
        self.said = {"MainPID": 7, "ControlGroup": GROUP}
        for path in (self.group, self.record.parent, root / "proc" / "1", root / "proc" / "7"):
            path.mkdir(parents=True)
        (root / "cgroup" / "cgroup.controllers").write_text("cpu")
        (self.group / "cpu.max").write_text("max 100000")
        (root / "proc" / "1" / "cgroup").write_text("0::/init.scope\n")
        (root / "proc" / "7" / "cgroup").write_text(f"0::{GROUP}\n")
        self.collector = LimitsCollector(
            units=[UNIT],
            properties=lambda unit: self.said,
            cgroups=FakeCgroups(),
            stat=self.stat,
            limits=Limits(self.record.parent, Allowances(root / "cgroup", root / "proc")),
        )

    def stat(self, pid):
        if pid not in self.nices:
            return None
        return Stat(state="S", kernel=False, utime=0, stime=0, threads=1, start=1, rss=1, nice=self.nices[pid])


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


@pytest.fixture
def row(host, manual_clock):
    """Return a function that collects and gives the unit's two signals, missing ones as nan."""

    async def collect():
        manual_clock.advance(3)
        found = (await host.collector.collect(manual_clock.now())).entities[ENTITY]
        return found.get("unit_limits_changed_ratio", math.nan), found.get("unit_priority_changed_ratio", math.nan)

    return collect


async def test_without_a_record_nothing_is_told(host, row):
    """No record is not the same as nothing changed."""
    assert all(map(math.isnan, await row()))
    host.record.write_text(json.dumps({"other.service": ENTRY}))
    assert all(map(math.isnan, await row()))


async def test_limits_that_differ_are_seen_in_either_direction(host, row):
    """Less than recorded, more than recorded; a record that is made anew counts from the next look."""
    host.record.write_text(json.dumps({UNIT: ENTRY}))
    assert (await row())[0] == 0
    (host.group / "cpu.max").write_text("5000 100000")
    assert (await row())[0] == 1
    host.record.write_text(json.dumps({UNIT: ENTRY | {"cpu_cores": 0.05}}))
    assert (await row())[0] == 0
    (host.group / "cpu.max").write_text("max 100000")
    assert (await row())[0] == 1


async def test_the_share_of_processes_that_are_nicer_than_any_recorded(host, row):
    """The record knows the unit's own nice values; one below them is no change, and who has ended does not count."""
    host.record.write_text(json.dumps({UNIT: ENTRY}))
    assert (await row())[1] == 0
    host.nices = {7: 5, 8: 19}
    assert (await row())[1] == 0.5
    host.nices = {7: 19}
    assert (await row())[1] == 1


async def test_a_unit_that_does_not_run_has_no_limits(host, row):
    """And one whose processes are all in a group below its own is known by its main process."""
    host.record.write_text(json.dumps({UNIT: ENTRY}))
    host.said = {"MainPID": 7, "ControlGroup": "/elsewhere"}
    host.nices = {7: 12}
    assert await row() == (0, 1)
    host.said = {"MainPID": 0, "ControlGroup": ""}
    assert all(map(math.isnan, await row()))
    host.said = None
    assert all(map(math.isnan, await row()))


def test_what_is_measured_is_what_is_compared(host, tmp_path, monkeypatch):
    """An entry of the record holds what the collector reads, so that an untouched unit is unchanged."""
    (host.group / "cpu.max").write_text("25000 100000")
    (host.group / "cgroup.procs").write_text("7\n")
    said = {"MainPID": "7\n", "ControlGroup": f"{GROUP}\n"}
    fields = b"7 (a) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 -5 1 0 1 1 1 1 1 1 1 0 0 0\n"
    (tmp_path / "proc" / "7" / "stat").write_bytes(fields)
    monkeypatch.setattr(limits, "show", lambda unit, wanted: said[wanted])
    monkeypatch.setattr(limits, "Cgroups", lambda: Cgroups(tmp_path / "cgroup", tmp_path / "proc"))
    monkeypatch.setattr(limits, "ProcessTable", lambda: ProcessTable(str(tmp_path / "proc")))
    monkeypatch.setattr(limits, "Allowances", lambda: Allowances(tmp_path / "cgroup", tmp_path / "proc"))
    measured = limits._measure(UNIT)
    assert measured == {
        "cpu_cores": 0.25,
        "memory_max_bytes": None,
        "memory_high_bytes": None,
        "cpu_group": "system.slice/a.service",
        "memory_group": "system.slice/a.service",
        "nice": -5,
        "nices": [-5],
    }
    host.record.write_text(json.dumps({UNIT: measured}))
    comparer = Limits(host.record.parent, Allowances(tmp_path / "cgroup", tmp_path / "proc"))
    comparer.look()
    assert (comparer.changed(UNIT, 7), comparer.nicer(UNIT, [-5])) == (0, 0)
