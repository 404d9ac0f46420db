"""The module that restores who may read and write a service's data, on a folder of the test's own."""

import importlib
import json
import os
import stat
from pathlib import Path

import pytest

from repair_modules import importable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="records have to be root's: run as root")
UNIT = "redis-server.service"
USER = 1234


@pytest.fixture(scope="module", autouse=True)
def _modules():
    with importable():
        yield


@pytest.fixture
def data(tmp_path):
    """Return the data of a service, as recorded."""
    folder = tmp_path / "lib" / "redis"
    (folder / "deep").mkdir(parents=True)
    for path in (folder / "dump", folder / "deep" / "log"):
        path.write_text(path.name)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER)
        path.chmod(0o750 if path.is_dir() else 0o640)
    entries = {str(path): access_of(path) for path in (folder, *sorted(folder.rglob("*")))}
    (tmp_path / "data.json").write_text(json.dumps({UNIT: entries}))
    return folder


@pytest.fixture
def act(tmp_path):
    """Return a function that restores, or gives back."""
    module = importlib.import_module("orderd_data_access")
    params = {"unit": UNIT, "known_good": str(tmp_path), "quarantine": str(tmp_path / "quarantine" / "r1")}
    return lambda name="restore", **more: getattr(module, name)(params | more, dry_run=False)


def access_of(path):
    status = path.lstat()
    return [status.st_mode, status.st_uid, status.st_gid]


def take(path, mode=0o700):
    """Give something to root alone, as a restore by hand does."""
    os.chown(path, 0, 0)
    path.chmod(mode)


def test_data_that_is_as_recorded_is_left_alone(data, act, tmp_path):
    """And no quarantine is made for nothing."""
    assert act() == []
    assert not (tmp_path / "quarantine").exists()


def test_owner_and_mode_come_back_and_are_given_back(data, act):
    """Of the folder and of what is in it, once; what it held stays."""
    good = access_of(data), access_of(data / "deep" / "log")
    take(data)
    take(data / "deep" / "log", 0o600)
    bad = access_of(data), access_of(data / "deep" / "log")
    assert act() == [str(data), str(data / "deep" / "log")]
    assert (access_of(data), access_of(data / "deep" / "log")) == good
    assert (data / "dump").read_text() == "dump"
    assert act() == []
    assert act("give_back") == [str(data), str(data / "deep" / "log")]
    assert (access_of(data), access_of(data / "deep" / "log")) == bad


def test_a_dry_run_only_looks(data, tmp_path):
    """It names what it would change."""
    take(data)
    module = importlib.import_module("orderd_data_access")
    params = {"unit": UNIT, "known_good": str(tmp_path), "quarantine": str(tmp_path / "quarantine" / "r1")}
    assert module.restore(params, dry_run=True) == [str(data)]
    assert access_of(data)[1] == 0
    assert not (tmp_path / "quarantine").exists()


def test_what_is_new_since_and_what_is_gone_is_nobodys_business(data, act):
    """The record says nothing of the one and cannot find the other."""
    new = data / "new"
    new.write_text("new")
    take(new, 0o600)
    (data / "dump").unlink()
    take(data)
    assert act() == [str(data)]
    assert access_of(new)[1:] == [0, 0]


@pytest.mark.parametrize("trick", ["link", "folder link", "second name", "another kind", "link above"])
def test_nothing_that_a_service_may_have_put_there_leads_elsewhere(data, act, tmp_path, trick):
    """Its own data is a place where a service may write: it must not have root give it somebody else's files."""
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o700)
    (precious / "log").write_text("precious")
    (precious / "log").chmod(0o600)
    before = access_of(precious), access_of(precious / "log")
    if trick == "link":
        (data / "dump").unlink()
        (data / "dump").symlink_to(precious / "log")
    elif trick == "folder link":
        (data / "deep").rename(data / "moved")
        (data / "deep").symlink_to(precious)
    elif trick == "second name":
        (data / "dump").unlink()
        os.link(precious / "log", data / "dump")
    elif trick == "another kind":
        (data / "dump").unlink()
        (data / "dump").mkdir(mode=0o700)
    else:
        data.parent.rename(tmp_path / "moved")
        data.parent.symlink_to(tmp_path / "moved")
        take(data)
    assert act() == []
    assert (access_of(precious), access_of(precious / "log")) == before


def test_the_undo_leaves_alone_what_was_changed_since(data, act):
    """Whoever set another owner after the repair meant it."""
    take(data)
    act()
    os.chown(data, 4321, 4321)
    assert act("give_back") == []
    assert data.stat().st_uid == 4321
    assert stat.S_IMODE(data.stat().st_mode) == 0o750


def test_a_unit_that_nobody_recorded_is_refused(data, act, tmp_path):
    """And so is a record that anybody could have written."""
    refused = importlib.import_module("orderd_data_access").RecordRefusedError
    with pytest.raises(refused):
        act(unit="other.service")
    Path(tmp_path / "data.json").chmod(0o666)
    with pytest.raises(refused):
        act()
