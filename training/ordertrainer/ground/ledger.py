"""The ledger of a host: what to undo, written down before it is done.

Touches: one JSON file, replaced atomically.

A process that is killed cannot clean up. So every acquisition is entered here first, and whoever comes later, the owner or
a reaper, plays the entries backwards. An entry may stand for something that was never acquired: every undo accepts that.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to undo: `kind` names how, `value` what."""

    kind: str
    value: str


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The process a host lives for. The start time tells it from a later process with the same pid."""

    pid: int
    start_ticks: int


class Record(msgspec.Struct, kw_only=True):
    """What is known about a host outside the process that made it.

    `token` tells this host from another of the same name. `owner` is None for a host that was asked to outlive its
    maker; `init_pid` is 0 until it has booted.
    """

    name: str
    token: str = ""
    owner: Owner | None
    index: int = 0
    init_pid: int = 0
    machine_id: str = ""
    entries: list[Entry] = []


class Ledger:
    """The record of one host, kept on disk at every change."""

    def __init__(self, path: Path, record: Record) -> None:
        self.path = path
        self.record = record

    @classmethod
    def load(cls, path: Path) -> Ledger:
        """Return the ledger kept at `path`.

        Raises:
            OSError: there is none.
            msgspec.DecodeError: it is not a ledger.
        """
        return cls(path, msgspec.json.decode(path.read_bytes(), type=Record))

    def enter(self, kind: str, value: str) -> None:
        """Write down how to undo what is about to be done."""
        self.record.entries.append(Entry(kind=kind, value=value))
        self.save()

    def save(self) -> None:
        """Replace the file."""
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(self.record)))
        fresh.replace(self.path)


def this_process() -> Owner:
    """Return the calling process as an owner."""
    return Owner(pid=os.getpid(), start_ticks=start_ticks(os.getpid()))


def is_alive(owner: Owner) -> bool:
    """Return True while the owner runs."""
    return start_ticks(owner.pid) == owner.start_ticks


def start_ticks(pid: int) -> int:
    """Return when a process started, in clock ticks since boot; 0 for a zombie or when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    fields = stat[stat.rfind(")") + 2 :].split()
    return 0 if fields[0] in "ZX" else int(fields[19])
