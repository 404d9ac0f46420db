"""The modules that give space and inodes back, called as Python on files and processes of a test's own."""

import gzip
import importlib
import os
import subprocess
import sys
import time

import pytest

from repair_modules import importable

HOLDS_DELETED = """
import os, sys, time
handle = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
os.write(handle, b"x" * 3_000_000)
os.unlink(sys.argv[1])
print("up", flush=True)
time.sleep(60)
"""
OLD_S = 3 * 86400


@pytest.fixture(scope="module", autouse=True)
def _modules():
    with importable():
        yield


@pytest.fixture
def deleted():
    return importlib.import_module("orderd_deleted_files")


@pytest.fixture
def old():
    return importlib.import_module("orderd_old_files")


@pytest.fixture
def full(deleted, old, monkeypatch):
    """Let every mount look full, so that nothing ends early because there is room."""
    for each in (deleted, old):
        monkeypatch.setattr(each, "free_ratio", lambda _mount: 0.0)


@pytest.fixture
def holder(deleted, tmp_path, monkeypatch):
    """A process that holds three megabytes in a file that it has deleted; of all processes the module sees this one only."""
    with subprocess.Popen([sys.executable, "-c", HOLDS_DELETED, str(tmp_path / "f")], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        everything = deleted.open_files
        monkeypatch.setattr(deleted, "open_files", lambda mount: [each for each in everything(mount) if each[0] == process.pid])
        yield process
        process.kill()


def params(tmp_path, **more):
    return {
        "mount": str(tmp_path),
        "state": "truncated",
        "least_bytes": 1 << 20,
        "free_ratio": 0.3,
        "protected_units": [],
        "old_s": 86400.0,
    } | more


def held(deleted, tmp_path, pid):
    """Return the bytes that a process holds in deleted files."""
    return sum(size for size, holder, _fd in deleted.deleted(str(tmp_path), 1) if holder == pid)


@pytest.mark.usefixtures("full")
def test_a_deleted_file_is_emptied_and_its_process_lives_on(deleted, holder, tmp_path):
    """The space comes back, nobody is stopped, and the second time there is nothing left to do."""
    done, _left = deleted.reclaim(params(tmp_path), dry_run=False)
    assert any(str(holder.pid) in each for each in done)
    assert held(deleted, tmp_path, holder.pid) == 0
    assert holder.poll() is None
    assert not [each for each in deleted.reclaim(params(tmp_path), dry_run=False)[0] if str(holder.pid) in each]


@pytest.mark.usefixtures("full")
def test_the_writer_of_a_deleted_file_is_stopped(deleted, holder, tmp_path):
    """What fills a mount through files that nobody sees ends."""
    deleted.reclaim(params(tmp_path, state="writers_stopped", least_bytes=2_900_000), dry_run=False)
    assert holder.wait(timeout=2) == -15


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("state", ["truncated", "writers_stopped"])
def test_deleted_files_of_protected_units_are_left_alone(deleted, holder, tmp_path, monkeypatch, state):
    """A database deletes its own scratch files while it uses them."""
    units = importlib.import_module("ansible.module_utils.orderd_process")
    monkeypatch.setattr(units, "units_of", lambda _pid: ["postgresql.service"])
    done, left = deleted.reclaim(params(tmp_path, state=state, protected_units=["postgresql.service"]), dry_run=False)
    assert done == []
    assert any("postgresql.service" in each for each in left)
    assert held(deleted, tmp_path, holder.pid) >= 3_000_000


@pytest.mark.usefixtures("full")
def test_a_dry_run_empties_nothing(deleted, holder, tmp_path):
    """Check mode says what would come back."""
    done, _left = deleted.reclaim(params(tmp_path), dry_run=True)
    assert any("would" in each for each in done)
    assert held(deleted, tmp_path, holder.pid) >= 3_000_000


def test_files_that_have_a_name_are_never_emptied(deleted, tmp_path):
    """An open file is not a deleted one."""
    with (tmp_path / "kept").open("wb") as stream:
        stream.write(b"x" * 2_000_000)
        stream.flush()
        assert held(deleted, tmp_path, os.getpid()) == 0


@pytest.mark.usefixtures("full")
def test_only_forgotten_files_in_folders_for_scratch_data_go(old, tmp_path):
    """Whatever lies elsewhere, is a link, has a second name or is open stays."""
    for folder in ("tmp", "app/tmp", "data"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("tmp/a", "app/tmp/b", "data/c", "tmp/open", "tmp/twice"):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (time.time() - OLD_S,) * 2)
    os.link(tmp_path / "tmp/twice", tmp_path / "data/twice")
    (tmp_path / "tmp/link").symlink_to(tmp_path / "data/c")
    with (tmp_path / "tmp/open").open():
        assert old.remove_scratch(params(tmp_path), dry_run=True) == 2
        assert (tmp_path / "tmp/a").exists()
        assert old.remove_scratch(params(tmp_path), dry_run=False) == 2
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir())
    assert left == ["data/c", "data/twice", "tmp/link", "tmp/open", "tmp/twice"]
    with (tmp_path / "tmp/open").open():
        assert old.remove_scratch(params(tmp_path), dry_run=False) == 0


@pytest.mark.usefixtures("full")
def test_a_scratch_file_of_today_stays(old, tmp_path):
    """What somebody touched within a day is in use."""
    (tmp_path / "tmp").mkdir()
    for name, times in (("read", (time.time(), 1)), ("written", (1, time.time()))):
        (tmp_path / "tmp" / name).write_text("x")
        os.utime(tmp_path / "tmp" / name, times)
    assert old.remove_scratch(params(tmp_path), dry_run=False) == 0


@pytest.fixture
def logs(monkeypatch):
    module = importlib.import_module("orderd_old_logs")
    monkeypatch.setattr(module, "free_ratio", lambda _mount: 0.0)
    return module


def a_log(folder, name, *, age_s=OLD_S, content=b"a line that comes again and again\n" * 10_000):
    path = folder / name
    path.write_bytes(content)
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def compress(logs, folder, **more):
    wanted = {"mount": str(folder), "least_bytes": 1 << 16, "quiet_s": 60.0, "free_ratio": 0.3, "deadline_s": 20.0}
    return logs.reclaim(wanted | more, dry_run=False)[0]


def test_a_rotated_log_is_compressed_and_no_line_of_it_is_lost(logs, tmp_path):
    """With its mode, owner and time, under the name that zcat and logrotate know; the second time there is nothing left to do."""
    names = ("app.log.1", "app.log.12", "app.log-20260101", "app.log.old")
    before = {name: a_log(tmp_path, name) for name in names}
    before["app.log.1"].chmod(0o640)
    uid = 1234 if os.geteuid() == 0 else os.geteuid()
    os.chown(before["app.log.1"], uid, -1)
    content, mtime = before["app.log.1"].read_bytes(), before["app.log.1"].stat().st_mtime
    assert compress(logs, tmp_path) == len(names)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.gz" for name in names}
    packed = tmp_path / "app.log.1.gz"
    assert gzip.decompress(packed.read_bytes()) == content
    status = packed.stat()
    assert (status.st_mode & 0o777, status.st_uid, status.st_mtime) == (0o640, uid, mtime)
    assert compress(logs, tmp_path) == 0


@pytest.mark.parametrize("name", ["app.log", "app.log.1.gz", "notes.1", "app.log.bak"])
def test_what_is_no_rotated_log_is_left_alone(logs, tmp_path, name):
    """A log without a successor is being written, and other names say nothing."""
    path = a_log(tmp_path, name)
    assert compress(logs, tmp_path) == 0
    assert list(tmp_path.iterdir()) == [path]


def test_a_rotated_log_in_use_is_left_alone(logs, tmp_path):
    """One that is open, one that was written just now, one with a second name, one that is compressed beside already."""
    a_log(tmp_path, "new.log.1", age_s=1)
    os.link(a_log(tmp_path, "linked.log.1"), tmp_path / "second")
    a_log(tmp_path, "done.log.1")
    (tmp_path / "done.log.1.gz").write_bytes(b"somebody's")
    with a_log(tmp_path, "open.log.1").open("rb"):
        before = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
        assert compress(logs, tmp_path) == 0
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == before


def test_a_log_whose_copy_reads_otherwise_stays(logs, tmp_path, monkeypatch):
    """What was read back is believed, and what was staged goes."""
    path = a_log(tmp_path, "app.log.1")
    monkeypatch.setattr(logs, "_digest", lambda _stream: b"another")
    assert compress(logs, tmp_path) == 0
    assert list(tmp_path.iterdir()) == [path]


def test_the_oldest_logs_go_first_and_no_more_than_needed(logs, tmp_path, monkeypatch):
    """Once enough is free the rest stays as it is."""
    for number in (1, 2, 3):
        a_log(tmp_path, f"app.log.{number}", age_s=number * 86400)
    monkeypatch.setattr(logs, "free_ratio", lambda _mount: float((tmp_path / "app.log.3.gz").exists()))
    assert compress(logs, tmp_path) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"app.log.1", "app.log.2", "app.log.3.gz"}
