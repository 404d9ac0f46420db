import os
import subprocess
import sys

from ordertrainer.ground.hosts import abandoned, names
from ordertrainer.ground.ledger import Entry, Ledger, Owner, Record, is_alive, start_ticks, this_process
from ordertrainer.ground.paths import LEDGER, Ground


def ground_with(tmp_path, **owners):
    """A ground with one recorded host per keyword, of that owner."""
    ground = Ground(state_dir=tmp_path / "state", run_dir=tmp_path / "run")
    for index, (name, owner) in enumerate(owners.items(), start=1):
        ground.host_dir(name).mkdir(parents=True)
        Ledger(ground.host_dir(name) / LEDGER, Record(name=name, owner=owner, index=index)).save()
    return ground


def test_an_entry_is_on_disk_before_enter_returns(tmp_path):
    """Whoever reads the file after `enter` knows how to undo what comes next, even if the owner is killed there."""
    ledger = Ledger(tmp_path / LEDGER, Record(name="a", token="t", owner=None))
    ledger.enter("mount", "/somewhere")
    ledger.enter("link", "drill1")
    assert Ledger.load(tmp_path / LEDGER).record.entries == [
        Entry(kind="mount", value="/somewhere"),
        Entry(kind="link", value="drill1"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == [LEDGER]


def test_a_process_that_ended_is_no_living_owner():
    """An owner lives only as long as the process with its pid and its start time."""
    assert is_alive(this_process())
    assert not is_alive(Owner(pid=os.getpid(), start_ticks=start_ticks(os.getpid()) + 1))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        owner = Owner(pid=child.pid, start_ticks=start_ticks(child.pid))
        assert is_alive(owner)
    assert not is_alive(owner)


def test_a_zombie_is_no_living_owner():
    """An owner that was killed but not yet collected by its parent is dead all the same."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        owner = Owner(pid=child.pid, start_ticks=start_ticks(child.pid))
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(owner)


def test_only_hosts_of_dead_owners_are_abandoned(tmp_path):
    """A kept host and one with a living owner are left alone; a draft without a name is no host."""
    dead = Owner(pid=os.getpid(), start_ticks=1)
    ground = ground_with(tmp_path, kept=None, mine=this_process(), orphan=dead)
    ground.draft_dir("half").mkdir()
    assert names(ground) == ["kept", "mine", "orphan"]
    assert abandoned(ground) == ["orphan"]
