import math
from pathlib import Path

import pytest

from orderd.sampling.allowance import Allowance, Allowances, Place

NOTHING = Allowance(cpu_cores=math.inf, memory_max_bytes=math.inf, memory_high_bytes=math.inf)
UNIFIED = "0::/system.slice/a.service\n"
LEGACY = "7:cpu,cpuacct:/\n4:memory:/\n1:name=systemd:/system.slice/a.service\n0::/system.slice/a.service\n"


def host(tmp_path, processes, files):
    """Return what reads a host whose processes are in these groups, and whose groups hold these files."""
    for pid, text in processes.items():
        (tmp_path / "proc" / str(pid)).mkdir(parents=True)
        (tmp_path / "proc" / str(pid) / "cgroup").write_text(text)
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Allowances(tmp_path / "cgroup", tmp_path / "proc")


@pytest.fixture
def unified(tmp_path):
    files = {
        "cgroup.controllers": "cpu memory",
        "system.slice/cpu.max": "150000 100000",
        "system.slice/a.service/cpu.max": "max 100000",
        "system.slice/a.service/memory.max": "max",
        "system.slice/a.service/memory.high": "max",
    }
    return host(tmp_path, {1: "0::/init.scope\n", 7: UNIFIED}, files), tmp_path / "cgroup" / "system.slice" / "a.service"


def test_a_unit_without_limits_may_take_anything_and_a_slice_is_nobody_s_own(unified):
    """Infinite where nothing limits it; what a slice grants is granted to all in it."""
    allowances, _ = unified
    assert allowances.of(7) == NOTHING


def test_the_limits_of_the_units_own_group_count(unified):
    """CPU in cores, memory in bytes, as they are now."""
    allowances, group = unified
    (group / "cpu.max").write_text("5000 100000")
    (group / "memory.max").write_text("1048576\n")
    (group / "memory.high").write_text("524288\n")
    assert allowances.of(7) == Allowance(cpu_cores=0.05, memory_max_bytes=1048576, memory_high_bytes=524288)


def test_the_tightest_group_counts_when_a_process_was_put_below_its_units_group(unified, tmp_path):
    """A group inside the unit's own limits as well as the unit's own."""
    allowances, group = unified
    (group / "cpu.max").write_text("200000 100000")
    (group / "inner").mkdir()
    (group / "inner" / "cpu.max").write_text("1000 100000")
    (tmp_path / "proc" / "7" / "cgroup").write_text("0::/system.slice/a.service/inner\n")
    assert allowances.of(7) == NOTHING._replace(cpu_cores=0.01)


@pytest.mark.parametrize("container", ["", "orderd-drill/h1"])
def test_where_systemd_shares_nothing_out_a_foreign_group_below_init_s_is_seen(tmp_path, container):
    """Legacy controllers: what a process has in common with PID 1 limits the whole host and is not counted, the rest is."""
    init = f"7:cpu,cpuacct:/{container}\n4:memory:/{container}\n1:name=systemd:/init.scope\n0::/init.scope\n"
    files = {
        f"cpu/{container}/cpu.cfs_quota_us": "200000",
        f"cpu/{container}/cpu.cfs_period_us": "100000",
        f"cpu/{container}/batch/cpu.cfs_quota_us": "3000",
        f"cpu/{container}/batch/cpu.cfs_period_us": "100000",
        f"memory/{container}/batch/memory.limit_in_bytes": "9223372036854771712",
        "unified/cgroup.controllers": "",
    }
    inside = LEGACY.replace("cpuacct:/", f"cpuacct:/{container}").replace("memory:/", f"memory:/{container}")
    squeezed = f"7:cpu,cpuacct:/{container}/batch\n4:memory:/{container}/batch\n1:name=systemd:/system.slice/a.service\n"
    allowances = host(tmp_path, {1: init, 7: inside, 8: squeezed.replace("//", "/")}, files)
    assert allowances.of(7) == NOTHING
    assert allowances.of(8) == NOTHING._replace(cpu_cores=0.03)
    assert allowances.places(8) == (Place("cpu", container, "batch"), Place("memory", container, "batch"))


def test_a_process_that_is_gone_is_missing(unified, tmp_path):
    """And so is everybody where PID 1 cannot be read: nothing can be told from nothing."""
    allowances, _ = unified
    assert allowances.of(9) is None
    assert allowances.places(9) is None
    (tmp_path / "proc" / "1" / "cgroup").unlink()
    assert Allowances(tmp_path / "cgroup", tmp_path / "proc").of(7) is None


def test_this_machine_is_read():
    """Whatever its layout: init is limited by nothing that it does not share with itself."""
    if not Path("/sys/fs/cgroup").is_dir() or not Path("/proc/1/cgroup").exists():
        pytest.skip("no control groups here")
    assert Allowances().of(1) == NOTHING
