"""Faults of disks and file systems on a real host: each lands, each is undone, and whatever happens no data is lost."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import msgspec
import pytest

from orderd.domain.faults import EntityKind
from ordertrainer.chaos import Void, draw, load_faults
from ordertrainer.drill import snapshot
from ordertrainer.ground import missing_packages

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]
FAULTS_DIR = Path(__file__).parents[2] / "playbooks" / "faults"
FAULTS = load_faults(FAULTS_DIR).faults
OF_DISKS = sorted(name for name, fault in FAULTS.items() if fault.group == "disk" or fault.target is EntityKind.MOUNT)
KEPT = "/srv/data/kept"
SEED = 11


@pytest.fixture(autouse=True)
def nothing_is_left_and_nothing_is_lost(clone):
    """Data that was synced before a test is there after it, and the host is what it was."""
    content = os.urandom(1 << 20).hex()
    keep(clone, content)
    before = whole(clone)
    yield
    assert within(10, lambda: clone.exec(["cat", KEPT]).stdout == content), "data was lost"
    assert within(10, lambda: whole(clone)[0] == before[0]), (before[0], whole(clone)[0])
    assert within(10, lambda: left(clone, before[1]) == []), left(clone, before[1])
    assert within(10, lambda: ask_worker(clone) == "PONG"), "the worker does not work"


def keep(clone, content):
    """Write a file on the volume and make sure that it is on the disk."""
    script = "import os, sys; f = open(sys.argv[1], 'w'); f.write(sys.stdin.read()); f.flush(); os.fsync(f.fileno())"
    clone.exec(["python3", "-c", script, KEPT], stdin=content, check=True)


def whole(clone):
    """Return what a fault of a disk could leave: files with mode and owner, and the host's inventory."""
    script = (
        "find /srv/data /tmp -xdev ! -path '*/worker/*' ! -path '/tmp/systemd-private*' -printf '%p %y %m %U:%G\\n' | sort; "
        "ls -d /var/log/*.log /var/lib/*chaos* /srv/data/worker; grep /srv/data /proc/mounts; cat /etc/fstab"
    )
    return clone.exec(["sh", "-c", script]).stdout.splitlines(), snapshot.take(clone)


def left(clone, before):
    """Return what is different from the inventory before; the database's own shared memory changes while it runs."""
    return [line for line in snapshot.residue(before, snapshot.take(clone)) if not line.startswith("/dev/shm/PostgreSQL")]


def within(seconds, holds):
    """Return True when `holds` becomes true in time."""
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return held


def ask_worker(clone):
    """Return the first word of the worker's answer to a PING."""
    script = "exec 3<>/dev/tcp/127.0.0.1/7070; echo PING >&3; read -t 2 word rest <&3; echo $word"
    return clone.exec(["bash", "-c", script]).stdout.strip()


def drawn(name, **changes):
    """Draw an experiment."""
    return msgspec.structs.replace(draw(random.Random(SEED), FAULTS[name]), **changes)


def mounted_since(inside):
    """Return when systemd last saw the volume mounted."""
    return inside.check_output("systemctl show -P ActiveEnterTimestampMonotonic srv-data.mount")


@pytest.mark.parametrize("name", OF_DISKS)
def test_a_fault_of_a_disk_lands_is_undone_and_loses_nothing(injector, name):
    """Whatever is done to the volume, the revert brings it back as it was, with what was on it."""
    experiment = drawn(name)
    try:
        injector.inject(experiment)
    except Void as reason:
        pytest.skip(str(reason))
    assert injector.landed(experiment)
    injector.revert(experiment)


def test_a_dead_disk_answers_everything_with_eio(injector, inside, clone):
    """Reading a file, making one and syncing fail with an input/output error, and the worker says that it fails."""
    experiment = drawn("disk_death")
    injector.inject(experiment)
    for command in (f"cat {KEPT}", "touch /srv/data/new", "sync -f /srv/data", "echo x >>/srv/data/worker/queue"):
        assert "Input/output error" in inside.run(command).stderr, command
    assert within(5, lambda: ask_worker(clone) == "FAIL")
    injector.revert(experiment)
    assert within(5, lambda: ask_worker(clone) == "PONG")


def test_a_dead_disk_is_brought_back_by_hand_with_unmount_fsck_and_mount(injector, inside):
    """That is the cure, it works inside the host with its own device, and the revert then touches nothing."""
    experiment = drawn("disk_death")
    injector.inject(experiment)
    device = inside.check_output("findmnt -no SOURCE /srv/data")
    inside.check_output("umount /srv/data")
    inside.run_expect([0, 1], f"fsck -p {device}")
    inside.check_output("mount /srv/data")
    since = mounted_since(inside)
    injector.revert(experiment)
    assert mounted_since(inside) == since


HOLDER = """\
[Service]
ExecStart=/usr/bin/python3 -c "import os, time; os.chdir('/srv/data'); f = open('/srv/data/kept'); time.sleep(1e6)"
"""


def test_a_service_that_lives_in_a_dead_disk_is_stopped_for_the_check_and_started_again(injector, clone, inside):
    """It would keep the volume from being unmounted; the worker, which does not, is not touched."""
    unit = clone.proc_root / "run/systemd/system/holder.service"
    unit.write_text(HOLDER)
    inside.check_output("systemctl daemon-reload; systemctl start holder")
    worker, holder = (inside.check_output("systemctl show -P MainPID %s", name) for name in ("drill-worker", "holder"))
    experiment = drawn("disk_death")
    injector.inject(experiment)
    injector.revert(experiment)
    assert inside.service("holder").is_running
    assert inside.check_output("systemctl show -P MainPID holder") != holder
    assert inside.check_output("systemctl show -P MainPID drill-worker") == worker
    inside.check_output("systemctl stop holder")
    unit.unlink()
    inside.check_output("systemctl daemon-reload")


def test_a_volume_that_was_mounted_again_and_taken_off_on_purpose_stays_off(injector, inside):
    """A revert puts back what the fault took, never what a person took."""
    experiment = drawn("mount_gone")
    injector.inject(experiment)
    inside.check_output("mount /srv/data; sleep 0.5; umount /srv/data; sleep 0.5")
    injector.revert(experiment)
    assert not inside.mount_point("/srv/data").exists
    inside.check_output("mount /srv/data")


def test_what_hangs_over_a_path_hangs_nobody_once_it_is_gone(injector, clone):
    """Processes that wait for the share go on when the revert has taken it off."""
    experiment = drawn("mount_stale_hung")
    injector.inject(experiment)
    assert injector.landed(experiment)
    clone.exec(["systemd-run", "--quiet", "--unit=waiter", "stat", "/srv/data/kept"], check=True)
    assert not within(1, lambda: "inactive" in clone.exec(["systemctl", "is-active", "waiter"]).stdout)
    injector.revert(experiment)
    assert within(5, lambda: "active" not in clone.exec(["systemctl", "is-active", "waiter"]).stdout.split())
    clone.exec(["systemctl", "reset-failed", "waiter"])
