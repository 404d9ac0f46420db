"""The module that restores a service's own files, called as Python on a record of a test's own."""

import importlib
import json
import os
import stat
from pathlib import Path

import pytest

from repair_modules import importable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="records have to be root's: run as root")
UNIT = "nginx.service"


@pytest.fixture(scope="module", autouse=True)
def _modules():
    with importable():
        yield


@pytest.fixture
def files():
    return importlib.import_module("orderd_service_files")


@pytest.fixture
def host(tmp_path):
    """Return parameters, the folder of two configuration files, and the unit's file, all as recorded."""
    etc, record = tmp_path / "etc", tmp_path / "known-good" / "files" / UNIT
    etc.mkdir(mode=0o755)
    record.mkdir(parents=True)
    index = {}
    for place, name in enumerate(("a.conf", "b.conf", UNIT)):
        path = etc / name
        path.write_text(f"good {name}")
        path.chmod(0o640)
        (record / str(place)).write_text(f"good {name}")
        index[str(path)] = {"mode": 0o640, "uid": 0, "gid": 0, "copy": str(place)}
    folders = {str(etc): {"mode": 0o755, "uid": 0, "gid": 0}}
    text = json.dumps({"unit_file": str(etc / UNIT), "files": index, "folders": folders})
    (record / "index.json").write_text(text)
    params = {"unit": UNIT, "known_good": str(tmp_path / "known-good"), "quarantine": str(tmp_path / "quarantine" / "r1")}
    return params, etc


def restore(files, params, what, *, dry_run=False):
    """Return what the module restores, and the record it did it by."""
    record = files.Record(params["known_good"], params["unit"])
    act = files.restore_access if what == "access" else files.restore_files
    return act(params | {"what": what}, record, dry_run)


def give_back(files, params, what):
    record = files.Record(params["known_good"], params["unit"])
    act = files.return_access if what == "access" else files.return_files
    return act(params | {"what": what}, record, dry_run=False)


@pytest.mark.parametrize("what", ["content", "missing", "access", "unit_file"])
def test_files_that_are_as_recorded_are_left_alone(files, host, what):
    """Every state changes nothing on a host that is as it was recorded."""
    params, _ = host
    assert restore(files, params, what) == []
    assert not Path(params["quarantine"]).exists()


def test_a_changed_file_is_rolled_back_and_given_back(files, host):
    """The recorded content comes with its mode; what it replaced is kept, and the undo puts it back once."""
    params, etc = host
    (etc / "a.conf").write_text("bad")
    (etc / "a.conf").chmod(0o604)
    assert restore(files, params, "content", dry_run=True) == [str(etc / "a.conf")]
    assert (etc / "a.conf").read_text() == "bad"
    assert restore(files, params, "content") == [str(etc / "a.conf")]
    assert (etc / "a.conf").read_text() == "good a.conf"
    assert stat.S_IMODE((etc / "a.conf").stat().st_mode) == 0o640
    assert restore(files, params, "content") == []
    assert give_back(files, params, "content") == [str(etc / "a.conf")]
    assert ((etc / "a.conf").read_text(), stat.S_IMODE((etc / "a.conf").stat().st_mode)) == ("bad", 0o604)
    assert {path.name for path in etc.iterdir()} == {"a.conf", "b.conf", UNIT}


def test_an_undo_never_overwrites_what_came_after_the_repair(files, host):
    """A file that is no longer the recorded one is somebody's."""
    params, etc = host
    (etc / "a.conf").write_text("bad")
    restore(files, params, "content")
    (etc / "a.conf").write_text("a person's")
    assert give_back(files, params, "content") == []
    assert (etc / "a.conf").read_text() == "a person's"


def test_only_what_is_gone_is_put_back(files, host):
    """A file that is there, whatever its content, is no missing file."""
    params, etc = host
    (etc / "a.conf").unlink()
    (etc / "b.conf").write_text("changed")
    assert restore(files, params, "missing") == [str(etc / "a.conf")]
    assert ((etc / "a.conf").read_text(), (etc / "b.conf").read_text()) == ("good a.conf", "changed")


def test_access_is_restored_for_files_and_the_folder_around_them(files, host):
    """Owner and mode come back, content stays, and the undo sets what was there before."""
    params, etc = host
    (etc / "a.conf").write_text("changed")
    (etc / "a.conf").chmod(0o000)
    os.chown(etc / "b.conf", 1234, 1234)
    etc.chmod(0o700)
    assert set(restore(files, params, "access")) == {str(etc), str(etc / "a.conf"), str(etc / "b.conf")}
    assert ((etc / "b.conf").stat().st_uid, stat.S_IMODE(etc.stat().st_mode)) == (0, 0o755)
    assert (etc / "a.conf").read_text() == "changed"
    (etc / "a.conf").chmod(0o600)
    assert set(give_back(files, params, "access")) == {str(etc), str(etc / "b.conf")}
    assert ((etc / "b.conf").stat().st_uid, stat.S_IMODE((etc / "a.conf").stat().st_mode)) == (1234, 0o600)


def test_the_unit_file_is_nobody_elses_business(files, host):
    """Rolling configuration back leaves the unit's file alone, and the other way round."""
    params, etc = host
    (etc / UNIT).write_text("garbage")
    (etc / "a.conf").write_text("bad")
    assert restore(files, params, "content") == [str(etc / "a.conf")]
    assert restore(files, params, "unit_file") == [str(etc / UNIT)]


@pytest.mark.parametrize("trick", ["link", "folder link", "second name"])
def test_what_is_not_the_recorded_kind_of_thing_is_refused(files, host, tmp_path, trick):
    """A link or a second name in a file's place leads elsewhere: nothing is written through it."""
    params, etc = host
    precious = tmp_path / "precious"
    precious.write_text("precious")
    if trick == "folder link":
        etc.rename(tmp_path / "moved")
        etc.symlink_to(tmp_path / "moved")
        (tmp_path / "moved" / "a.conf").write_text("bad")
    else:
        (etc / "a.conf").unlink()
    if trick == "link":
        (etc / "a.conf").symlink_to(precious)
    if trick == "second name":
        os.link(precious, etc / "a.conf")
    with pytest.raises(files.RecordRefusedError):
        restore(files, params, "access" if trick == "second name" else "content")
    assert precious.read_text() == "precious"
    assert stat.S_IMODE(precious.stat().st_mode) == 0o644


@pytest.mark.parametrize("broken", ["missing", "foreign owner", "copy writable"])
def test_a_record_that_is_not_roots_alone_is_refused(files, host, broken):
    """Nothing is put back as root that somebody else could have written."""
    params, etc = host
    record = Path(params["known_good"]) / "files" / UNIT
    (etc / "a.conf").write_text("bad")
    if broken == "missing":
        record.rename(record.with_name("other"))
    elif broken == "foreign owner":
        os.chown(record, 1234, -1)
    else:
        (record / "0").chmod(0o666)
    with pytest.raises(files.RecordRefusedError):
        restore(files, params, "content")
    assert (etc / "a.conf").read_text() == "bad"
