"""Sights and undos of processes, CPU and memory, against processes of this very machine and against the kernel's words."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

FAULTS = Path(__file__).parents[3] / "playbooks" / "faults"
UNIT = "metrics-agent.service"
STORMS = ("process_zombie_storm", "process_fork_storm", "process_thread_storm")


@pytest.fixture(autouse=True)
def on_host(monkeypatch):
    """Import the host's part as the host does."""
    monkeypatch.syspath_prepend(str(FAULTS / "common" / "host"))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if "common/host" in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def sights():
    """Return the sights of the host's part."""
    import sights.processes

    return sights.processes


@pytest.fixture
def undo():
    """Return the undos of the host's part."""
    import undo.processes

    return undo.processes


@pytest.fixture
def started(monkeypatch, sights):
    """Start a program as the main process of UNIT; whoever it forks ends with it."""
    running = []

    def start(program, *arguments):
        argv = [sys.executable, "-c", program, *map(str, arguments)]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, process_group=0)
        running.append(process)
        identity = (process.pid, sights.started_at(process.pid))
        monkeypatch.setattr(sights, "main_process", lambda unit: identity if unit == UNIT else (0, 0))
        return process

    yield start
    for process in running:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def program_of(fault, file):
    """Return a program of a fault as it stands."""
    return (FAULTS / fault / "files" / file).read_text(encoding="utf-8")


def seen_within(seconds, sights, see, **sight):
    """Tell whether a sight becomes true in time."""
    deadline = time.monotonic() + seconds
    while not (seen := sights.KINDS[see][1]({"unit": UNIT, **sight}, None)) and time.monotonic() < deadline:
        pass
    return seen


def members_of(group):
    """Return the processes of a process group that live."""
    import machine

    found = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [pid for pid in found if machine.stat(pid)[2:3] == [str(group)]]


def test_the_dead_that_nobody_waits_for_are_counted(started, sights):
    """Zombies are children too, and only those of the main process are its own."""
    started(program_of("process_zombie_storm", "parent.py"), 5)
    assert seen_within(5, sights, "children", states="Z", at_least=5)
    assert not seen_within(0, sights, "children", states="Z", at_least=6)
    assert not seen_within(0, sights, "children", states="D", at_least=1)


def test_a_vforking_parent_waits_uninterruptibly_and_can_be_ended(started, sights):
    """The load is real, state D and all, and SIGTERM ends it."""
    process = started(program_of("load_without_cpu", "wait.py"), 3)
    assert seen_within(5, sights, "children", states="D", at_least=3)
    assert len(members_of(process.pid)) == 7
    os.killpg(process.pid, 15)
    process.wait(5)
    deadline = time.monotonic() + 5
    while members_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert members_of(process.pid) == []


def test_a_fork_storm_never_has_more_children_than_it_was_told(started, sights):
    """As one child ends the next is there, and there are never more than the intensity says."""
    process = started(program_of("process_fork_storm", "storm.py"), 7)
    assert seen_within(5, sights, "children", states="RSD", at_least=7)
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        assert sum(parent == process.pid for parent, _ in sights._stats(Path("/proc"))) <= 7


def test_threads_are_counted(started, sights):
    """The main thread is one of them."""
    started(program_of("process_thread_storm", "threads.py"), 6)
    assert seen_within(5, sights, "threads", at_least=7)
    assert not seen_within(0, sights, "threads", at_least=8)


def test_descriptors_are_seen_against_the_limit_of_the_process(started, sights):
    """What counts is the share of what the process may have."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))\n{program_of('process_fd_leak', 'leak.py')}"
    started(limit, 500)
    assert seen_within(5, sights, "descriptors_used", at_least_ratio=0.95)
    started("import time; time.sleep(60)")
    assert not seen_within(0, sights, "descriptors_used", at_least_ratio=0.95)


def test_a_core_is_busy_when_somebody_wants_it(started, sights):
    """A thread that sleeps wants no core."""
    cores = len(os.sched_getaffinity(0))
    started(program_of("cpu_burn_all", "burn.py"), 1)
    assert seen_within(5, sights, "runnable", at_least_per_core=1.0)
    assert not seen_within(0, sights, "runnable", at_least_per_core=1.0 + 1.5 / cores)
    started(program_of("process_thread_storm", "threads.py"), 2 * cores)
    assert seen_within(5, sights, "threads", at_least=2 * cores + 1)
    assert not seen_within(0, sights, "runnable", at_least_per_core=1.0)


@pytest.mark.parametrize("see", ["children", "threads", "descriptors_used", "runnable", "memory_grown", "swapped", "cpu_system"])
def test_a_unit_without_a_main_process_shows_nothing(sights, monkeypatch, see):
    """The sight of a process that is gone is false, not an error and not process 0."""
    monkeypatch.setattr(sights, "main_process", lambda _unit: (0, 0))
    least = {"at_least": 0, "at_least_ratio": 0, "at_least_per_core": 0, "at_least_bytes": 0, "at_least_cores": 0}
    assert not seen_within(0, sights, see, states="RSDZ", **least)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "3000 100000\n"}, 0.03),
        ({"cpu.max": "max 100000\n"}, float("inf")),
        ({"cpu.cfs_quota_us": "150000\n", "cpu.cfs_period_us": "100000\n"}, 1.5),
        ({"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}, float("inf")),
        ({}, float("inf")),
    ],
)
def test_a_quota_is_what_the_kernel_says(sights, tmp_path, files, cores):
    """Both kinds of hierarchies are read, and no limit is no quota."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert sights._quota_cores(tmp_path) == pytest.approx(cores)


@pytest.mark.parametrize(
    ("lines", "group"),
    [
        ("4:cpu,cpuacct:/a.slice/b.service\n1:name=systemd:/c\n0::/d\n", "/sys/fs/cgroup/cpu/a.slice/b.service"),
        ("1:name=systemd:/c\n0::/system.slice/d.service\n", "/sys/fs/cgroup/system.slice/d.service"),
        ("9:cpuset:/x\n3:cpu:/\n0::/d\n", "/sys/fs/cgroup/cpu"),
    ],
)
def test_the_group_that_shares_out_cpu_is_found(monkeypatch, lines, group):
    """A legacy cpu hierarchy has the CPU where there is one, and `cpuset` is another."""
    import machine

    monkeypatch.setattr(machine.Path, "read_text", lambda _path, **_: lines)
    assert machine.cpu_group(1) == Path(group)


def test_a_container_counts_its_own_oom_kills(sights, monkeypatch, tmp_path):
    """In a container the machine's counter says nothing, and without a counter nothing is claimed."""
    for name, text in {"oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "vmstat": "oom_kill 9\n"}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(sights, "CONTAINER", tmp_path / "container")
    monkeypatch.setattr(sights, "MEMORY_EVENTS", tmp_path / "events")
    monkeypatch.setattr(sights, "MEMORY_OOM_CONTROL", tmp_path / "oom_control")
    monkeypatch.setattr(sights, "VMSTAT", tmp_path / "vmstat")
    assert sights._oom_kills({}) == 9
    sights.CONTAINER.touch()
    assert sights._oom_kills({}) == 3
    assert not sights._oom_killed({"at_least": 1}, 3)
    assert sights._oom_killed({"at_least": 1}, 2)
    sights.MEMORY_OOM_CONTROL.unlink()
    with pytest.raises(sights.Refused, match="nobody counts"):
        sights._oom_kills({})


def test_the_load_is_compared_with_what_it_was(sights, monkeypatch):
    """A host that was loaded before shows nothing of the fault yet."""
    load = ["3.10 1.00 0.50 2/90 4711\n"]
    monkeypatch.setattr(sights.Path, "read_text", lambda _path, **_: load[0])
    before = sights._load({})
    assert not sights._load_risen({"by_at_least": 1.5}, before)
    load[0] = "4.70 1.20 0.60 2/90 4711\n"
    assert sights._load_risen({"by_at_least": 1.5}, before)


def test_waiting_is_counted_from_the_arming_on(sights, monkeypatch):
    """What somebody waited for before does not count, and a kernel without the account is no place for the fault."""
    text = ["some avg10=9.00 avg60=1.00 avg300=0.10 total=8000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"]
    monkeypatch.setattr(sights.Path, "read_text", lambda _path, **_: text[0])
    before = sights._stalled_us({"of": "memory"})
    assert not sights._stalled({"of": "memory", "at_least_s": 0.5}, before)
    text[0] = text[0].replace("8000000", "8500000")
    assert sights._stalled({"of": "memory", "at_least_s": 0.5}, before)
    monkeypatch.undo()
    with pytest.raises(sights.Refused, match="no account of pressure"):
        sights._stalled_us({"of": "nothing-of-the-kind"})


@pytest.fixture
def threads(monkeypatch, undo, started):
    """Return the threads of a unit of two, and what the revert of nice 15 knows of them."""
    process = started("import threading, time; threading.Thread(target=time.sleep, args=[60]).start(); time.sleep(60)")
    tasks = Path(f"/proc/{process.pid}/task")
    while len(list(tasks.iterdir())) < 2:
        time.sleep(0.01)
    found = sorted(int(task.name) for task in tasks.iterdir())
    monkeypatch.setattr(undo, "threads_of", lambda _unit: found)
    monkeypatch.setattr(undo, "main_process", lambda _unit: (process.pid, undo.started_at(process.pid)))
    os.setpriority(os.PRIO_PROCESS, found[1], 3)
    return found


def nices_of(threads):
    """Return the nice value of each thread."""
    return [os.getpriority(os.PRIO_PROCESS, thread) for thread in threads]


NICE = {"undo": "nice", "unit": UNIT, "nice": 15}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a process less nice")
def test_threads_get_their_own_nice_value_back(threads, undo):
    """Each thread gets what it had, and one that was born since gets what the main process had."""
    before = undo._capture_nice(NICE)
    del before["threads"][str(threads[0])]
    for thread in threads:
        os.setpriority(os.PRIO_PROCESS, thread, 15)
    undo._revert_nice(NICE, before, "")
    assert nices_of(threads) == [0, 3]


def test_a_thread_that_somebody_has_reniced_since_is_left_alone(threads, undo):
    """What is not at the fault's own value is somebody else's doing."""
    before = undo._capture_nice(NICE)
    for thread in threads:
        os.setpriority(os.PRIO_PROCESS, thread, 17)
    undo._revert_nice(NICE, before, "")
    assert nices_of(threads) == [17, 17]


def test_a_unit_at_the_faults_own_nice_value_is_no_place_to_start(threads, undo):
    """Otherwise the revert could not tell its own doing from what was there."""
    os.setpriority(os.PRIO_PROCESS, threads[1], 15)
    with pytest.raises(undo.Refused, match="at nice 15 already"):
        undo._capture_nice(NICE)


def test_a_group_that_is_gone_is_left_alone(undo, tmp_path, monkeypatch):
    """Nothing is mounted and nobody is moved when the group is not there any more."""
    monkeypatch.setattr(undo, "run", lambda *argv: pytest.fail(f"ran {argv}"))
    assert undo._revert_cpu_group({"unit": UNIT, "group": "batch"}, str(tmp_path), "") == f"{tmp_path / 'batch'}: gone already"


@pytest.mark.parametrize("kind", ["systemd-nspawn", "none"])
def test_swap_that_is_the_machines_is_no_swap(monkeypatch, kind):
    """A container never has swap of its own, and a host without swap has none to thrash; each says so."""
    import needs

    monkeypatch.setattr(needs, "container", lambda: kind)
    monkeypatch.setattr(needs.Path, "read_text", lambda _path, **_: "MemTotal: 4096 kB\nSwapFree: 204800 kB\n")
    with pytest.raises(needs.Void, match="is the machine's" if kind != "none" else "200 MiB of swap are free"):
        needs.check(["own_swap"])
    monkeypatch.setattr(needs.Path, "read_text", lambda _path, **_: "SwapFree: 1048576 kB\n")
    if kind == "none":
        needs.check(["own_swap"])


@pytest.mark.parametrize("name", STORMS)
def test_a_storm_fits_below_the_limit_of_its_unit(name):
    """The strongest storm stays below TasksMax, which is what the unit of a fault may have at most."""
    contract = yaml.safe_load((FAULTS / name / "contract.yml").read_text(encoding="utf-8"))
    launch = (FAULTS / "common" / "host" / "launch.py").read_text(encoding="utf-8")
    assert '"TasksMax=1024"' in launch
    assert contract["intensity"]["max"] < 1024


def test_a_leak_that_could_cost_somebody_else_does_not_begin():
    """Without the highest OOM score the leaker ends before it has taken anything."""
    done = subprocess.run(
        [sys.executable, "-c", program_of("memory_leak_to_oom", "leak.py"), "1"],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert done.returncode == 1
    assert "somebody else" in done.stderr
