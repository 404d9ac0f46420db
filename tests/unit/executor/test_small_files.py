"""The module that archives small files, called as Python on folders and processes of a test's own."""

import contextlib
import importlib
import os
import stat
import subprocess
import sys

import pytest

from repair_modules import importable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a quarantine has to be root's: run as root")
MAKES_FILES = """
import itertools, os, sys, time
print("up", flush=True)
for number in itertools.count():
    with open(f"{sys.argv[1]}/made-{number:06}", "wb", buffering=0) as file:
        file.write(b"x")
        time.sleep(0.002)
"""
HOLDS_ONE = "import sys, time; file = open(sys.argv[1], 'a'); print('up', flush=True); time.sleep(60)"


@contextlib.contextmanager
def running(script, *arguments):
    """Run a program until the end of the block, however that ends: one that goes on would be waited for."""
    with subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module", autouse=True)
def _modules():
    with importable():
        yield


@pytest.fixture
def small(monkeypatch):
    """The module, on a mount that has enough room once it holds no more than a number of files, and less with every other."""
    module = importlib.import_module("orderd_small_files")
    monkeypatch.setattr(module, "enough", 0, raising=False)

    def free(mount):
        count = sum(len(names) for _folder, _below, names in os.walk(mount))
        return 1.0 if count <= module.enough else (1000 - count) / 10_000

    monkeypatch.setattr(module, "free_inodes_ratio", free)
    monkeypatch.setattr(module, "free_ratio", lambda mount: 0.9 + free(mount) / 10)  # of space there is enough all the time
    monkeypatch.setattr(module, "MAKER_WITHIN_S", 0.1)
    return module


@pytest.fixture
def archives():
    return importlib.import_module("ansible.module_utils.orderd_archive")


@pytest.fixture
def spool(tmp_path):
    """A folder with three hundred files in two others, beside a few files that are somebody's."""
    mount = tmp_path / "mount"
    for name in ("spool/a", "spool/b", "other"):
        (mount / name).mkdir(parents=True)
    for number in range(300):
        path = mount / "spool" / "ab"[number % 2] / f"{number:03}"
        path.write_text(f"content {number}" * (number % 3))
        os.utime(path, (1e9 + number, 1e9 + number))
    for number in range(10):
        (mount / "other" / f"{number}").write_text("mine")
    return mount


@pytest.fixture
def run(small, spool, tmp_path):
    """Return a function that archives, or gives back."""

    def run(act="archive", *, dry_run=False, **more):
        params = {
            "mount": str(spool),
            "quarantine": str(tmp_path / "quarantine" / "r1"),
            "small_bytes": 1 << 20,
            "recent_s": 3600.0,
            "least": 200,
            "share": 0.0,
            "free_ratio": 0.3,
            "room_ratio": 0.0,
            "deadline_s": 20.0,
            "protected_units": [],
        }
        return getattr(small, act)(params | more, dry_run)

    return run


def files_below(folder):
    return {path: (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) for path in folder.rglob("*") if path.is_file()}


def test_the_oldest_go_until_enough_is_free_and_come_back_as_they_were(small, spool, run, monkeypatch):
    """Nothing else is touched, folders stay, and the undo restores content, mode, owner and time of what is gone, once."""
    path = spool / "spool" / "a" / "000"
    path.chmod(0o640)
    os.chown(path, 1234, 1234)
    before = files_below(spool)
    small.enough = 200
    monkeypatch.setattr(small, "FIRST_FILES", 50)
    monkeypatch.setattr(small, "BATCH_FILES", 50)
    count, _words = run()
    assert count == 150
    assert min(int(each.name) for each in files_below(spool / "spool")) == 150
    assert run("archive")[0] == 0
    assert run("give_back", dry_run=True)[0] == 150
    assert run("give_back")[0] == 150
    assert files_below(spool) == before
    status = path.stat()
    assert (status.st_uid, status.st_gid, status.st_mtime) == (1234, 1234, 1e9)
    assert run("give_back")[0] == 0


def test_the_undo_overwrites_nothing_and_makes_no_folder(spool, run):
    """A file that somebody made since stays; where the folder is gone, it stays gone."""
    assert run()[0] == 300
    (spool / "spool" / "a" / "000").write_text("new")
    (spool / "spool" / "b").rmdir()
    assert run("give_back")[0] == 149
    assert (spool / "spool" / "a" / "000").read_text() == "new"
    assert not (spool / "spool" / "b").exists()


def test_the_undo_leaves_no_mount_fuller_than_it_was(small, spool, run):
    """Whoever made files went on until it was stopped, so that there may be no room for all of them; the rest is kept."""
    small.enough = 100
    assert run()[0] == 300
    for number in range(150):
        (spool / "spool" / "a" / f"new-{number}").touch()
    count, words = run("give_back")
    assert 150 <= count <= 151
    assert any("no room" in each for each in words)


def test_a_check_touches_nothing(spool, run, tmp_path):
    """Check mode says that it would."""
    before = files_below(spool)
    assert run(dry_run=True)[0] > 0
    assert files_below(spool) == before
    assert not (tmp_path / "quarantine").exists()


@pytest.mark.parametrize(
    "wanted",
    [{"least": 1000}, {"recent_s": -1.0}, {"small_bytes": -1}, {"share": 0.5}],
    ids=["too few", "all of them old", "all of them large", "they do not matter"],
)
def test_a_mount_that_small_files_do_not_fill_is_left_alone(small, spool, run, wanted):
    """It is not the case, and nothing is packed."""
    with pytest.raises(small.NotTheCaseError):
        run(**wanted)
    assert len(files_below(spool)) == 310


def test_files_all_over_a_mount_are_nobodys_doing(small, spool, run):
    """Without one folder that holds most of them there is no cause; the mount's own top is none."""
    for number in range(400):
        (spool / f"{number}").touch()
    with pytest.raises(small.NotTheCaseError, match="holds most"):
        run()


def test_a_file_that_is_open_stays(spool, run):
    """Somebody is using it."""
    path = spool / "spool" / "a" / "000"
    with path.open("rb"):
        assert run()[0] == 299
    assert list(files_below(spool / "spool")) == [path]


def test_what_belongs_to_a_protected_unit_stays(small, spool, run, monkeypatch):
    """Files of its user, whatever folder they are in, and everything below a folder that it has a file open in."""
    with subprocess.Popen([sys.executable, "-c", HOLDS_ONE, spool / "spool" / "one"], stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        units = lambda pid: ["app.service"] if int(pid) == holder.pid else []  # noqa: E731
        monkeypatch.setattr(small, "units_of", units)
        with pytest.raises(small.NotTheCaseError):
            run(protected_units=["app.service"])
        holder.kill()
    assert len(files_below(spool)) == 311
    assert run()[0] == 301


def test_the_users_of_a_protected_unit_are_those_its_processes_run_as(small, tmp_path, monkeypatch):
    """Root is nobody's user in particular: what root owns may be anybody's."""
    as_user = "import os, time; os.setuid(1234); print('up', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", as_user], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        monkeypatch.setattr(small, "units_of", lambda pid: ["app.service"] if int(pid) in {process.pid, os.getpid()} else [])
        assert small.in_use(str(tmp_path), ["app.service"])[0] == {1234}
        process.kill()


def test_what_the_user_of_a_protected_unit_owns_stays(small, spool, run, monkeypatch):
    """A folder of its own too, with whatever lies in it."""
    monkeypatch.setattr(small, "in_use", lambda _mount, _units: ({1234}, set(), set()))
    os.chown(spool / "spool" / "a", 1234, 1234)
    os.chown(spool / "spool" / "b" / "001", 1234, 1234)
    with pytest.raises(small.NotTheCaseError):
        run()
    assert run(least=100)[0] == 149


def test_whoever_goes_on_making_files_is_stopped(small, spool, run, monkeypatch):
    """Else the mount would be full again at once; who only holds a file open there is left alone."""
    monkeypatch.setattr(small, "MAKER_WITHIN_S", 3.0)
    with running(MAKES_FILES, spool / "spool" / "a") as making, running(HOLDS_ONE, spool / "spool" / "held") as holding:
        _count, words = run()
        assert making.wait(5) != 0
        assert holding.poll() is None
    assert any(str(making.pid) in each for each in words)


def test_nothing_more_is_packed_when_the_maker_may_not_be_stopped(small, spool, run, monkeypatch):
    """A declared service that makes more and more files is for a person; it goes on."""
    monkeypatch.setattr(small, "MAKER_WITHIN_S", 3.0)
    processes = importlib.import_module("ansible.module_utils.orderd_process")
    monkeypatch.setattr(small, "FIRST_FILES", 50)
    with running(MAKES_FILES, spool / "spool" / "a") as making:
        units = lambda pid: ["app.service"] if int(pid) == making.pid else []  # noqa: E731
        monkeypatch.setattr(processes, "units_of", units)
        count, words = run(protected_units=["app.service"])
        assert making.poll() is None
    assert count <= 50
    assert any("left alone" in each for each in words)


def test_without_room_for_an_archive_nothing_is_packed(small, spool, run):
    """An archive that fills the next disk helps nobody."""
    with pytest.raises(small.NotTheCaseError, match="room"):
        run(room_ratio=1.0)
    assert len(files_below(spool)) == 310


def test_a_file_that_changed_after_it_was_packed_stays(archives, spool, tmp_path):
    """The archive holds what it was, the folder what it is."""
    path = spool / "spool" / "a" / "000"
    stamps = archives.pack(str(spool), ["spool/a/000", "spool/a/002", "spool/a/gone"], str(tmp_path / "a.tar.gz"))
    assert set(stamps) == {"spool/a/000", "spool/a/002"}
    path.write_text("changed")
    assert archives.remove(str(spool), stamps, set()) == 1
    assert path.read_text() == "changed"


def test_an_archive_that_does_not_hold_what_was_packed_frees_nothing(archives, spool, tmp_path, monkeypatch):
    """What was read back is believed, not what was written."""
    monkeypatch.setattr(archives, "_contents", lambda _archive: [("spool/a/000", b"another digest")])
    assert archives.pack(str(spool), ["spool/a/000", "spool/a/002"], str(tmp_path / "a.tar.gz")) == {}


def test_a_link_in_the_place_of_a_folder_is_not_followed(archives, spool, tmp_path):
    """Neither when files are packed and removed, nor when they come back: root would read and write elsewhere."""
    archive, elsewhere = str(tmp_path / "a.tar.gz"), tmp_path / "elsewhere"
    stamps = archives.pack(str(spool), ["spool/a/002"], archive)
    (spool / "spool" / "a").rename(elsewhere)
    (spool / "spool" / "a").symlink_to(elsewhere)
    assert archives.pack(str(spool), ["spool/a/002"], str(tmp_path / "b.tar.gz")) == {}
    assert archives.remove(str(spool), stamps, set()) == 0
    (elsewhere / "002").unlink()
    assert archives.unpack(str(spool), archive, lambda: True) == 0
    assert not (elsewhere / "002").exists()


def test_a_file_with_more_than_an_archive_holds_is_not_packed(archives, spool, tmp_path):
    """Second names and attributes would be lost."""
    os.link(spool / "spool" / "a" / "000", spool / "other" / "second")
    try:
        os.setxattr(spool / "spool" / "a" / "002", "user.note", b"x")
    except OSError:
        pytest.skip("no attributes on this file system")
    names = ["spool/a/000", "spool/a/002", "spool/a/004"]
    assert set(archives.pack(str(spool), names, str(tmp_path / "a.tar.gz"))) == {"spool/a/004"}
