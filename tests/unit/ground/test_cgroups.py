import os
import signal
from pathlib import Path

import pytest

from ordertrainer.ground import cgroups
from ordertrainer.ground.capabilities import bounding_set
from ordertrainer.ground.cgroups import CloneGroups, Limits, hierarchies, is_unified_only

HYBRID = """\
tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,nodev,noexec,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
cgroup /mnt/elsewhere/memory cgroup rw,relatime,memory 0 0
"""
UNIFIED = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot 0 0\n"


def test_every_hierarchy_of_a_hybrid_machine_is_found_once():
    """Legacy hierarchies are known by their controllers, also where two share one, and the unified one beside them."""
    found = hierarchies(HYBRID)
    assert [(h.mount.name, h.controllers, h.unified) for h in found] == [
        ("cpu,cpuacct", ("cpu", "cpuacct"), False),
        ("memory", ("memory",), False),
        ("systemd", ("name=systemd",), False),
        ("unified", (), True),
    ]
    assert not is_unified_only(found)


def test_a_machine_with_the_unified_hierarchy_alone_is_recognised():
    """Options of the cgroup2 mount are not taken for controllers."""
    (found,) = hierarchies(UNIFIED)
    assert found.mount == Path("/sys/fs/cgroup")
    assert found.controllers == ()
    assert is_unified_only([found])


def test_beside_systemd_a_clone_is_started_in_a_delegated_scope(monkeypatch):
    """On a unified machine systemd makes the clone's group, with its limits, because it strips foreign ones."""
    monkeypatch.setattr(cgroups, "hierarchies", lambda: hierarchies(UNIFIED))
    monkeypatch.setattr(cgroups, "systemd_outside", lambda: True)
    groups = CloneGroups(name="a")
    command = groups.command(Limits(memory_bytes=1 << 30, cpu_ratio=1.5), ["true"])
    assert command[:2] == ["systemd-run", "--scope"]
    assert {"Delegate=yes", "MemoryMax=1073741824", "CPUQuota=150%"} <= set(command)
    assert command[-2:] == ["--", "true"]
    assert groups.directories == [Path("/sys/fs/cgroup/system.slice/orderd-drill-a.scope")]


def test_a_raw_unified_group_gets_limits_and_controllers(tmp_path, monkeypatch):
    """Without systemd the controllers are switched on from the top down and the limits written as cgroup2 wants them."""
    for directory in (tmp_path, tmp_path / "orderd-drill", tmp_path / "orderd-drill/a"):
        directory.mkdir(exist_ok=True)
        (directory / "cgroup.controllers").write_text("cpu memory pids")
        for key in ("cgroup.subtree_control", "memory.max", "cpu.max", "pids.max"):
            (directory / key).write_text("")
    here = cgroups.Hierarchy(mount=tmp_path, controllers=(), unified=True)
    monkeypatch.setattr(cgroups, "hierarchies", lambda: [here])
    monkeypatch.setattr(cgroups, "systemd_outside", lambda: False)
    CloneGroups(name="a").create(Limits(memory_bytes=4096, cpu_ratio=0.5))
    clone = tmp_path / "orderd-drill/a"
    assert (clone / "memory.max").read_text() == "4096"
    assert (clone / "cpu.max").read_text() == "50000 100000"
    assert (tmp_path / "orderd-drill/cgroup.subtree_control").read_text() == "+pids"  # the last of three writes


def test_pids_that_name_no_single_process_are_never_killed(tmp_path, monkeypatch):
    """0 (a foreign namespace) and 1 in cgroup.procs are left out: kill(0, 9) would end our own process group."""
    here = cgroups.Hierarchy(mount=tmp_path, controllers=(), unified=True)
    monkeypatch.setattr(cgroups, "hierarchies", lambda: [here])
    monkeypatch.setattr(cgroups, "systemd_outside", lambda: False)
    inner = tmp_path / "orderd-drill/a/payload"
    inner.mkdir(parents=True)
    procs = inner / "cgroup.procs"
    procs.write_text("0\n1\n4242\n")
    killed = []
    monkeypatch.setattr(os, "kill", lambda pid, number: (killed.append((pid, number)), procs.write_text("0\n1\n")))
    CloneGroups(name="a").kill()
    assert killed == [(4242, signal.SIGKILL)]
    with pytest.raises(TypeError):
        CloneGroups("a")


def test_a_bounding_set_is_told_to_setpriv_by_number():
    """Everything is dropped first, so that a capability missing from the clone's set is missing from the command too."""
    assert bounding_set("Name:\tx\nCapBnd:\t0000000000200005\n") == "-all,+cap_0,+cap_2,+cap_21"
