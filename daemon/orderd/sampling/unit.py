"""Declared units: what systemd says of them, whether they were masked or given other drop-ins, and whether they are stopped.

Reads memory that ``systemd`` keeps current, two links a unit, and the state of each unit's processes.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.sampling.cgroups import Cgroups
from orderd.sampling.collector import NAN, Reading
from orderd.sampling.known_good import DropIns
from orderd.sampling.proc import Stat
from orderd.sampling.rounds import next_round_s

RESTARTS_OVER_S = 10.0
ACTIVE_S_MAX = 3600.0
STOPPED_WATCH_EVERY_S = 0.25
UNTOLD_S = 0.3
"""Systemd tells of the end of a main process within milliseconds; when it has not after this long, it cannot tell."""
_ACTIVE = frozenset({"active", "reloading"})
_TRANSITION = frozenset({"activating", "deactivating"})
_SIGNAL_RESULTS = frozenset({"signal", "core-dump", "oom-kill"})
_STOPPED = frozenset("tT")
_UNIT_DIRECTORIES = ("/etc/systemd/system", "/run/systemd/system")


class UnitCollector:
    """One row per declared unit; all signals are missing while systemd cannot be asked."""

    name = "unit"
    signals = frozenset(
        {
            "unit_active_ratio",
            "unit_failed_ratio",
            "unit_transition_ratio",
            "unit_masked_ratio",
            "unit_load_error_ratio",
            "unit_restarts_per_s",
            "unit_result_exit_ratio",
            "unit_result_signal_ratio",
            "unit_result_start_limit_ratio",
            "unit_dropins_changed_ratio",
            "unit_main_stopped_ratio",
            "unit_active_s",
        }
    )
    kinds = frozenset({EntityKind.UNIT})
    every_s = 0.0

    def __init__(
        self,
        *,
        units: Sequence[str],
        properties: Callable[[str], Mapping[str, Any] | None],
        cgroups: Cgroups,
        stat: Callable[[int], Stat | None],
        dropins: DropIns,
        is_masked_on_disk: "Callable[[str], bool] | None" = None,
        exists: "Callable[[int], bool] | None" = None,
    ) -> None:
        """Watch units.

        Args:
            units: their names.
            properties: returns what systemd says of a unit, None while unknown.
            cgroups: where their processes are found.
            stat: reads one process.
            dropins: compares drop-ins with the known good record.
            is_masked_on_disk: tells whether a unit's file is a link to /dev/null.
            exists: tells whether there is a process of that number.
        """
        self._entities = {unit: Entity(kind=EntityKind.UNIT, key=unit) for unit in units}
        self._properties = properties
        self._cgroups = cgroups
        self._stat = stat
        self._dropins = dropins
        self._is_masked_on_disk = is_masked_on_disk or masked_on_disk
        self._exists = exists or process_exists
        self._gone_since: dict[str, int] = {}
        self._restarts = {unit: Restarts() for unit in units}

    async def collect(self, at: Instant) -> Reading:
        """Read every unit."""
        return Reading(entities={entity: self._row(unit, at) for unit, entity in self._entities.items()})

    def control_groups(self) -> frozenset[str]:
        """Return the control groups of the units that have one."""
        known = (self._properties(unit) for unit in self._entities)
        return frozenset(group for said in known if said and (group := said.get("ControlGroup")))

    async def watch_stopped(self, on_change: Callable[[str], None]) -> None:
        """Call ``on_change`` when a unit's main process was stopped or continued: systemd itself does not notice.

        One read a unit four times a second; without it a hung service is seen at the next timer or probe only.
        """
        stopped, first_s = dict.fromkeys(self._entities, False), time.monotonic()
        while True:
            now_s = time.monotonic()
            await asyncio.sleep(next_round_s(first_s, now_s, STOPPED_WATCH_EVERY_S) - now_s)
            for unit, before in stopped.items():
                stopped[unit] = self._is_main_stopped(unit)
                if stopped[unit] != before:
                    on_change(unit)

    def _is_main_stopped(self, unit: str) -> bool:
        pid = (self._properties(unit) or {}).get("MainPID", 0)
        stat = self._stat(pid) if pid > 0 else None
        return stat is not None and stat.state in _STOPPED

    def _row(self, unit: str, at: Instant) -> dict[str, float]:
        said = self._properties(unit)
        if not said:
            return {}
        signals = state_signals(said)
        if self._has_died_untold(unit, said, at):
            signals["unit_active_ratio"] = 0.0
        return {
            **signals,
            "unit_masked_ratio": float(_says_masked(said) or self._is_masked_on_disk(unit)),
            "unit_restarts_per_s": self._restarts[unit].per_s(said.get("NRestarts"), at),
            "unit_dropins_changed_ratio": self._dropins.changed(unit, said.get("DropInPaths"), at),
            "unit_main_stopped_ratio": self._stopped_ratio(said),
            "unit_active_s": _active_s(said, at),
        }

    def _has_died_untold(self, unit: str, said: Mapping[str, Any], at: Instant) -> bool:
        """Tell whether the main process is gone and systemd, or the bus between, has not said so: they may be what is broken."""
        pid = said.get("MainPID", 0)
        if pid <= 0 or said.get("ActiveState") not in _ACTIVE or self._exists(pid):
            self._gone_since.pop(unit, None)
            return False
        return at.mono_ns - self._gone_since.setdefault(unit, at.mono_ns) >= UNTOLD_S * 1e9

    def _stopped_ratio(self, said: Mapping[str, Any]) -> float:
        pids = self._cgroups.pids(said.get("ControlGroup") or "")
        stats = [stat for pid in pids if (stat := self._stat(pid)) is not None]
        if not stats:
            return NAN
        return sum(stat.state in _STOPPED for stat in stats) / len(stats)


class Restarts:
    """Automatic restarts of one unit over the last ten seconds."""

    __slots__ = ("_steps", "_value")

    def __init__(self) -> None:
        """Start without a past."""
        self._value: int | None = None
        self._steps: deque[tuple[int, int]] = deque()

    def per_s(self, restarts: int | None, at: Instant) -> float:
        """Return restarts per second; a counter that went back was reset by a person's start and counts from zero again."""
        if restarts is None:
            return NAN
        if self._value is not None and restarts != self._value:
            self._steps.append((at.mono_ns, restarts - self._value if restarts > self._value else restarts))
        self._value = restarts
        while self._steps and at.mono_ns - self._steps[0][0] > RESTARTS_OVER_S * 1e9:
            self._steps.popleft()
        return sum(step for _, step in self._steps) / RESTARTS_OVER_S


def state_signals(said: Mapping[str, Any]) -> dict[str, float]:
    """Return the signals that are a plain reading of systemd's states."""
    active, load, result = said.get("ActiveState"), said.get("LoadState"), said.get("Result", "")
    job_id = (said.get("Job") or (0,))[0]
    return {
        "unit_active_ratio": float(active in _ACTIVE),
        "unit_failed_ratio": float(active == "failed"),
        "unit_transition_ratio": float(active in _TRANSITION or job_id != 0),
        "unit_load_error_ratio": float(load not in {"loaded", "masked"}),
        "unit_result_exit_ratio": float(result == "exit-code"),
        "unit_result_signal_ratio": float(result in _SIGNAL_RESULTS),
        "unit_result_start_limit_ratio": float(result == "start-limit-hit"),
    }


def process_exists(pid: int) -> bool:
    """Tell whether there is a process of that number; needs no file descriptor, which may be what the host has run out of."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def masked_on_disk(unit: str) -> bool:
    """Tell whether the unit's file is a link to /dev/null, whether or not systemd was reloaded since."""
    return any(_link(f"{directory}/{unit}") == os.devnull for directory in _UNIT_DIRECTORIES)


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115  ten a second
    except OSError:  # no such file, or a real one
        return ""


def _says_masked(said: Mapping[str, Any]) -> bool:
    return said.get("LoadState") == "masked" or said.get("UnitFileState") in {"masked", "masked-runtime"}


def _active_s(said: Mapping[str, Any], at: Instant) -> float:
    since_us = said.get("ActiveEnterTimestampMonotonic", 0)
    if said.get("ActiveState") not in _ACTIVE or not since_us:
        return NAN
    return min(max(0.0, (at.mono_ns - since_us * 1000) / 1e9), ACTIVE_S_MAX)
