"""The module that restores who may enter a mount, called as Python on a directory that stands for one."""

import importlib
import json
import os
import stat

import pytest

from repair_modules import importable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="records have to be root's: run as root")
RECORDED = {"mode": 0o2775, "uid": 0, "gid": 33}
BROKEN = {"mode": 0o700, "uid": 0, "gid": 0}


@pytest.fixture(scope="module", autouse=True)
def _modules():
    with importable():
        yield


@pytest.fixture
def module():
    return importlib.import_module("orderd_mount_access")


@pytest.fixture
def mount(tmp_path):
    """Return parameters and a directory that is not as recorded."""
    place, record = tmp_path / "data", tmp_path / "known-good"
    place.mkdir()
    record.mkdir()
    set_access(place, BROKEN)
    (record / "mounts.json").write_text(json.dumps({str(place): {"source": "/dev/loop0", **RECORDED}}))
    return {"path": str(place), "known_good": str(record), "quarantine": str(tmp_path / "quarantine" / "r1")}, place


def set_access(place, access):
    os.chown(place, access["uid"], access["gid"])
    place.chmod(access["mode"])


def access_of(place):
    status = place.stat()
    return {"mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}


def act(module, name, params, *, dry_run=False):
    with module.Top(params["path"]) as top:
        return getattr(module, name)(params, top, dry_run)


def test_owner_and_mode_come_back_once(module, mount):
    """The recorded ones, with every bit; a second run finds nothing to do, a dry run does nothing."""
    params, place = mount
    assert act(module, "restore", params, dry_run=True)
    assert access_of(place) == BROKEN
    assert act(module, "restore", params)
    assert access_of(place) == RECORDED
    assert not act(module, "restore", params)


def test_what_lies_below_is_left_alone(module, mount):
    """The record says nothing of it."""
    params, place = mount
    below = place / "below"
    below.mkdir()
    set_access(below, BROKEN)
    act(module, "restore", params)
    assert access_of(below) == BROKEN


def test_the_undo_gives_back_what_was_there(module, mount):
    """Where this repair's doing is still in place; what somebody set afterwards stays."""
    params, place = mount
    assert not act(module, "give_back", params)
    act(module, "restore", params)
    set_access(place, RECORDED | {"mode": 0o711})
    assert not act(module, "give_back", params)
    assert access_of(place)["mode"] == 0o711
    set_access(place, RECORDED)
    assert act(module, "give_back", params)
    assert access_of(place) == BROKEN


@pytest.mark.parametrize("spoil", ["older release", "nobody's"])
def test_a_record_that_does_not_say_or_cannot_be_trusted_is_refused(module, mount, tmp_path, spoil):
    """Nothing is changed by guess, and nothing by the word of whoever may write the record."""
    params, place = mount
    record = tmp_path / "known-good" / "mounts.json"
    if spoil == "older release":
        record.write_text(json.dumps({str(place): {"source": "/dev/loop0"}}))
    else:
        record.chmod(0o666)
    with pytest.raises(module.RecordRefusedError):
        act(module, "restore", params)
    assert access_of(place) == BROKEN


def test_a_link_in_the_place_of_a_mount_is_not_followed(module, mount, tmp_path):
    """Whoever may write beside the mount point decides nothing."""
    params, place = mount
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="data"):
        act(module, "restore", params)
