"""What counts as being changed, and for how long, with a systemd, people and a clock made by hand."""

import os

import msgspec
import pytest

from orderd.config.schema import Config
from orderd.domain.changes import ChangeKind
from orderd.sampling.changes import ChangeWatch
from orderd.sampling.changes.packages import Transaction
from orderd.sampling.changes.people import Person, Process, VanishedError

NGINX = "nginx.service"
ALICE = Person(user="alice", terminal="pts/0", origin="")
JOB = {"ActiveState": "active", "Job": (5, "/job/5")}


class Host:
    """Systemd, people and packages of a host."""

    def __init__(self):
        self.listeners, self.processes, self.person, self.recent, self.transaction, self.owner = [], [], None, None, None, 0
        self.known, self.gone = {}, False

    def listen(self, listener):
        self.listeners.append(listener)

    def properties(self, unit):
        return self.known.get(unit)

    def named(self, names):
        return iter(self.processes)

    def person_behind(self, process):
        if self.gone:
            raise VanishedError
        return self.person

    def recently_at_a_terminal(self, utc_ns):
        return self.recent

    def uid(self, pid):
        return self.owner

    def current(self):
        return self.transaction

    def announce(self, unit="", **changed):
        self.listeners[0](unit, changed)

    def run(self, *argv, person=ALICE):
        number = 100 + len(argv) + sum(map(len, argv))
        self.processes = [Process(pid=number, name="systemctl", parent=1, terminal=1, start=number, argv=argv)]
        self.person = person


@pytest.fixture
def host():
    """Return a host on which nothing happens."""
    return Host()


@pytest.fixture
def watch(host, manual_clock, tmp_path):
    """Return a watch over nginx on that host."""
    changes = {"markers": str(tmp_path / "markers"), "person_s": 600.0, "settle_s": 10.0, "longest_s": 100.0}
    config = msgspec.convert({"services": [{"unit": NGINX}], "decision": {"changes": changes}}, Config)
    return ChangeWatch(config, manual_clock, host, packages=host, people=host, is_masked=lambda unit: False)


async def test_a_person_s_stop_keeps_repairs_away_for_person_s(host, watch, manual_clock):
    """Who and what are told; after person_s the unit is orderd's again."""
    host.run("systemctl", "stop", "nginx")
    host.announce(NGINX, **JOB)
    (change,) = watch.current()
    assert (change.kind, str(change.entity), change.who, change.what) == (
        ChangeKind.PERSON,
        f"unit:{NGINX}",
        "alice on pts/0",
        "systemctl stop nginx",
    )
    manual_clock.advance(599)
    assert watch.current()
    manual_clock.advance(2)
    assert watch.current() == ()


async def test_a_program_s_stop_keeps_nobody_away(host, watch):
    """The same command without a person behind it is a fault like any other."""
    host.run("systemctl", "stop", "nginx", person=None)
    host.announce(NGINX, **JOB)
    host.announce(NGINX, ActiveState="inactive")
    assert watch.current() == ()


async def test_a_program_explains_a_stop_also_while_somebody_is_typing(host, watch, manual_clock):
    """Where a process names the unit, nobody at a terminal is presumed to have done it."""
    host.recent = ALICE
    host.run("systemctl", "stop", "nginx", person=None)
    host.announce(NGINX, **JOB)
    host.processes = []
    manual_clock.advance(1)
    host.announce(NGINX, ActiveState="deactivating", Job=(5, "/job/5"))
    host.announce(NGINX, ActiveState="inactive", Job=(0, "/"))
    assert watch.current() == ()


async def test_a_stop_that_nothing_explains_is_presumed_to_be_whoever_typed_just_then(host, watch):
    """Clean, by a job, no process left: somebody at a terminal did it; with nobody there it is a fault."""
    host.announce(NGINX, **JOB)
    host.announce(NGINX, ActiveState="inactive", Job=(0, "/"))
    assert watch.current() == ()
    host.announce(NGINX, ActiveState="active", Job=(0, "/"))
    host.recent = ALICE
    host.announce(NGINX, **JOB)
    host.announce(NGINX, ActiveState="inactive", Job=(0, "/"))
    (change,) = watch.current()
    assert change.what == f"stopped {NGINX}, presumably"


async def test_a_command_that_ended_while_it_was_looked_at_explains_nothing(host, watch):
    """Its login may have gone with it, so that nobody can be seen behind it: whoever logged out just then is presumed."""
    host.recent, host.gone = ALICE, True
    host.run("systemctl", "stop", NGINX, person=None)
    host.announce(NGINX, **JOB)
    host.announce(NGINX, ActiveState="inactive", Job=(0, "/"))
    (change,) = watch.current()
    assert change.what == f"stopped {NGINX}, presumably"


async def test_the_first_stop_is_presumed_though_it_had_begun_when_it_was_told(host, watch):
    """On a busy host the first word about a unit that has run since before orderd may tell of a stop that is under way."""
    host.recent = ALICE
    host.known = {NGINX: {"ActiveState": "active"}}
    host.announce(NGINX, ActiveState="deactivating", Job=(5, "/job/5"))
    host.announce(NGINX, ActiveState="inactive", Job=(0, "/"))
    (change,) = watch.current()
    assert change.what == f"stopped {NGINX}, presumably"


async def test_a_crash_while_somebody_types_is_a_crash(host, watch, manual_clock):
    """A unit that failed was not stopped by anybody; neither was one that ended without a job."""
    host.recent = ALICE
    host.announce(NGINX, ActiveState="failed", Job=(0, "/"))
    manual_clock.advance(1)
    host.announce(NGINX, ActiveState="activating", Job=(6, "/job/6"))
    host.announce(NGINX, ActiveState="failed", Job=(0, "/"))
    assert watch.current() == ()


async def test_a_change_ends_soon_after_the_unit_runs_again(host, watch, manual_clock):
    """After a restart only settle_s is left of person_s."""
    host.run("systemctl", "restart", "nginx")
    host.announce(NGINX, **JOB)
    host.announce(NGINX, ActiveState="deactivating")
    host.announce(NGINX, ActiveState="active", Job=(0, "/"))
    assert watch.current()
    manual_clock.advance(11)
    assert watch.current() == ()


async def test_a_name_alone_is_no_evidence(host, watch):
    """A user's own program called systemctl holds nothing back, unless the unit really got a job or a mask."""
    host.owner = 1000
    host.run("systemctl", "mask", "nginx")
    host.announce()
    assert watch.current() == ()
    host.run("systemctl", "stop", "nginx")
    host.announce("other.service", **JOB)
    assert watch.current() == ()


async def test_a_unit_that_goes_down_with_another_is_held_too(host, watch):
    """PartOf and its like: who stops the one means the other."""
    host.known[NGINX] = {"PartOf": ["web.target"]}
    host.run("systemctl", "stop", "web.target")
    host.announce(NGINX, **JOB)
    assert watch.current()


async def test_a_transaction_holds_the_host_and_settles(host, watch, manual_clock):
    """While it lasts and settle_s after it, but never beyond longest_s."""
    host.transaction = Transaction(program="apt-get", pid=7, lock="/var/lib/dpkg/lock")
    (change,) = watch.current()
    assert (change.kind, change.entity, change.who) == (ChangeKind.PACKAGES, None, "apt-get (pid 7)")
    manual_clock.advance(50)
    assert watch.current()
    host.transaction = None
    manual_clock.advance(9)
    assert watch.current()
    manual_clock.advance(5)
    assert watch.current() == ()
    host.transaction = Transaction(program="apt-get", pid=8, lock="/var/lib/dpkg/lock")
    assert watch.current()
    for _ in range(12):
        manual_clock.advance(9)
        last = watch.current()
    assert last == ()


async def test_a_marker_left_behind_has_used_up_its_time(host, watch, manual_clock, tmp_path):
    """A marker older than longest_s holds nothing back when orderd starts; touching it does."""
    folder = tmp_path / "markers"
    folder.mkdir(mode=0o755)
    marker = folder / "release"
    marker.write_text("why\x1b\n")
    old_ns = manual_clock.utc_ns - int(200e9)
    os.utime(marker, ns=(old_ns, old_ns))
    assert watch.current() == ()
    os.utime(marker, ns=(manual_clock.utc_ns, manual_clock.utc_ns))
    (change,) = watch.current()
    assert change.what == "deploy marker release: why?"


async def test_markers_that_anybody_may_write_are_not_believed(host, watch, tmp_path):
    """A world-writable folder would let every user keep repairs away; the problem is said."""
    folder = tmp_path / "markers"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "release").write_text("")
    assert watch.current() == ()
    assert "chmod o-w" in watch.problem


async def test_a_marker_that_is_no_file_neither_counts_nor_hangs(host, watch, tmp_path):
    """Pipes, links and folders are passed over."""
    folder = tmp_path / "markers"
    folder.mkdir(mode=0o755)
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("/etc/hostname")
    (folder / "folder").mkdir()
    assert watch.current() == ()


async def test_the_end_of_a_start_is_no_beginning_of_a_stop(host, watch, manual_clock):
    """A start's job is told once more when the unit is up; whoever was at a terminal then did not stop it later."""
    host.recent = ALICE
    host.announce(NGINX, ActiveState="inactive", Job=(0, "/"))
    host.announce(NGINX, ActiveState="inactive", Job=(7, "/job/7"))
    host.announce(NGINX, ActiveState="active", Job=(7, "/job/7"))
    host.announce(NGINX, ActiveState="active", Job=(0, "/"))
    watch.current()
    host.recent = None
    manual_clock.advance(20)
    host.announce(NGINX, ActiveState="active", Job=(9, "/job/9"))
    host.announce(NGINX, ActiveState="inactive", Job=(0, "/"))
    assert watch.current() == ()
