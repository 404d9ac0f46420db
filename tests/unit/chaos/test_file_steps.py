"""What a fault does to files on the host's own Python: what is changed is what is undone, and nothing that anybody else did."""

from __future__ import annotations

import grp
import json
import os
import pwd
import sys
from pathlib import Path

import pytest

HOST = Path(__file__).parents[3] / "playbooks" / "faults" / "common" / "host"
TEXT = "user www-data;\nworkers 2;\n# workers 2;\n"
OWNER = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"
STEPS = {
    "edited": {"undo": "edited", "old": "workers 2;", "new": "workers many;"},
    "cut": {"undo": "cut", "after": "\nwork"},
    "removed": {"undo": "removed"},
}
BROKEN = {"edited": "user www-data;\nworkers many;\n# workers 2;\n", "cut": "user www-data;\nwork", "removed": None}


@pytest.fixture
def on_host(monkeypatch):
    """Import a module of the host's part as the host does."""
    monkeypatch.syspath_prepend(str(HOST))
    before = set(sys.modules)
    yield __import__
    for name in set(sys.modules) - before:
        if str(HOST) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def files(on_host):
    """The undos of files."""
    return on_host("undo").files


@pytest.fixture
def file(tmp_path):
    """A configuration file, with a mode and an age of its own."""
    file = tmp_path / "site.conf"
    file.write_text(TEXT)
    file.chmod(0o640)
    os.utime(file, ns=(10**18, 10**18))
    return file


def described(file):
    """Return all of a file that a revert has to bring back."""
    state = file.lstat()
    return file.read_text(), state.st_mode, state.st_uid, state.st_gid, state.st_mtime_ns


def content(file):
    """Return what a file holds, None when it is gone."""
    return file.read_text() if file.exists() else None


@pytest.fixture(params=sorted(STEPS))
def step(request, file):
    """Each way of changing somebody else's file."""
    return STEPS[request.param] | {"path": str(file)}


def test_what_was_changed_is_undone_to_the_last_bit(files, file, step):
    """Content, mode, owner and time are what they were, and nothing staged is left."""
    was = described(file)
    before = files.KINDS[step["undo"]][0](step)
    files.CHANGES[step["undo"]](step, before)
    assert content(file) == BROKEN[step["undo"]]
    assert "restored" in files.KINDS[step["undo"]][1](step, before, "boot")
    assert described(file) == was
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_was_mended_is_left_alone(files, file, step):
    """Whatever anybody has written since stays, also what was there before; reverting twice is reverting once."""
    before = files.KINDS[step["undo"]][0](step)
    files.CHANGES[step["undo"]](step, before)
    for mended in (TEXT, "something else\n"):
        file.write_text(mended)
        assert "left alone" in files.KINDS[step["undo"]][1](step, before, "boot")
        assert file.read_text() == mended


def test_a_link_in_the_place_of_a_removed_file_is_left_alone(files, file):
    """A link that leads nowhere is somebody's too."""
    step = STEPS["removed"] | {"path": str(file)}
    before = files.KINDS["removed"][0](step)
    files.CHANGES["removed"](step, before)
    file.symlink_to("/nowhere")
    assert "left alone" in files.KINDS["removed"][1](step, before, "boot")
    assert file.is_symlink()


def test_a_mode_that_somebody_has_set_since_is_kept(files, file):
    """What a file holds was the fault's doing, who may read it was not."""
    step = STEPS["edited"] | {"path": str(file)}
    before = files.KINDS["edited"][0](step)
    files.CHANGES["edited"](step, before)
    file.chmod(0o600)
    files.KINDS["edited"][1](step, before, "boot")
    assert content(file) == TEXT
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_changed_after_the_arming_is_not_broken(files, file, step):
    """What the revert could not bring back is not overwritten."""
    before = files.KINDS[step["undo"]][0](step)
    file.write_text("newer\n")
    with pytest.raises(OSError, match="not what it was"):
        files.CHANGES[step["undo"]](step, before)
    assert content(file) == "newer\n"


REFUSED = [
    ({"undo": "edited", "old": "threads", "new": ""}, "does not hold 'threads'"),
    ({"undo": "edited", "old": "2;", "new": "2;"}, "already"),
    ({"undo": "cut", "after": "threads"}, "does not hold 'threads'"),
    ({"undo": "cut", "after": TEXT}, "already"),
]


@pytest.mark.parametrize(("step", "says"), REFUSED, ids=[says + str(number) for number, (_, says) in enumerate(REFUSED)])
def test_a_file_that_cannot_be_broken_this_way_refuses_the_fault(on_host, files, file, step, says):
    """A file that does not hold what the fault changes, or holds what it would make, is no place to start from."""
    with pytest.raises(on_host("failures").Refused, match=says):
        files.KINDS[step["undo"]][0](step | {"path": str(file)})


def test_only_regular_files_of_some_size_are_kept(on_host, files, file, tmp_path, monkeypatch):
    """A link, a directory, nothing, and a file too large for a baseline refuse the fault."""
    (tmp_path / "link").symlink_to(file)
    monkeypatch.setattr(files, "FILE_BYTES_MAX", len(TEXT) - 1)
    for path in (tmp_path / "link", tmp_path, tmp_path / "none", file):
        with pytest.raises(on_host("failures").Refused, match="no regular file"):
            files.KINDS["removed"][0]({"undo": "removed", "path": str(path)})


def test_a_drop_in_takes_the_directory_with_it_that_it_needed(files, tmp_path):
    """What the fault wrote is readable to all, and afterwards not even its directory is there."""
    path = tmp_path / "nginx.service.d" / "90-site.conf"
    step = {"undo": "path", "path": str(path), "link": "", "content": "[Service]\n"}
    before = files.KINDS["path"][0](step)
    files.CHANGES["path"](step, before)
    assert path.read_text() == "[Service]\n"
    assert [path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777] == [0o644, 0o755]
    files.KINDS["path"][1](step, before, "boot")
    assert not list(tmp_path.iterdir())


def test_mode_and_owner_are_given_back_while_they_are_the_faults(files, file):
    """Both when the fault set both; a mode that somebody has set since stays."""
    step = {"undo": "access", "path": str(file), "mode": "0000", "owner": OWNER}
    before = files.KINDS["access"][0](step)
    files.CHANGES["access"](step, before)
    assert file.stat().st_mode & 0o7777 == 0
    file.chmod(0o604)
    assert "left alone" in files.KINDS["access"][1](step, before, "boot")
    file.chmod(0)
    files.KINDS["access"][1](step, before, "boot")
    assert file.stat().st_mode & 0o7777 == 0o640


def test_a_file_that_has_that_access_already_refuses_the_fault(on_host, files, file):
    """Nothing would be broken, and the revert would take away what was there before."""
    with pytest.raises(on_host("failures").Refused, match="already"):
        files.KINDS["access"][0]({"undo": "access", "path": str(file), "mode": "0640", "owner": OWNER})


def test_sights_of_files_see_what_happened_and_nothing_before(on_host, file):
    """A file that differs, one that is gone, and one that has a certain mode and owner."""
    sights, path = on_host("sights"), str(file)
    differs, absent = {"see": "differs", "path": path}, {"see": "absent", "path": path}
    access = {"see": "access", "path": path, "mode": "0640", "owner": OWNER}
    before = sights.capture(differs)
    assert [sights.seen(differs, before), sights.seen(absent, None), sights.seen(access, None)] == [False, False, True]
    file.write_text("x")
    file.chmod(0o600)
    assert [sights.seen(differs, before), sights.seen(absent, None), sights.seen(access, None)] == [True, False, False]
    file.unlink()
    assert [sights.seen(differs, before), sights.seen(absent, None), sights.seen(access, None)] == [True, True, False]


@pytest.fixture
def armed(on_host, monkeypatch, tmp_path, file):
    """An experiment that is armed to cut a file off."""
    records, files = on_host("records"), on_host("undo").files
    for name in ("HOME", "BASELINE", "LOCK"):
        monkeypatch.setattr(records, name, tmp_path / "experiment" / getattr(records, name).name)
    (tmp_path / "experiment").mkdir()
    step = STEPS["cut"] | {"path": str(file)}
    records.BASELINE = tmp_path / "experiment" / "baseline.json"
    others = {"step": {"undo": "unit", "unit": "nginx.service"}, "before": "1"}
    records.BASELINE.write_text(json.dumps({"revert": [{"step": step, "before": files.KINDS["cut"][0](step)}, others]}))
    return records


def test_the_host_changes_what_its_baseline_can_undo(on_host, armed, file):
    """Every step that is about a file is carried out, the others are none of its business."""
    assert on_host("change").change() == {"changed": [str(file)]}
    assert content(file) == BROKEN["cut"]


@pytest.mark.parametrize("gone", ["baseline.json", "all of it"])
def test_nothing_is_changed_once_the_revert_has_run(on_host, armed, file, gone):
    """Who comes too late breaks nothing that nobody would put right."""
    armed.BASELINE.unlink()
    if gone != "baseline.json":
        armed.BASELINE.parent.rmdir()
    with pytest.raises(OSError, match="over"):
        on_host("change").change()
    assert content(file) == TEXT
