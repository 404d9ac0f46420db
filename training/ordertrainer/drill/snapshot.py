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

# What comes and goes with every SSH session and every second on a systemd host; none of it says anything about a repair.
PASSING_UNITS = (".scope", ".slice", ".device", ".automount", ".swap", ".path")
PASSING_PREFIXES = ("user@", "user-runtime-dir@", "session-", "run-user-", "systemd-tmpfiles-clean", "modprobe@")
# Started by its socket when a repair is due and gone again when none is; its coming and going is no change to the host.
PASSING_SERVICES = frozenset({"orderd-exec.service"})
PASSING_MOUNTS = ("/run/user/", "/run/credentials/")
PASSING_FILES = ("/srv/data/worker/",)  # the worker's own; it grows with every line the prober has it work off
PASSING_PROCESSES = frozenset({"sshd", "sshd-session", "(sd-pam)", "systemd", "systemd-userwor", "(udev-worker)"})


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

    @property
    def active(self) -> bool:
        """Tell whether it runs, or is a oneshot that has run."""
        return self.ActiveState in {"active", "reloading"}


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The inventory of a host at one moment; `processes` holds [pid:start, name, unit]."""

    units: dict[str, Unit]
    etc: dict[str, str]
    mounts: list[str]
    processes: list[tuple[str, str, str]]
    nft: str
    big_files: dict[str, int]
    run_units: dict[str, str]


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
    return [
        *_files(before.etc, after.etc),
        *_files(before.run_units, after.run_units),
        *(f"mount {m} appeared" for m in _lasting(after.mounts) - _lasting(before.mounts)),
        *(f"mount {m} is gone" for m in _lasting(before.mounts) - _lasting(after.mounts)),
        *_units(before.units, after.units),
        *_processes(before, after),
        *(["the nftables rules changed"] if before.nft != after.nft else []),
        *_big_files(before.big_files, after.big_files),
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
        if name in but or not name.endswith(".service") or _passes(name):
            continue
        now = after.units.get(name, Unit())
        if not was.active or was.Type == "oneshot":
            continue
        if (was.InvocationID, was.MainPID) != (now.InvocationID, now.MainPID):
            yield f"{name} was {'restarted' if now.active else 'stopped'}"


def _passes(unit: str) -> bool:
    return unit in PASSING_SERVICES or unit.endswith(PASSING_UNITS) or unit.startswith(PASSING_PREFIXES)


def _files(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    for path in sorted(before.keys() | after.keys()):
        if path not in before:
            yield f"{path} appeared"
        elif path not in after:
            yield f"{path} is gone"
        elif before[path] != after[path]:
            yield f"{path} changed"


def _lasting(mounts: list[str]) -> set[str]:
    return {mount for mount in mounts if not mount.startswith(PASSING_MOUNTS)}


def _units(before: dict[str, Unit], after: dict[str, Unit]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if _passes(name):
            continue
        was, now = before.get(name, Unit()), after.get(name, Unit())
        if now.active and not was.active and (now.Transient == "yes" or name.endswith((".timer", ".service"))):
            yield f"unit {name} runs now"
        if was.active and not now.active and now.Type != "oneshot":
            yield f"unit {name} does not run any more"
        if now.ActiveState == "failed" != was.ActiveState:
            yield f"unit {name} is failed"
        if was.LoadState and now.LoadState == "masked" != was.LoadState:
            yield f"unit {name} is masked"


def _big_files(before: dict[str, int], after: dict[str, int]) -> Iterator[str]:
    for path, size in sorted(after.items()):
        if path not in before and not path.startswith(PASSING_FILES):
            yield f"file {path} of {size} bytes appeared"


def _processes(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Yield names that run more often in a unit than before; a restarted service has as many as it had."""
    were = Counter((name, unit) for _, name, unit in before.processes)
    lasting = (p for p in after.processes if p[1] not in PASSING_PROCESSES and p[2] not in PASSING_SERVICES)
    are = Counter((name, unit) for _, name, unit in lasting)
    for (name, unit), count in sorted((are - were).items()):
        yield f"{count} more process{'es' if count > 1 else ''} {name!r} in {unit or 'no unit'}"
