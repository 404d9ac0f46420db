"""Whether a process was started by a person in a login, and who that is. Reads /proc, /run/utmp and /etc/passwd.

Three things have to be true together: the process has a controlling terminal; it belongs to a login (a session's scope, a user's
manager, or a terminal that is logged in according to utmp); and nothing between it and the login is a program that works by
itself. Automation comes without a terminal (a timer, cron, a pipelined Ansible), or with one that leads to an interpreter
(Ansible without pipelining): that is no person. A shell that waits for commands anywhere above is one, whatever lies between.

User names come from /etc/passwd itself: the name service may ask the network, and this runs on the loop.
"""

import os
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from orderd.sampling.cgroups import parse_group
from orderd.sampling.changes.text import clean

ANCESTORS_MAX: Final = 32
_SHELLS: Final = frozenset({"sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "tcsh", "csh", "busybox", "ash", "nu", "xonsh"})
# Between a login and what it runs; they start one thing on somebody's behalf.
_WRAPPERS: Final = _SHELLS | {
    "sudo",
    "su",
    "doas",
    "runuser",
    "env",
    "nice",
    "nohup",
    "setsid",
    "script",
    "timeout",
    "time",
    "watch",
}
# Where a login begins.
_LOGINS: Final = frozenset(
    {"sshd", "sshd-session", "login", "agetty", "systemd", "init", "tmux", "screen", "mosh-server", "dropbear"}
)
_SESSION: Final = re.compile(r"/session-[^/]+\.scope(/|$)|/user@\d+\.service(/|$)")
_CMDLINE_BYTES_MAX: Final = 4096
_STAT_BYTES_MAX: Final = 1024
_PASSWD_BYTES_MAX: Final = 1 << 20
_UTMP_BYTES_MAX: Final = 1 << 18
_NOBODY_LOGGED_IN: Final = 4_294_967_295
# utmp(5): type, pid, line, id, user, host, the time in seconds, and the rest; 384 bytes, 400 where times are wider.
_UTMP: Final = struct.Struct("=hxxi32s4s32s256s12xq48x" if os.uname().machine == "aarch64" else "=hxxi32s4s32s256s8xi40x")
_USER_PROCESS: Final = 7
_DEAD_PROCESS: Final = 8
_SESSION_KINDS: Final = frozenset({_USER_PROCESS, _DEAD_PROCESS})
_CAME_OR_WENT_S: Final = 3.0
_TYPED_S: Final = 10.0
_PTS_MAJORS: Final = range(136, 144)
_TTY_MAJOR: Final = 4
_SERIAL_FROM: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What everybody may know of a process.

    Attributes:
        pid: its id.
        name: as the kernel keeps it, 15 characters.
        parent: pid of its parent.
        terminal: number of its controlling terminal, 0 without one.
        start: clock ticks since boot; pid and start together name a process for ever.
        argv: its command line; data, it says what the process likes.
    """

    pid: int
    name: str
    parent: int
    terminal: int
    start: int
    argv: tuple[str, ...]

    @property
    def program(self) -> str:
        """Return the first word's last part, without the dash of a login shell."""
        return os.path.basename(self.argv[0]).lstrip("-") if self.argv else self.name  # noqa: PTH119  a word, not a path

    @property
    def waits_for_commands(self) -> bool:
        """Tell whether it is a shell at its prompt, rather than one that was given something to run."""
        if not self.argv or self.program not in _SHELLS:
            return False
        if self.argv[0].startswith("-"):
            return len(self.argv) == 1
        return all(word.startswith("-") and not _runs_something(word) for word in self.argv[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in a login.

    Attributes:
        user: name of the user who logged in.
        terminal: ``pts/0``.
        origin: where from; empty for a console.
    """

    user: str
    terminal: str
    origin: str

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.user} on {self.terminal}" + (f" from {self.origin}" if self.origin else "")


class VanishedError(LookupError):
    """A process ended, its login with it, while it was looked at: nobody knows whose it was."""


class People:
    """Tells people from programs."""

    def __init__(
        self,
        *,
        proc: Path = Path("/proc"),
        utmp: Path = Path("/run/utmp"),
        passwd: Path = Path("/etc/passwd"),
        dev: Path = Path("/dev"),
    ) -> None:
        """Read these; all are replaced in tests."""
        self._dev = dev
        self._proc = str(proc)
        self._utmp = utmp
        self._passwd = passwd

    def named(self, names: frozenset[str]) -> Iterator[Process]:
        """Yield the processes of these names, the highest pid first: whoever just made a job is among the youngest."""
        try:
            pids = sorted((int(entry) for entry in os.listdir(self._proc) if entry.isdigit()), reverse=True)  # noqa: PTH208
        except OSError:
            return
        for pid in pids:
            process = self._process(pid, names)
            if process is not None:
                yield process

    def person_behind(self, process: Process) -> Person | None:
        """Return who sits at the terminal the process was started from, None when no person did.

        Raises:
            VanishedError: it ended before that could be seen.
        """
        if process.terminal == 0:
            return None
        chain = [process, *self._ancestors(process)]
        led = _led_by_a_person(chain[1:])
        if led is False:
            return None
        person = self._person_of(chain) if led else None
        if person is None and not self._is_there(process):
            raise VanishedError(f"{process.name} (pid {process.pid})")
        return person

    def _person_of(self, chain: Sequence[Process]) -> Person | None:
        """Return who has the login that a process and its ancestors belong to, None where there is none."""
        process, logins = chain[0], _logins(_read(self._utmp, _UTMP_BYTES_MAX))
        for each in chain:
            line = terminal_name(each.terminal)
            if line in logins:
                user, origin = logins[line]
                return Person(user=user, terminal=line, origin=origin)
        if any(_SESSION.search(self._group(each.pid)) for each in chain[:2]):
            return Person(user=self._user(chain), terminal=terminal_name(process.terminal), origin="")
        return None

    def _is_there(self, process: Process) -> bool:
        """Tell whether a process still is what it was when it was read; a zombie has no command line any more."""
        again = self._process(process.pid)
        return again is not None and again.start == process.start and bool(again.argv)

    def recently_at_a_terminal(self, utc_ns: int) -> Person | None:
        """Return somebody who logged in or out a moment ago, or typed something; None when nobody did.

        The kernel notes a terminal's input in steps of eight seconds, so this is the finest it can tell.
        """
        for record in _records(_read(self._utmp, _UTMP_BYTES_MAX)):
            came_or_went = record.kind in _SESSION_KINDS and 0 <= utc_ns / 1e9 - record.at_s <= _CAME_OR_WENT_S
            typed = record.kind == _USER_PROCESS and 0 <= utc_ns / 1e9 - self._typed_at_s(record.line) <= _TYPED_S
            if record.line.startswith(("pts/", "tty")) and (came_or_went or typed):
                return Person(user=record.user or "somebody", terminal=record.line, origin=record.host)
        return None

    def _typed_at_s(self, line: str) -> float:
        try:
            return (self._dev / line).stat().st_atime if ".." not in line else 0.0
        except OSError:
            return 0.0

    def uid(self, pid: int) -> int:
        """Return the effective user of a process, -1 when it is gone."""
        try:
            return os.stat(f"{self._proc}/{pid}").st_uid  # noqa: PTH116
        except OSError:
            return -1

    def _ancestors(self, process: Process) -> list[Process]:
        found: list[Process] = []
        parent = process.parent
        # A pid of 0 is outside of our pid namespace.
        while parent > 0 and len(found) < ANCESTORS_MAX and (each := self._process(parent)) is not None:
            found.append(each)
            parent = each.parent
        return found

    def _process(self, pid: int, names: frozenset[str] | None = None) -> Process | None:
        text = _read(Path(f"{self._proc}/{pid}/stat"), _STAT_BYTES_MAX)
        begin, end = text.find(b"("), text.rfind(b")")
        if begin < 0 or end < 0:
            return None
        name = text[begin + 1 : end].decode(errors="replace")
        if names is not None and name not in names:
            return None
        fields = text[end + 2 :].split()
        words = _read(Path(f"{self._proc}/{pid}/cmdline"), _CMDLINE_BYTES_MAX).rstrip(b"\0").split(b"\0")
        return Process(
            pid=pid,
            name=name,
            parent=int(fields[1]),
            terminal=int(fields[4]),
            start=int(fields[19]),
            argv=tuple(word.decode(errors="replace") for word in words) if words != [b""] else (),
        )

    def _group(self, pid: int) -> str:
        text = _read(Path(f"{self._proc}/{pid}/cgroup"), _CMDLINE_BYTES_MAX)
        return parse_group(text.decode(errors="replace")) if text else ""

    def _user(self, chain: Sequence[Process]) -> str:
        """Return whose a process is; one that has ended meanwhile is whose its shell is."""
        for each in chain:
            text = _read(Path(f"{self._proc}/{each.pid}/loginuid"), 16).strip()
            uid = int(text) if text.isdigit() and int(text) != _NOBODY_LOGGED_IN else self.uid(each.pid)
            if uid >= 0:
                return user_name(uid, self._passwd)
        return "somebody"


def user_name(uid: int, passwd: Path = Path("/etc/passwd")) -> str:
    """Return a local user's name, ``uid N`` for one that /etc/passwd does not know."""
    wanted = str(uid).encode()
    for line in _read(passwd, _PASSWD_BYTES_MAX).splitlines():
        fields = line.split(b":")
        if len(fields) > 2 and fields[2] == wanted:  # noqa: PLR2004  NAME:PASSWORD:UID
            return clean(fields[0].decode(errors="replace"))
    return f"uid {uid}"


def terminal_name(number: int) -> str:
    """Return the name of a terminal by the kernel's number of it: ``pts/0``, ``tty1``, ``ttyS0``.

    References:
        proc(5), field tty_nr: the minor number is in bits 31 to 20 and 7 to 0, the major in bits 15 to 8.
    """
    major, minor = (number >> 8) & 0xFF, (number & 0xFF) | ((number >> 12) & 0xFFF00)
    if major in _PTS_MAJORS:
        return f"pts/{minor + 256 * (major - _PTS_MAJORS.start)}"
    if major == _TTY_MAJOR:
        return f"tty{minor}" if minor < _SERIAL_FROM else f"ttyS{minor - _SERIAL_FROM}"
    return f"terminal {major}:{minor}"


def _led_by_a_person(ancestors: Sequence[Process]) -> bool | None:
    """Tell whether the ancestors lead to a person: a waiting shell, or a login with nothing but wrappers below it.

    None: they lead nowhere, because one of them was gone when it was to be read.
    """
    for place, each in enumerate(ancestors):
        if each.waits_for_commands and each.terminal:
            return True
        if each.name in _LOGINS or each.name.startswith("tmux") or each.pid == 1:
            return all(below.program in _WRAPPERS for below in ancestors[:place])
    return None


def _runs_something(option: str) -> bool:
    """Tell whether a shell's option gives it something to run: ``-c``, ``-lc``, ``-s``, ``--command``."""
    if option.startswith("--"):
        return option.startswith("--command")
    return bool({"c", "s"} & set(option[1:]))


class _Record(NamedTuple):
    """One record of utmp."""

    kind: int
    line: str
    user: str
    host: str
    at_s: int


def _records(utmp: bytes) -> Iterator[_Record]:
    for at in range(0, len(utmp) - _UTMP.size + 1, _UTMP.size):
        kind, _pid, line, _id, user, host, at_s = _UTMP.unpack_from(utmp, at)
        yield _Record(kind, _text(line), _text(user), _text(host), at_s)


def _logins(utmp: bytes) -> dict[str, tuple[str, str]]:
    """Return terminal -> user and origin, for every login that utmp knows."""
    return {record.line: (record.user, record.host) for record in _records(utmp) if record.kind == _USER_PROCESS}


def _text(field: bytes) -> str:
    return clean(field.partition(b"\0")[0].decode(errors="replace"))


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(most) or b""
    except OSError:  # ended in the meantime, or hidden from us
        return b""
