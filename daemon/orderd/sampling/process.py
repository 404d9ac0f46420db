"""Processes that stand out: much CPU, much memory, or memory that grows. Reads /proc.

Naming every process would drown the model; a process becomes an entity when it passes one of three thresholds and stays one
for a while after it drops below, so that a bursty process does not flicker.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import psutil

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.sampling.cgroups import Cgroups
from orderd.sampling.collector import NAN, RATES_MIN_S, Reading
from orderd.sampling.proc import ProcessTable, Stat

CPU_CORES_MIN = 0.3
MEMORY_RATIO_MIN = 0.2
MEMORY_GROWTH_PER_S_MIN = 0.002
KEEP_S = 10.0
AGE_S_MAX = 3600.0
_RECENT = 10
_RECENT_MASK = (1 << _RECENT) - 1
_MEMORY_TOTAL_EVERY_S = 60.0
_BIRTH_SLACK_S = 0.05
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class _Identity(NamedTuple):
    """A process across reuse of its pid."""

    pid: int
    start: int


@dataclass(slots=True)
class _Past:
    """What the next scan needs of this one, and what this one measured."""

    stat: Stat
    blocked_bits: int = 0
    scans: int = 0
    user: float = NAN
    system: float = NAN
    growth: float = NAN
    standing_out_ns: int | None = None

    def score(self, memory_ratio: float) -> float:
        """Return how far the process is above the nearest threshold; 1 is at it. Missing rates count as nothing."""
        score = memory_ratio / MEMORY_RATIO_MIN
        # Nothing is more than what is missing.
        if (cpu := (self.user + self.system) / CPU_CORES_MIN) > score:
            score = cpu
        if (growth := self.growth / MEMORY_GROWTH_PER_S_MIN) > score:
            score = growth
        return score


class ProcessCollector:
    """The process table in two host signals, and the processes that stand out as entities."""

    name = "process"
    signals = frozenset(
        {
            "process_count",
            "process_blocked_ratio",
            "process_cpu_user_cores",
            "process_cpu_system_cores",
            "process_memory_ratio",
            "process_memory_growth_ratio_per_s",
            "process_age_s",
            "process_blocked_ratio_recent",
            "process_threads_count",
            "process_of_service_ratio",
        }
    )
    kinds = frozenset({EntityKind.PROCESS})
    every_s = RATES_MIN_S

    def __init__(
        self, *, table: ProcessTable, cgroups: Cgroups, service_groups: Callable[[], frozenset[str]], processes_max: int
    ) -> None:
        """Watch a process table.

        Args:
            table: where processes are read.
            cgroups: where their groups are read.
            service_groups: returns the control groups of the declared services.
            processes_max: at most so many become entities.
        """
        self._table = table
        self._cgroups = cgroups
        self._service_groups = service_groups
        self._max = processes_max
        self._past: dict[_Identity, _Past] = {}
        self._at: Instant | None = None
        self._memory = _MemoryTotal()

    async def collect(self, at: Instant) -> Reading:
        """Scan the table."""
        elapsed_s = at.seconds_since(self._at) if self._at else 0.0
        self._at = at
        total = self._memory.bytes(at)
        seen = {_Identity(pid, stat.start): self._follow(pid, stat, elapsed_s, total) for pid, stat in self._table.scan()}
        self._past = seen
        blocked = sum(1 for past in seen.values() if past.stat.state == "D")
        return Reading(
            host={
                "process_count": float(self._table.count),
                "process_blocked_ratio": blocked / len(seen) if seen else NAN,
            },
            entities=self._rows(at, total),
        )

    def _follow(self, pid: int, stat: Stat, elapsed_s: float, total: int) -> _Past:
        past = self._past.get(_Identity(pid, stat.start))
        if past is None:
            return self._first_seen(stat, elapsed_s)
        before, past.stat = past.stat, stat
        past.blocked_bits = (past.blocked_bits << 1 | (stat.state == "D")) & _RECENT_MASK
        past.scans = min(_RECENT, past.scans + 1)
        if elapsed_s > 0:
            past.user = (stat.utime - before.utime) / _TICKS_PER_S / elapsed_s
            past.system = (stat.stime - before.stime) / _TICKS_PER_S / elapsed_s
            past.growth = (stat.rss - before.rss) * _PAGE_BYTES / total / elapsed_s
        return past

    @staticmethod
    def _first_seen(stat: Stat, elapsed_s: float) -> _Past:
        past = _Past(stat, blocked_bits=int(stat.state == "D"), scans=1)
        # A process born since the last scan used all of its CPU time since then; how fast its memory grows is not known yet.
        if elapsed_s > 0 and _age_s(stat.start) <= elapsed_s + _BIRTH_SLACK_S:
            past.user = stat.utime / _TICKS_PER_S / elapsed_s
            past.system = stat.stime / _TICKS_PER_S / elapsed_s
        return past

    def _rows(self, at: Instant, total: int) -> dict[Entity, dict[str, float]]:
        ranked: list[tuple[float, _Identity]] = []
        for identity, past in self._past.items():
            score = past.score(past.stat.rss * _PAGE_BYTES / total)
            if score >= 1:
                past.standing_out_ns = at.mono_ns
            if past.standing_out_ns is not None and at.mono_ns - past.standing_out_ns <= KEEP_S * 1e9:
                ranked.append((-score, identity))
        chosen = sorted(identity for _, identity in sorted(ranked)[: self._max])
        groups = self._service_groups() if chosen else frozenset[str]()
        return {_entity(identity): self._row(identity, total, groups) for identity in chosen}

    def _row(self, identity: _Identity, total: int, groups: frozenset[str]) -> dict[str, float]:
        past = self._past[identity]
        return {
            "process_cpu_user_cores": past.user,
            "process_cpu_system_cores": past.system,
            "process_memory_ratio": past.stat.rss * _PAGE_BYTES / total,
            "process_memory_growth_ratio_per_s": past.growth,
            "process_age_s": min(max(0.0, _age_s(identity.start)), AGE_S_MAX),
            "process_blocked_ratio_recent": past.blocked_bits.bit_count() / past.scans,
            "process_threads_count": float(past.stat.threads),
            "process_of_service_ratio": float(is_of_service(self._cgroups.group_of(identity.pid), groups)),
        }


class _MemoryTotal:
    """The host's memory; read once a minute, it changes only by hot-plugging or a new limit."""

    def __init__(self) -> None:
        self._bytes = 0
        self._read_ns: int | None = None

    def bytes(self, at: Instant) -> int:
        if self._read_ns is None or at.mono_ns - self._read_ns > _MEMORY_TOTAL_EVERY_S * 1e9:
            self._bytes, self._read_ns = psutil.virtual_memory().total, at.mono_ns
        return self._bytes


def is_of_service(group: str, service_groups: frozenset[str]) -> bool:
    """Tell whether a control group is that of a declared service or below it, or belongs to orderd itself."""
    if any(part.startswith("orderd") for part in group.split("/")):
        return True
    return any(group == service or group.startswith(f"{service}/") for service in service_groups)


def _age_s(start_ticks: int) -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) - start_ticks / _TICKS_PER_S


def _entity(identity: _Identity) -> Entity:
    return Entity(kind=EntityKind.PROCESS, key=f"{identity.pid}:{identity.start}")
