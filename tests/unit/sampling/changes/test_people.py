"""People and programs, by the process tables they leave."""

import os
import shutil
import struct

import pytest

from orderd.sampling.changes.people import People, VanishedError, terminal_name

PTS0 = (136 << 8) | 0
UTMP = "=hxxi32s4s32s256s8xi40x"


class Proc:
    """A /proc made by hand."""

    def __init__(self, root):
        self.root = root
        (root / "dev/pts").mkdir(parents=True)

    def add(self, pid, parent, argv, terminal=0, *, name=None, cgroup="/system.slice/ssh.service"):
        folder = self.root / str(pid)
        folder.mkdir()
        name = name or argv[0].rpartition("/")[2].lstrip("-")
        fields = ["S", parent, pid, pid, terminal, 0, *[0] * 13, 1000 + pid]
        (folder / "stat").write_text(f"{pid} ({name}) {' '.join(map(str, fields))} 0 0\n")
        (folder / "cmdline").write_bytes(b"\0".join(word.encode() for word in argv) + b"\0")
        (folder / "cgroup").write_text(f"0::{cgroup}\n")
        (folder / "loginuid").write_text("1000")

    def utmp(self, *records):
        rows = [struct.pack(UTMP, kind, 1, line, b"", user, host, at) for kind, line, user, host, at in records]
        (self.root / "utmp").write_bytes(b"".join(rows))

    def people(self):
        (self.root / "passwd").write_text("root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n")
        return People(proc=self.root, utmp=self.root / "utmp", passwd=self.root / "passwd", dev=self.root / "dev")


@pytest.fixture
def proc(tmp_path):
    """Return an empty process table with sshd in it."""
    table = Proc(tmp_path)
    table.add(1, 0, ["/sbin/init"], name="systemd")
    table.add(50, 1, ["sshd: alice@pts/0"], name="sshd")
    return table


def behind(proc):
    people = proc.people()
    (process,) = people.named(frozenset({"systemctl"}))
    return people.person_behind(process)


def test_somebody_at_a_prompt_is_a_person(proc):
    """Sudo, scripts and interpreters below a waiting shell are that person's doing; who and where from are told."""
    proc.add(60, 50, ["-bash"], PTS0)
    proc.add(70, 60, ["python3", "deploy.py"], PTS0)
    proc.add(80, 70, ["systemctl", "stop", "nginx"], PTS0)
    proc.utmp((7, b"pts/0", b"alice", b"192.0.2.7", 1))
    assert str(behind(proc)) == "alice on pts/0 from 192.0.2.7"


def test_a_command_over_ssh_with_a_terminal_is_a_person(proc):
    """Nothing but shells and sudo lie between the login and the command."""
    proc.add(60, 50, ["bash", "-c", "sudo systemctl stop nginx"], PTS0, cgroup="/user.slice/session-4.scope")
    proc.add(70, 60, ["sudo", "systemctl", "stop", "nginx"], PTS0, cgroup="/user.slice/session-4.scope")
    proc.add(80, 70, ["systemctl", "stop", "nginx"], PTS0, cgroup="/user.slice/session-4.scope")
    assert str(behind(proc)) == "alice on pts/0"


def test_a_command_that_ended_meanwhile_is_whose_its_shell_is(proc):
    """A quick stop is over before it is known who ran it; the login is still there."""
    proc.add(60, 50, ["bash", "-c", "systemctl stop nginx"], PTS0, cgroup="/user.slice/session-4.scope")
    proc.add(70, 60, ["systemctl", "stop", "nginx"], PTS0, cgroup="/user.slice/session-4.scope")
    people = proc.people()
    (process,) = people.named(frozenset({"systemctl"}))
    shutil.rmtree(proc.root / "70")
    assert str(people.person_behind(process)) == "alice on pts/0"


@pytest.mark.parametrize(
    ("between", "terminal", "cgroup"),
    [
        (["sh", "-c", "systemctl stop nginx"], 0, "/user.slice/session-4.scope"),
        (["python3", "/root/.ansible/tmp/AnsiballZ_systemd.py"], PTS0, "/user.slice/session-4.scope"),
        (["bash", "/usr/local/bin/script"], PTS0, "/system.slice/cron.service"),
        (["bash", "-s"], 0, "/user.slice/session-4.scope"),
    ],
)
def test_a_program_is_no_person(proc, between, terminal, cgroup):
    """Without a terminal, with an interpreter but no prompt above it, or outside of any login."""
    proc.add(60, 50, between, terminal, cgroup=cgroup)
    proc.add(80, 60, ["systemctl", "stop", "nginx"], terminal, cgroup=cgroup)
    proc.utmp()
    assert behind(proc) is None


def test_hostile_names_are_made_fit(proc):
    """Whatever utmp and the process table hold becomes one printable line."""
    proc.add(60, 50, ["-bash"], PTS0)
    proc.add(80, 60, ["systemctl", "stop", "nginx"], PTS0, name="systemctl")
    proc.utmp((7, b"pts/0", b"a\nb\x1b[31m", b"\xff" * 256, 1))
    assert str(behind(proc)).isprintable()


def test_only_somebody_who_just_did_something_is_recently_at_a_terminal(proc):
    """Who came, went or typed within seconds counts; who has been idle, and a login without a terminal, do not."""
    now_s = 1_700_000_000
    typed = proc.root / "dev/pts/3"
    typed.touch()
    os.utime(typed, (now_s - 5, now_s - 5))
    idle = proc.root / "dev/pts/4"
    idle.touch()
    os.utime(idle, (now_s - 60, now_s - 60))
    people = proc.people()

    def recently(*records):
        proc.utmp(*records)
        return people.recently_at_a_terminal(now_s * 10**9)

    assert recently((7, b"pts/4", b"alice", b"", now_s - 100)) is None
    assert recently((7, b"pts/3", b"alice", b"", now_s - 100)).user == "alice"
    assert recently((8, b"pts/9", b"", b"", now_s - 1)).user == "somebody"
    assert recently((7, b"pts/9", b"bob", b"", now_s - 1)).user == "bob"
    assert recently((8, b"pts/9", b"", b"", now_s - 20)) is None
    assert recently((2, b"~", b"reboot", b"", now_s)) is None


@pytest.mark.parametrize(
    ("number", "name"), [(PTS0, "pts/0"), ((137 << 8) | 3, "pts/259"), ((4 << 8) | 1, "tty1"), ((4 << 8) | 64, "ttyS0")]
)
def test_terminals_have_the_names_people_know(number, name):
    """The kernel's numbers are told as names."""
    assert terminal_name(number) == name


def test_a_command_whose_login_went_while_it_was_looked_at_is_nobody_s(proc):
    """Whether a person was behind it cannot be told then, and nobody says that none was."""
    proc.add(70, 60, ["systemctl", "stop", "nginx"], PTS0)
    (process,) = (people := proc.people()).named(frozenset({"systemctl"}))
    assert people.person_behind(process) is None  # it is there, and leads to nobody
    (proc.root / "70" / "cmdline").write_bytes(b"")  # a zombie
    with pytest.raises(VanishedError):
        people.person_behind(process)
    (proc.root / "70" / "stat").unlink()
    with pytest.raises(VanishedError):
        people.person_behind(process)


def test_a_program_that_ended_is_a_program(proc):
    """Something that works above it gives it away, also when it is gone."""
    proc.add(60, 50, ["python3", "deploy.py"], PTS0)
    proc.add(70, 60, ["systemctl", "stop", "nginx"], PTS0)
    (process,) = (people := proc.people()).named(frozenset({"systemctl"}))
    (proc.root / "70" / "cmdline").write_bytes(b"")
    assert people.person_behind(process) is None
