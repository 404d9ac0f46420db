"""The module that limits a process without stopping it; systemd is played, legacy control groups are real where there are any."""

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import repair_modules

SPINS = "import time; print('up', flush=True)\nwhile True: pass"
LEGACY_CPU = Path("/sys/fs/cgroup/cpu/cpu.shares").exists()


@pytest.fixture(scope="module", autouse=True)
def _modules():
    with repair_modules.importable():
        yield


@pytest.fixture
def contain():
    return importlib.import_module("orderd_contain")


@pytest.fixture
def processes():
    return importlib.import_module("ansible.module_utils.orderd_process")


@pytest.fixture
def spinner():
    """A process that never sleeps."""
    with subprocess.Popen([sys.executable, "-c", SPINS], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process.pid
        process.kill()


class Host:
    """A process whose groups are what a test says, and a systemd that moves and limits it as real ones do."""

    def __init__(self, contain, processes, pid, *, obeys=True):
        self.obeys = obeys
        self.lines = [("", "/system.slice/a.service")]
        self.settings = {}
        self.module = repair_modules.module(
            pid=pid,
            start_ticks=processes.start_ticks(pid),
            what="cpu",
            cpu_percent=25,
            cpu_weight=20,
            more_bytes=1 << 20,
            protected_units=["nginx.service"],
        )
        self.module.run_command = self.run
        self.ran = []
        self.process = contain.Contained(self.module)

    def run(self, command, **_):
        self.ran.append(command)
        if "StartTransientUnit" in command:
            self.lines = [("", f"/system.slice/{self.process.name}.scope")]
        if "set-property" in command and self.obeys:
            for word in command:
                if word.startswith("CPUQuota="):
                    self.settings["cpu.max"] = ["25000" if word != "CPUQuota=" else "max", "100000"]
                if word.startswith("MemoryHigh="):
                    self.settings["memory.high"] = [word.partition("=")[2].replace("infinity", "max")]
        return 0, "", ""


@pytest.fixture
def host(contain, processes, spinner, monkeypatch):
    """A host with the unified hierarchy alone."""
    host = Host(contain, processes, spinner)

    def read(groups, _pid):
        groups._lines = host.lines

    monkeypatch.setattr(contain.Groups, "__init__", read)
    monkeypatch.setattr(contain.Groups, "setting", lambda _self, _controller, file: host.settings.get(file))
    monkeypatch.setattr(contain, "OBEYED_WITHIN_S", 0)
    monkeypatch.setattr(contain, "MOVED_WITHIN_S", 0)
    return host


@pytest.mark.parametrize("what", ["cpu", "memory"])
def test_a_process_is_limited_once_and_let_go_once(contain, host, what):
    """It is moved into a scope that says so; a second run finds it there, and the undo lifts the limit and nothing else."""
    host.process.what = what
    assert contain.bring_about(host.module, host.process, "contained")
    assert [command[0].rpartition("/")[2] for command in host.ran] == ["busctl", "systemctl"]
    assert not contain.bring_about(host.module, host.process, "contained")
    assert contain.bring_about(host.module, host.process, "released")
    assert not contain.bring_about(host.module, host.process, "released")
    assert len(host.ran) == 3


def test_a_contained_process_can_be_bounded_in_memory_too(contain, host):
    """It stays in the scope that it is in."""
    contain.bring_about(host.module, host.process, "contained")
    host.process.what = "memory"
    assert contain.bring_about(host.module, host.process, "contained")
    assert sum("StartTransientUnit" in command for command in host.ran) == 1


def test_a_check_limits_nothing(contain, host):
    """Check mode says that it would."""
    host.module.check_mode = True
    assert contain.bring_about(host.module, host.process, "contained")
    assert host.ran == []


def test_a_limit_that_the_kernel_does_not_know_of_is_no_success(contain, host):
    """A line that nobody obeys is told."""
    host.obeys = False
    with pytest.raises(contain.ContainFailedError, match="cpu"):
        contain.bring_about(host.module, host.process, "contained")


@pytest.mark.parametrize("unit", ["nginx.service", "orderd-exec.service"])
def test_processes_of_protected_units_are_refused(contain, processes, host, monkeypatch, unit):
    """A declared service is not slowed down, and orderd is not either."""
    monkeypatch.setattr(processes, "units_of", lambda _pid: [unit])
    with pytest.raises(processes.ProcessRefusedError, match=unit):
        contain.bring_about(host.module, host.process, "contained")
    assert host.ran == []


def test_processes_of_containers_are_refused(contain, processes, host, monkeypatch):
    """Where they are is for their runtime to say."""
    monkeypatch.setattr(contain.os, "readlink", lambda path: path)
    with pytest.raises(processes.ProcessRefusedError, match="container"):
        contain.bring_about(host.module, host.process, "contained")


def test_a_contained_process_can_still_be_stopped_by_a_repair(contain, processes, host):
    """Its scope is not called by a name of orderd's own, which would protect it from everybody."""
    assert not host.process.name.startswith(processes.OWN_PREFIX)


def test_groups_are_told_by_controller(contain, tmp_path, monkeypatch):
    """A legacy hierarchy that hands a resource out counts before the unified one; systemd's is the one it names its units in."""
    text = "7:cpu,cpuacct:/a\n3:name=systemd:/system.slice/a.service\n0::/u\n"
    (tmp_path / "cgroup").write_text(text)
    real = open
    monkeypatch.setattr("builtins.open", lambda path, *rest: real(tmp_path / "cgroup" if "/proc/" in path else path, *rest))
    groups = contain.Groups(1)
    assert (groups.of("cpu"), groups.of("memory")) == (("cpu,cpuacct", "/a"), ("", "/u"))
    assert groups.systemd == "/system.slice/a.service"


@pytest.mark.skipif(os.geteuid() != 0 or not LEGACY_CPU, reason="needs root and the legacy cpu hierarchy")
def test_a_legacy_group_slows_a_process_down_and_lets_it_go(contain, processes, spinner):
    """Where systemd hands out no CPU the kernel does: a quarter of a core, then all of it again; no mount is left."""
    host = Host(contain, processes, spinner)
    host.module.run_command = lambda command: (subprocess.run(command, check=False).returncode, "", "")
    group = Path("/sys/fs/cgroup/cpu" + host.process.groups.of("cpu")[1])
    mounts = Path("/proc/self/mounts").read_text()
    try:
        host.process._join(host.process._legacy_limits())
        assert host.process.is_limited()
        assert cores(spinner) < 0.45
        host.process._join(contain.UNLIMITED["cpu"])
        assert not host.process.is_limited()
        assert Path("/proc/self/mounts").read_text() == mounts
    finally:
        (group / "cgroup.procs").write_text(str(spinner))
        (group / host.process.name).rmdir()


def cores(pid):
    def ticks():
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])

    before, at = ticks(), time.monotonic()
    time.sleep(0.6)
    return (ticks() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - at)
