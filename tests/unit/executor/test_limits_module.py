"""The module that lets a squeezed service take again what it may, on folders that stand for control groups."""

import importlib
import json
import os
from pathlib import Path

import pytest

from repair_modules import importable, module

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="records have to be root's: run as root")
UNIT = "a.service"
GROUP = f"system.slice/{UNIT}"
FREE = {"cpu_cores": None, "memory_max_bytes": None, "memory_high_bytes": None}


@pytest.fixture(scope="module", autouse=True)
def _modules():
    with importable():
        yield


class Host:
    """Folders that stand for control groups and processes; a write into cgroup.procs moves a process, as the kernel does it."""

    def __init__(self, root, monkeypatch):
        self.limits = importlib.import_module("orderd_limits")
        self.cgroups, self.proc, self.known_good = root / "cgroup", root / "proc", root / "known-good"
        self.control_group = f"/{GROUP}"
        self.known_good.mkdir()
        monkeypatch.setattr(self.limits, "CGROUPS", str(self.cgroups))
        monkeypatch.setattr(self.limits, "PROC", str(self.proc))
        monkeypatch.setattr(self.limits, "units_of", self.units_of)
        monkeypatch.setattr(self.limits.Restoring, "_write", lambda restoring, _place, pairs: self.write(restoring, pairs))
        monkeypatch.setattr(self.limits.Restoring, "_show", lambda _, wanted: {"MainPID": "7"}.get(wanted, self.control_group))

    def units_of(self, pid):
        return [UNIT] if UNIT in (self.proc / str(pid) / "cgroup").read_text() else ["other.service"]

    def process(self, pid, text):
        (self.proc / str(pid)).mkdir(parents=True)
        (self.proc / str(pid) / "cgroup").write_text(text)

    def group(self, path, **files):
        folder = self.cgroups / path
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        return folder

    def write(self, restoring, pairs):
        for path, text in [] if restoring._module.check_mode else pairs:
            if path.endswith("cgroup.procs"):
                self.move(text, Path(path).parent)
            else:
                Path(path).write_text(text)

    def move(self, pid, target):
        cgroup = self.proc / pid / "cgroup"
        hierarchy, _, rest = str(target.relative_to(self.cgroups)).partition("/")
        lines = [
            f"{line.rpartition(':')[0]}:/{rest if hierarchy == 'cpu' else target.relative_to(self.cgroups)}"
            if (":cpu:" in line) == (hierarchy == "cpu") and "name=" not in line
            else line
            for line in cgroup.read_text().splitlines()
        ]
        for procs in self.cgroups.rglob("cgroup.procs"):
            procs.write_text("".join(f"{each}\n" for each in procs.read_text().split() if each != pid))
        with (target / "cgroup.procs").open("a") as stream:
            stream.write(f"{pid}\n")
        cgroup.write_text("\n".join(lines) + "\n")

    def record(self, **entry):
        (self.known_good / "limits.json").write_text(json.dumps({UNIT: FREE | {"nice": 0, "nices": [0]} | entry}))

    def restore(self, *, check_mode=False):
        return self.limits.Restoring(module(check_mode=check_mode, unit=UNIT, known_good=str(self.known_good))).restore()


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Return a host with the unified hierarchy, where the unit may take what it likes, as recorded."""
    host = Host(tmp_path, monkeypatch)
    host.group("", **{"cgroup.controllers": "cpu memory"})
    host.group(GROUP, **{"cpu.max": "max 100000", "memory.max": "max", "memory.high": "max", "cgroup.procs": "7\n8\n"})
    host.process(1, "0::/init.scope\n")
    for pid in (7, 8):
        host.process(pid, f"0::/{GROUP}\n")
    host.record(cpu_group=GROUP, memory_group=GROUP)
    return host


def test_a_unit_that_may_take_what_is_recorded_is_left_alone(host):
    """Nothing is written, nobody is moved."""
    assert host.restore() == []


def test_what_was_written_into_the_units_group_is_replaced_once(host):
    """CPU and memory, less and more than recorded; a dry run says so and does nothing."""
    host.record(cpu_group=GROUP, memory_group=GROUP, memory_high_bytes=1 << 20)
    folder = host.group(GROUP, **{"cpu.max": "1000 100000", "memory.max": "4096"})
    said = ["cpu_cores unlimited", "memory_max_bytes unlimited", "memory_high_bytes 1.04858e+06"]
    assert host.restore(check_mode=True) == said
    assert (folder / "cpu.max").read_text() == "1000 100000"
    assert host.restore() == said
    assert [(folder / name).read_text() for name in ("cpu.max", "memory.max", "memory.high")] == ["max", "max", "1048576"]
    assert host.restore() == []


def test_processes_leave_a_group_below_their_own(host):
    """The main process and the others of the unit; the controllers that the unit's group had handed on are taken back first."""
    inner = host.group(f"{GROUP}/batch", **{"cpu.max": "1000 100000", "cgroup.procs": "7\n8\n"})
    folder = host.group(GROUP, **{"cgroup.procs": "", "cgroup.subtree_control": "cpu memory"})
    for pid in (7, 8):
        (host.proc / str(pid) / "cgroup").write_text(f"0::/{GROUP}/batch\n")
    assert len(host.restore(check_mode=True)) == 2
    assert (inner / "cgroup.procs").read_text().split() == ["7", "8"]
    host.restore()
    assert (folder / "cgroup.procs").read_text().split() == ["7", "8"]
    assert (folder / "cgroup.subtree_control").read_text() == "-cpu -memory"
    assert host.restore() == []


@pytest.fixture
def contained(tmp_path, monkeypatch):
    """Return a host where systemd shares out nothing and its unit was put into a group, beside a process of another unit."""
    host = Host(tmp_path, monkeypatch)
    host.group("unified", **{"cgroup.controllers": ""})
    host.group("cpu", **{"cpu.cfs_quota_us": "200000", "cpu.cfs_period_us": "100000", "cgroup.procs": "1\n"})
    squeezed = {"cpu.cfs_quota_us": "2000", "cpu.cfs_period_us": "100000", "cgroup.procs": "0\n7\n9\n"}
    host.group("cpu/batch", **squeezed)
    host.group("memory")
    host.process(1, "2:cpu:/\n3:memory:/\n1:name=systemd:/init.scope\n")
    host.process(7, f"2:cpu:/batch\n3:memory:/\n1:name=systemd:/{GROUP}\n")
    host.process(9, "2:cpu:/batch\n3:memory:/\n1:name=systemd:/system.slice/other.service\n")
    host.record(cpu_group="", memory_group="")
    return host


def test_in_a_container_they_go_back_to_where_init_is(contained):
    """Only the unit's own; what the group allows to others in it is not this repair's business."""
    assert contained.restore() == [f"processes moved out of {contained.cgroups}/cpu/batch"]
    assert (contained.cgroups / "cpu" / "cgroup.procs").read_text().split() == ["1", "7"]
    assert (contained.cgroups / "cpu" / "batch" / "cgroup.procs").read_text().split() == ["0", "9"]
    assert (contained.cgroups / "cpu" / "batch" / "cpu.cfs_quota_us").read_text() == "2000"
    assert contained.restore() == []


def test_a_group_that_systemd_itself_made_for_the_unit_is_no_foreign_one(contained):
    """On legacy hierarchies a unit has a group only when it has limits: nobody is moved, the limit is lifted."""
    contained.control_group = "/batch"
    assert contained.restore() == ["cpu_cores unlimited"]
    assert (contained.cgroups / "cpu" / "batch" / "cpu.cfs_quota_us").read_text() == "-1"


def test_a_kernel_that_does_not_obey_is_a_failure(contained, monkeypatch):
    """What came of the writes is looked at, never assumed."""
    monkeypatch.setattr(contained.limits.Restoring, "_write", lambda *_: None)
    with pytest.raises(contained.limits.LimitsFailedError, match="do not leave"):
        contained.restore()


@pytest.mark.parametrize("broken", ["unknown unit", "writable"])
def test_limits_that_nobody_recorded_are_not_made_up(host, broken):
    """And those are refused that anybody could have written."""
    if broken == "writable":
        (host.known_good / "limits.json").chmod(0o666)
    else:
        (host.known_good / "limits.json").write_text("{}")
    with pytest.raises(host.limits.RecordRefusedError):
        host.restore()
