"""Sights and undos of mounts on the host's own Python: what they see in the mount table, and when they leave a mount alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HOST = Path(__file__).parents[3] / "playbooks" / "faults" / "common" / "host"
TABLE = """\
22 1 0:41 / / rw,nodev - overlay overlay rw,lowerdir=/a:/b
30 22 7:1 / /srv/data rw,nosuid shared:2 - ext4 /dev/loop1 rw,stripe=4
31 22 7:2 / /with\\040space ro - ext4 /dev/loop2 rw
"""
OVER = "40 30 0:77 / /srv/data rw,relatime - fuse team-share rw,user_id=0\n"
DAMAGED = "30 22 7:1 / /srv/data rw,nosuid shared:2 - ext4 /dev/loop1 ro\n"
BEFORE = {"source": "/dev/loop1", "fstype": "ext4", "options": "rw", "mounted_at": "100"}
STEP = {"path": "/srv/data", "source": "team-share"}


class Host:
    """What the undos find on a host, and what they did to it."""

    def __init__(self, module, volumes):
        self.table, self.alive, self.since, self.boot = "", True, "100", "a"
        self.did, self.busy, self.module, self.volumes = [], 0, module, volumes

    def run(self, *argv):
        """Take a command down, and change the mount table as it would."""
        self.did.append(" ".join(argv))
        if argv[0] == "umount":
            if self.busy and f"systemctl stop {self.module.user}" not in self.did:
                raise OSError("target is busy")
            there = [line for line in self.table.splitlines(keepends=True) if " /srv/data " in line]
            self.table = self.table.replace(there[-1], "")
        if argv[0] == "mount":
            self.table, self.alive = TABLE, True
        return ""


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
def host(on_host, monkeypatch, tmp_path):
    """A host that is looked at and acted on by the undos alone."""
    undo, volumes = on_host("undo").mounts, on_host("volumes")
    undo.user = "holder.service"
    host = Host(undo, volumes)
    monkeypatch.setattr(undo, "mounted_at", lambda path: volumes.mounted_at(path, host.table))
    monkeypatch.setattr(undo, "answers", lambda _path: host.alive)
    monkeypatch.setattr(undo, "boot_id", lambda: host.boot)
    monkeypatch.setattr(undo, "_mounted_since", lambda _path: host.since)
    monkeypatch.setattr(undo, "_users", lambda _path: [undo.user])
    monkeypatch.setattr(undo, "_check", lambda before: host.did.append(f"fsck {before['source']}"))
    monkeypatch.setattr(undo, "run", host.run)
    monkeypatch.setattr(undo, "STOPPED", tmp_path / "stopped.json")
    monkeypatch.setattr(undo, "BUSY_PAUSE_S", 0)
    return host


def test_the_mount_table_names_source_type_and_all_options(on_host):
    """A path with a blank in it, and options of the mount as well as of its file system, are read as they are."""
    mounted_at = on_host("volumes").mounted_at
    (data,) = mounted_at("/srv/data", TABLE)
    assert data == ("/dev/loop1", "ext4", ("rw", "nosuid", "rw", "stripe=4"))
    assert not data.read_only
    assert mounted_at("/with space", TABLE)[0].read_only
    assert mounted_at("/srv", TABLE) == []


def test_a_file_system_that_says_so_itself_is_read_only(on_host):
    """An error of the disk makes the file system read-only and not the mount."""
    assert on_host("volumes").mounted_at("/srv/data", DAMAGED)[-1].read_only


def test_what_was_mounted_last_on_a_path_is_what_is_seen_there(on_host):
    """Of two mounts on one path the upper one comes last."""
    assert [mount.source for mount in on_host("volumes").mounted_at("/srv/data", TABLE + OVER)] == ["/dev/loop1", "team-share"]


def test_a_directory_that_can_be_synced_answers(on_host, tmp_path):
    """A file system in order is no dead one."""
    assert on_host("volumes").answers(str(tmp_path))


def test_a_mount_that_is_asked_by_a_child_and_answers_does_not_hang(on_host, tmp_path):
    """The child that asks ends, and nobody waits for it longer."""
    assert not on_host("sights").seen({"see": "mount_hangs", "path": str(tmp_path)}, None)


def test_a_dead_volume_is_unmounted_checked_and_mounted(host):
    """In this order, and no service is touched when none is in it."""
    host.table, host.alive = TABLE, False
    said = host.module._revert_dead(STEP, BEFORE, "a")
    assert host.did == ["umount /srv/data", "fsck /dev/loop1", "mount -t ext4 -o rw /dev/loop1 /srv/data"]
    assert said == "/srv/data: unmounted, checked and mounted again"


def test_services_in_a_dead_volume_are_stopped_and_started_again(host):
    """Only when it is busy, and they run again only once it is mounted."""
    host.table, host.alive, host.busy = TABLE, False, True
    host.module._revert_dead(STEP, BEFORE, "a")
    did = [line for line in host.did if not line.startswith("umount")]
    assert did == [
        "systemctl stop holder.service",
        "fsck /dev/loop1",
        "mount -t ext4 -o rw /dev/loop1 /srv/data",
        "systemctl start holder.service",
    ]


def test_a_revert_that_was_cut_off_starts_what_it_had_stopped(host):
    """Run again after it had unmounted and stopped, it mounts and starts."""
    host.table = ""
    host.module._remember(["holder.service"])
    host.since = "200"
    host.module._revert_dead(STEP, BEFORE, "a")
    assert host.did[-1] == "systemctl start holder.service"


def test_a_dead_volume_that_somebody_keeps_busy_is_tried_again_later(host):
    """Whoever belongs to no service is not killed: the revert fails and the experiment stays armed."""
    host.table, host.alive, host.busy = TABLE, False, True
    host.module._users = lambda _path: []
    with pytest.raises(OSError, match="no service"):
        host.module._revert_dead(STEP, BEFORE, "a")
    assert not [line for line in host.did if line.startswith(("mount", "fsck"))]


@pytest.mark.parametrize("kind", ["dead", "gone", "read_only"])
def test_a_volume_that_somebody_has_mended_is_left_alone(host, kind):
    """Mounted, answering and writable: no command is run on it."""
    host.table = TABLE
    assert "left alone" in getattr(host.module, f"_revert_{kind}")(STEP, BEFORE, "a")
    assert host.did == []


@pytest.mark.parametrize("kind", ["dead", "gone"])
def test_a_volume_that_was_mended_and_then_unmounted_on_purpose_stays_so(host, kind):
    """Systemd saw it mounted since the fault; whoever took it off after that meant it."""
    host.since = "200"
    assert "left alone" in getattr(host.module, f"_revert_{kind}")(STEP, BEFORE, "a")
    assert host.did == []


def test_a_volume_that_is_still_unmounted_after_a_boot_is_mounted(host):
    """The time of a mount before the boot says nothing about this one."""
    host.boot, host.since = "b", "200"
    host.module._revert_gone(STEP, BEFORE, "a")
    assert host.did == ["mount -t ext4 -o rw /dev/loop1 /srv/data"]


def test_only_what_the_fault_laid_over_a_path_is_taken_off(host):
    """The volume below stays, and so does what somebody else has mounted on top."""
    host.table = TABLE + OVER
    assert host.module._revert_over(STEP, None, "a") == "/srv/data: freed"
    assert host.did == ["umount --lazy --no-canonicalize /srv/data"]
    host.table += OVER + OVER.replace("team-share", "other")
    assert "left alone" in host.module._revert_over(STEP, None, "a")


def test_a_host_without_a_volume_there_is_no_place_to_start(host):
    """Nothing mounted, two mounts, or one that is no block device: refused before anything is touched."""
    refused = host.module.Refused
    for table in ("", TABLE + OVER, TABLE.replace("/dev/loop1", "tmpfs")):
        host.table = table
        with pytest.raises(refused, match="no steady state"):
            host.module._capture_volume(STEP)


def test_a_directory_of_the_faults_own_making_is_removed_and_a_link_in_its_place_is_not_followed(host, tmp_path):
    """What lies behind a link that somebody put there is kept."""
    kept, made = tmp_path / "kept", tmp_path / "made"
    kept.mkdir()
    (kept / "file").touch()
    made.symlink_to(kept)
    assert "left alone" in host.module._revert_tree({"path": str(made)}, None, "a")
    assert (kept / "file").exists()
    assert host.module._revert_tree({"path": str(kept)}, None, "a").endswith("removed")
    assert not kept.exists()
