"""Package transactions, from literal text and from a lock that is really held."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from orderd.sampling.changes.packages import Packages, parse_locks

LOCKS = """1: POSIX  ADVISORY  WRITE 4711 00:2a:131 0 EOF
1: -> POSIX  ADVISORY  WRITE 4712 00:2a:131 0 EOF
2: FLOCK  ADVISORY  READ 99 08:01:5 0 EOF
3: OFDLCK ADVISORY  WRITE -1 08:01:7 0 EOF
4: POSIX nonsense
5: POSIX  ADVISORY  WRITE x zz:zz:zz 0 EOF
"""


def test_only_locks_that_are_held_for_writing_count():
    """Whoever waits, or only reads, changes nothing; what cannot be read is passed over."""
    found = [(lock.pid, os.major(lock.device), os.minor(lock.device), lock.inode) for lock in parse_locks(LOCKS)]
    assert found == [(4711, 0, 0x2A, 131), (-1, 8, 1, 7)]


def test_a_lock_held_by_a_package_manager_is_a_transaction(tmp_path):
    """Seen without opening the file, named by program and pid, and over when the lock is let go."""
    lock, program = tmp_path / "lock-frontend", tmp_path / "apt-get"
    lock.touch()
    shutil.copy(Path(sys.executable).resolve(), program)
    packages = Packages(lock_files=[str(lock)], pid_files=[])
    assert packages.current() is None
    hold = f"import fcntl, sys; f = open({str(lock)!r}, 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    environment = os.environ | {"PYTHONHOME": sys.base_prefix}
    with subprocess.Popen(
        [str(program), "-S", "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as holder:
        holder.stdout.readline()
        held = packages.current()
        assert (held.program, held.pid, held.lock) == ("apt-get", holder.pid, str(lock))
        holder.stdin.close()
    time.sleep(0.01)
    assert packages.current() is None


def test_a_lock_held_by_something_else_is_not_even_looked_for(tmp_path):
    """Without a package manager's process the table of locks is not read: reading it costs the whole machine."""
    lock = tmp_path / "lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        proc = tmp_path / "proc"
        (proc / "1").mkdir(parents=True)
        (proc / "1/comm").write_text("init\n")
        (proc / "locks").mkdir()  # reading it would fail
        assert Packages(lock_files=[str(lock)], pid_files=[], proc=proc).current() is None


def test_a_pid_file_counts_while_its_manager_runs(tmp_path):
    """The pid has to be there and be called like a package manager: a file left behind holds nothing back."""
    proc, file = tmp_path / "proc", tmp_path / "rpmdb_lock.pid"
    (proc / "42").mkdir(parents=True)
    (proc / "42/comm").write_text("dnf\n")
    (proc / "locks").write_text("")
    file.write_text("42\n")
    packages = Packages(lock_files=[], pid_files=[str(file)], proc=proc)
    assert packages.current().program == "dnf"
    (proc / "42/comm").write_text("bash\n")
    assert packages.current() is None
