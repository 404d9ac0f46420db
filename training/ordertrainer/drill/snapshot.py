"""What changed on a host between two inventories: residue nobody wanted, and healthy services somebody touched.

Touches: `take` runs the inventory program inside the host; the comparisons are pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

import msgspec

from ordertrainer.ground import DisposableHost

PROGRAM = Path(__file__).with_name("snapshot_program.py")
TAKE_TIMEOUT_S = 20.0
WORDS_MAX = 400

KINDS = {
    "file": "{name}",
    "limits": "what {name} may use",
    "link": "link {name}",
    "address": "address {name}",
    "route": "route {name}",
    "qdisc": "queueing of {name}",
    "sysctl": "setting {name}",
    "swap": "swap {name}",
    "loop": "loop device for {name}",
    "stopped": "process {name} stopped by a signal",
    "name": "the {name} name",
}
"""What `Snapshot.things` holds, and how each is called in a sentence."""

# What comes and goes with every SSH session and every second on a systemd host; none of it says anything about a repair.
PASSING_UNITS = (".scope", ".slice", ".device", ".automount", ".swap", ".path")
PASSING_PREFIXES = ("user@", "user-runtime-dir@", "session-", "run-user-", "systemd-tmpfiles-clean", "modprobe@")
# Started by a socket when a repair is due, by a path unit when a file changes, and gone again: no change to the host.
PASSING_SERVICES = frozenset({"orderd-exec.service", "orderd-login-check.service"})
PASSING_MOUNTS = ("/run/user/", "/run/credentials/")
# The worker's own, which grows with every line the prober has it work off; the database's shared memory, another at each start.
PASSING_FILES = ("/srv/data/worker/", "/dev/shm/PostgreSQL.")  # noqa: S108  looked at, not used
# The database has one more of its own kind whenever it cleans up behind itself.
PASSING_WORKERS = frozenset({("postgres", "postgresql@15-main.service")})
PASSING_PROCESSES = frozenset({"sshd", "sshd-session", "(sd-pam)", "systemd", "systemd-userwor", "(udev-worker)"})


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not what it was.

    Attributes:
        kind: unit, file, mount, process, nft or one of KINDS; the first four are the words of a contract's ``touches``.
        name: its name within the kind; of a process: the unit it belongs to.
        words: what is different, one sentence without an end.
    """

    kind: str
    name: str
    words: str


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """A unit as systemd shows it; field names are systemd's."""

    ActiveState: str = ""
    LoadState: str = ""
    UnitFileState: str = ""
    InvocationID: str = ""
    MainPID: str = "0"
    Type: str = ""
    DropInPaths: str = ""
    Transient: str = ""
    NRestarts: str = ""

    @property
    def active(self) -> bool:
        """Tell whether it runs, or is a oneshot that has run."""
        return self.ActiveState in {"active", "reloading"}


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The inventory of a host at one moment; `processes` holds [pid:start, name, unit], `things` the state by kind and name."""

    units: dict[str, Unit]
    etc: dict[str, str]
    mounts: list[str]
    processes: list[tuple[str, str, str]]
    nft: str
    big_files: dict[str, int]
    run_units: dict[str, str]
    things: dict[str, dict[str, str]] = {}


def take(host: DisposableHost) -> Snapshot:
    """Return the host's inventory, about a quarter of a second of work.

    Raises:
        CommandFailed: the inventory program failed inside the host.
    """
    argv = ["/usr/bin/python3", "-S", "-E", "-"]
    done = host.exec(argv, stdin=PROGRAM.read_text(encoding="utf-8"), timeout_s=TAKE_TIMEOUT_S, check=True)
    return msgspec.json.decode(done.stdout, type=Snapshot)


def residue(before: Snapshot, after: Snapshot) -> list[str]:
    """Return what is different after a run, one line a thing; empty when nothing is."""
    return [difference.words for difference in differences(before, after)]


def differences(before: Snapshot, after: Snapshot) -> list[Difference]:
    """Return what is different after a run; empty when nothing is."""
    return [
        *_files(before.etc, after.etc),
        *_files(before.run_units, after.run_units),
        *_mounts(before.mounts, after.mounts),
        *_units(before.units, after.units),
        *_processes(before, after),
        *([Difference(kind="nft", name="ruleset", words="the nftables rules changed")] if before.nft != after.nft else []),
        *_big_files(before, after),
        *_things(before, after),
    ]


def touched(before: Snapshot, after: Snapshot, but: AbstractSet[str]) -> list[str]:
    """Return the services that ran before and are not the same run of the same process any more.

    Args:
        before: the inventory before the fault.
        after: the inventory after everything.
        but: units that were broken on purpose.
    """
    return sorted(_touched(before, after, but))


def _touched(before: Snapshot, after: Snapshot, but: AbstractSet[str]) -> Iterator[str]:
    for name, was in before.units.items():
        if name in but or not name.endswith(".service") or passes(name):
            continue
        now = after.units.get(name, Unit())
        if not was.active or was.Type == "oneshot":
            continue
        if (was.InvocationID, was.MainPID) != (now.InvocationID, now.MainPID):
            yield f"{name} was {'restarted' if now.active else 'stopped'}"


def passes(unit: str) -> bool:
    """Tell whether a unit comes and goes without anybody's doing."""
    return unit in PASSING_SERVICES or unit.endswith(PASSING_UNITS) or unit.startswith(PASSING_PREFIXES)


def _files(before: dict[str, str], after: dict[str, str]) -> Iterator[Difference]:
    for path in sorted(before.keys() | after.keys()):
        if what := _what(before.get(path), after.get(path)):
            yield Difference(kind="file", name=path, words=f"{path} {what}")


def _what(before: str | None, after: str | None) -> str:
    """Say how a state changed, empty when it did not."""
    if before == after:
        return ""
    return "appeared" if before is None else "is gone" if after is None else "changed"


def _mounts(before: list[str], after: list[str]) -> Iterator[Difference]:
    for mount in sorted(_lasting(after) - _lasting(before)):
        yield Difference(kind="mount", name=mount.split()[0], words=f"mount {mount} appeared")
    for mount in sorted(_lasting(before) - _lasting(after)):
        yield Difference(kind="mount", name=mount.split()[0], words=f"mount {mount} is gone")


def _things(before: Snapshot, after: Snapshot) -> Iterator[Difference]:
    for kind, called in KINDS.items():
        was, now = before.things.get(kind, {}), after.things.get(kind, {})
        for name in sorted(was.keys() | now.keys()):
            what = _what(was.get(name), now.get(name))
            if not what or (kind == "limits" and (what != "changed" or passes(name))):  # a service that does not run has none
                continue
            detail = f" from {was[name]} to {now[name]}" if what == "changed" and kind != "file" else ""
            yield Difference(kind=kind, name=name, words=f"{called.format(name=name)} {what}{detail}"[:WORDS_MAX])


def _lasting(mounts: list[str]) -> set[str]:
    return {mount for mount in mounts if not mount.startswith(PASSING_MOUNTS)}


def _units(before: dict[str, Unit], after: dict[str, Unit]) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        if passes(name):
            continue
        for words in _unit(name, before.get(name, Unit()), after.get(name, Unit())):
            yield Difference(kind="unit", name=name, words=f"unit {name} {words}")


def _unit(name: str, was: Unit, now: Unit) -> Iterator[str]:
    if now.active and not was.active and (now.Transient == "yes" or name.endswith((".timer", ".service"))):
        yield "runs now"
    if was.active and not now.active and now.Type != "oneshot":
        yield "does not run any more"
    if now.ActiveState == "failed" != was.ActiveState:
        yield "is failed"
    if was.LoadState and now.LoadState == "masked" != was.LoadState:
        yield "is masked"
    if was.UnitFileState and now.UnitFileState and was.UnitFileState != now.UnitFileState and "masked" not in now.UnitFileState:
        yield f"is {now.UnitFileState}, it was {was.UnitFileState}"


def _big_files(before: Snapshot, after: Snapshot) -> Iterator[Difference]:
    for path, size in sorted(after.big_files.items()):
        known = path in before.big_files or path in after.things.get("file", {})
        if not known and not path.startswith(PASSING_FILES):
            yield Difference(kind="file", name=path, words=f"file {path} of {size} bytes appeared")


def _processes(before: Snapshot, after: Snapshot) -> Iterator[Difference]:
    """Yield names that run more often in a unit than before; a restarted service has as many as it had."""
    were = Counter((name, unit) for _, name, unit in before.processes)
    lasting = (p for p in after.processes if p[1] not in PASSING_PROCESSES and p[2] not in PASSING_SERVICES)
    are = Counter((name, unit) for _, name, unit in lasting if (name, unit) not in PASSING_WORKERS)
    for (name, unit), count in sorted((are - were).items()):
        words = f"{count} more process{'es' if count > 1 else ''} {name!r} in {unit or 'no unit'}"
        yield Difference(kind="process", name=unit, words=words)
