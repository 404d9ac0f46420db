"""Declared units: whether somebody has cut what they may take, or put them behind everybody else, since the known-good record.

Reads the control group of each unit's main process and the nice values of its processes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.sampling.cgroups import Cgroups
from orderd.sampling.collector import Reading
from orderd.sampling.known_good import Limits
from orderd.sampling.proc import Stat


class LimitsCollector:
    """Two signals a running unit; both are missing without a record of it."""

    name = "limits"
    signals = frozenset({"unit_limits_changed_ratio", "unit_priority_changed_ratio"})
    kinds = frozenset({EntityKind.UNIT})
    every_s = 4.0

    def __init__(
        self,
        *,
        units: Sequence[str],
        properties: Callable[[str], Mapping[str, Any] | None],
        cgroups: Cgroups,
        stat: Callable[[int], Stat | None],
        limits: Limits,
    ) -> None:
        """Watch units.

        Args:
            units: their names.
            properties: returns what systemd says of a unit, None while unknown.
            cgroups: where their processes are found.
            stat: reads one process.
            limits: compares with the known good record.
        """
        self._entities = {unit: Entity(kind=EntityKind.UNIT, key=unit) for unit in units}
        self._properties = properties
        self._cgroups = cgroups
        self._stat = stat
        self._limits = limits

    async def collect(self, at: Instant) -> Reading:
        """Read every unit that runs."""
        del at
        self._limits.look()
        return Reading(entities={entity: self._row(unit) for unit, entity in self._entities.items()})

    def _row(self, unit: str) -> dict[str, float]:
        said = self._properties(unit) or {}
        pid = said.get("MainPID", 0)
        if pid <= 0:
            return {}
        # Who was put into a group below the unit's own is found by the main process.
        pids = self._cgroups.pids(said.get("ControlGroup") or "") or [pid]
        nices = [stat.nice for each in pids if (stat := self._stat(each)) is not None]
        return {
            "unit_limits_changed_ratio": self._limits.changed(unit, pid),
            "unit_priority_changed_ratio": self._limits.nicer(unit, nices),
        }
