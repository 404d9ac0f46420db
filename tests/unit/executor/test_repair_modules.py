"""The Ansible modules of repairs, called as Python on real files and processes of a test's own."""

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import ansible.module_utils
import pytest

REPAIRS = Path(__file__).parents[3] / "playbooks" / "repairs"
IGNORES_TERM = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="records have to be root's: run as root")


@pytest.fixture(scope="module", autouse=True)
def _modules_importable():
    """Make the repairs' modules importable as Ansible would."""
    shared = str(REPAIRS / "module_utils")
    sys.path.insert(0, str(REPAIRS / "library"))
    ansible.module_utils.__path__.append(shared)
    yield
    ansible.module_utils.__path__.remove(shared)
    sys.path.remove(str(REPAIRS / "library"))


@pytest.fixture
def processes():
    return importlib.import_module("ansible.module_utils.orderd_process")


@pytest.fixture
def sleeper():
    """A process that ignores TERM."""
    with subprocess.Popen([sys.executable, "-c", IGNORES_TERM], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


def _module(*, check_mode=False, **params) -> SimpleNamespace:
    return SimpleNamespace(params=params, check_mode=check_mode, run_command=lambda *_, **__: (0, "", ""))


def test_a_process_that_ignores_term_is_killed(processes, sleeper):
    """TERM first, KILL after the grace."""
    ticks = processes.start_ticks(sleeper.pid)
    assert processes.stop(sleeper.pid, ticks, [], 0.1) == "killed"
    assert sleeper.wait(timeout=1) == -9


def test_a_dry_run_stops_nothing(processes, sleeper):
    """Check mode says what would happen."""
    assert processes.stop(sleeper.pid, processes.start_ticks(sleeper.pid), [], 0.1, dry_run=True) == "would stop"
    assert sleeper.poll() is None


def test_a_pid_that_was_used_again_is_left_alone(processes, sleeper):
    """Another start time is another process."""
    assert processes.stop(sleeper.pid, 1, [], 0.1) == "gone"
    assert sleeper.poll() is None


@pytest.mark.parametrize("pid", [1, os.getpid()], ids=["init", "itself"])
def test_init_and_the_repair_itself_are_refused(processes, pid):
    """Some processes are never stopped."""
    with pytest.raises(processes.ProcessRefusedError):
        processes.stop(pid, processes.start_ticks(pid), [], 0.1)


@pytest.mark.parametrize("unit", ["nginx.service", "orderd-exec.service"])
def test_processes_of_protected_units_are_refused(processes, sleeper, monkeypatch, unit):
    """Declared units and orderd itself keep their processes."""
    monkeypatch.setattr(processes, "units_of", lambda _pid: [unit])
    with pytest.raises(processes.ProcessRefusedError, match=unit):
        processes.stop(sleeper.pid, processes.start_ticks(sleeper.pid), ["nginx.service"], 0.1)
    assert sleeper.poll() is None


def test_a_log_keeps_its_end_in_place(tmp_path):
    """The last part stays, in the same file, which never grows on the way."""
    logs = importlib.import_module("orderd_log_space")
    log = tmp_path / "app.log"
    log.write_bytes(b"old" * 1000 + b"the end")
    inode = log.stat().st_ino
    assert logs.keep_end(str(log), 7, log.stat().st_dev) == 3000
    assert (log.read_bytes(), log.stat().st_ino) == (b"the end", inode)


def test_a_link_in_place_of_a_log_is_not_followed(tmp_path):
    """A log that became a link cuts nothing elsewhere."""
    logs = importlib.import_module("orderd_log_space")
    (tmp_path / "precious").write_bytes(b"x" * 100)
    (tmp_path / "app.log").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic"):
        logs.keep_end(str(tmp_path / "app.log"), 1, tmp_path.stat().st_dev)
    assert logs.largest_logs(str(tmp_path)) == []


def test_a_log_on_another_file_system_is_not_cut(tmp_path):
    """A folder that became a link to elsewhere between the look and the cut costs nothing there."""
    logs = importlib.import_module("orderd_log_space")
    log = tmp_path / "app.log"
    log.write_bytes(b"x" * 100)
    assert logs.keep_end(str(log), 1, device=-1) == 0
    assert log.stat().st_size == 100


def test_a_log_that_merely_stays_open_is_the_last_suspect(tmp_path):
    """The log that grows is cut first, although an idle one is larger; one that was rotated away meanwhile is passed over."""
    logs = importlib.import_module("orderd_log_space")
    idle, grows = tmp_path / "idle.log", tmp_path / "grows.log"
    idle.write_bytes(b"x" * 200_000)
    os.utime(idle, (time.time() - 3600,) * 2)
    grows.write_bytes(b"x" * 100_000)
    found = [*logs.largest_logs(str(tmp_path)), (1, str(tmp_path / "rotated.log"))]
    with idle.open("ab"), grows.open("ab"):
        assert [path for path, _pids in logs.growing(found, recent_s=60)] == [str(grows), str(idle)]


def test_an_old_log_without_a_writer_is_left_alone(tmp_path):
    """An archive is no cause of a full disk; a log being written is, and so is its writer."""
    logs = importlib.import_module("orderd_log_space")
    old, new = tmp_path / "old.log", tmp_path / "new.log"
    for log in (old, new):
        log.write_bytes(b"x" * 100_000)
        os.utime(log, (time.time() - 3600,) * 2)
    with new.open("ab"):
        found = logs.growing(logs.largest_logs(str(tmp_path)), recent_s=60)
    assert found == [(str(new), {os.getpid()})]


@pytest.fixture
def record(tmp_path):
    """A record, a system folder and a quarantine."""
    unit = "nginx.service"
    known_good = tmp_path / "known-good"
    (known_good / "dropins" / f"{unit}.d").mkdir(parents=True)
    (known_good / "dropins" / f"{unit}.d" / "good.conf").write_text("good")
    system = tmp_path / "system"
    (system / f"{unit}.d").mkdir(parents=True)
    return {
        "unit": unit,
        "known_good": str(known_good),
        "quarantine": str(tmp_path / "quarantine" / "r1"),
        "system_folders": [str(system)],
    }


@needs_root
def test_foreign_dropins_go_to_quarantine_and_come_back(record):
    """What is not recorded is moved, what is recorded is put back, and the undo moves back without overwriting."""
    dropins = importlib.import_module("orderd_dropins")
    folder = Path(record["system_folders"][0]) / "nginx.service.d"
    (folder / "bad.conf").write_text("bad")
    (folder / "worse.conf").write_text("worse")
    assert len(dropins.restore(_module(**record))) == 3
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"good.conf": "good"}
    assert dropins.restore(_module(**record)) == []
    (folder / "worse.conf").write_text("a person's")
    assert dropins.give_back(_module(**record)) == [str(folder / "bad.conf")]
    assert (folder / "worse.conf").read_text() == "a person's"


@needs_root
def test_a_changed_dropin_is_replaced_by_the_recorded_one(record):
    """The same name with other content is foreign too."""
    dropins = importlib.import_module("orderd_dropins")
    folder = Path(record["system_folders"][0]) / "nginx.service.d"
    (folder / "good.conf").write_text("tampered")
    dropins.restore(_module(**record))
    assert (folder / "good.conf").read_text() == "good"
    kept = record["quarantine"] + str(folder / "good.conf")
    assert Path(kept).read_text() == "tampered"


@needs_root
def test_only_dropins_that_set_what_is_asked_for_are_restored(record):
    """What sets it, or ought to by the record; whatever else differs is another repair's."""
    dropins = importlib.import_module("orderd_dropins")
    folder, good = Path(record["system_folders"][0]) / "nginx.service.d", Path(record["known_good"]) / "dropins"
    (good / "nginx.service.d" / "quota.conf").write_text("[Service]\nCPUQuota=50%\n")
    texts = {"bad.conf": "[Service]\n CPUQuota = 1%\n", "quota.conf": "[Service]\n# CPUQuota=50%\n", "other.conf": "[Unit]\n"}
    for name, text in texts.items():
        (folder / name).write_text(text)
    assert len(dropins.restore(_module(setting=["CPUQuota"], **record))) == 3
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert found == {"quota.conf": "[Service]\nCPUQuota=50%\n", "other.conf": "[Unit]\n"}
    assert Path(record["quarantine"] + str(folder / "quota.conf")).read_text() == texts["quota.conf"]
    assert dropins.restore(_module(setting=["CPUQuota"], **record)) == []


@needs_root
def test_check_mode_moves_no_dropin(record):
    """Check mode names what it would move."""
    dropins = importlib.import_module("orderd_dropins")
    bad = Path(record["system_folders"][0]) / "nginx.service.d" / "bad.conf"
    bad.write_text("bad")
    assert str(bad) in dropins.restore(_module(check_mode=True, **record))
    assert bad.exists()


@needs_root
@pytest.mark.parametrize("broken", ["missing", "foreign owner", "writable"])
def test_a_record_that_is_not_roots_alone_is_refused(record, broken):
    """Nothing is put back as root that somebody else could have written."""
    dropins = importlib.import_module("orderd_dropins")
    folder = Path(record["known_good"]) / "dropins" / "nginx.service.d"
    if broken == "missing":
        folder.rename(folder.with_name("other.d"))
    elif broken == "writable":
        (folder / "good.conf").chmod(0o666)
    else:
        os.chown(record["known_good"], 1234, -1)
    bad = Path(record["system_folders"][0]) / "nginx.service.d" / "bad.conf"
    bad.write_text("bad")
    with pytest.raises(dropins.RecordRefusedError):
        dropins.restore(_module(**record))
    assert bad.exists()


@needs_root
def test_the_resolver_is_restored_and_given_back_by_compare_and_swap(tmp_path):
    """The undo puts the wrong file back only while the good one is still in place."""
    resolver = importlib.import_module("orderd_resolver")
    (tmp_path / "known-good").mkdir()
    (tmp_path / "known-good" / "resolv.conf").write_text("good")
    path = tmp_path / "resolv.conf"
    path.write_text("wrong")
    params = {"path": str(path), "known_good": str(tmp_path / "known-good"), "quarantine": str(tmp_path / "q" / "r1")}
    assert resolver.restore(params, dry_run=True)
    assert path.read_text() == "wrong"
    assert resolver.restore(params, dry_run=False)
    assert path.read_text() == "good"
    assert not resolver.restore(params, dry_run=False)
    assert resolver.give_back(params, dry_run=False)
    assert path.read_text() == "wrong"
    path.write_text("a person's")
    assert not resolver.give_back(params, dry_run=False)


def test_a_unit_needs_no_step_when_it_is_up():
    """An active unit is left alone unless something was insisted on."""
    units = importlib.import_module("orderd_unit")
    wants = {"unmask": False, "kill_first": False, "reload": False, "restart": False}
    unit = SimpleNamespace(state=lambda: {"ActiveState": "active"}, masks=list)
    assert units.wanted_steps(unit, wants) == []
    assert units.wanted_steps(unit, wants | {"kill_first": True}) == ["kill", "start"]
    assert units.wanted_steps(unit, wants | {"reload": True, "restart": True}) == ["reload", "restart"]


@pytest.mark.parametrize("state", ["inactive", "failed", "activating"])
def test_a_unit_that_is_down_is_started(state):
    """Every state but active asks for a start, and a mask for its removal first."""
    units = importlib.import_module("orderd_unit")
    wants = {"unmask": True, "kill_first": False, "reload": False, "restart": False}
    unit = SimpleNamespace(state=lambda: {"ActiveState": state}, masks=lambda: ["/etc/systemd/system/x.service"])
    assert units.wanted_steps(unit, wants) == ["unmask", "start"]
