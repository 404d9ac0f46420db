"""Limits: the record of what declared units may take and how nice they are, and what differs from it now.

Touches the disk, /proc and /sys/fs/cgroup; asks systemd when it is made.
"""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from orderd.config.schema import Config
from orderd.sampling.allowance import Allowance, Allowances
from orderd.sampling.cgroups import Cgroups
from orderd.sampling.collector import NAN
from orderd.sampling.known_good.writing import show, write_json
from orderd.sampling.proc import ProcessTable

LIMITS: Final = "limits.json"


def capture(config: Config, root: Path, *, keep: bool) -> list[Path]:
    """Write down the limits and nice values of the declared units; one that does not run now keeps what was known of it."""
    target = root / LIMITS
    known = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    wanted = [service.unit for service in config.services if not (keep and service.unit in known)]
    found = {unit: entry for unit in wanted if (entry := _measure(unit))}
    return [write_json(known | found, target)] if found else []


class Limits:
    """Compares what units may take, and how nice they are, with the record; a record that was made anew counts at once."""

    def __init__(self, root: Path, allowances: Allowances | None = None) -> None:
        """Compare with the record under ``root``, the known good directory."""
        self._file = root / LIMITS
        self._allowances = allowances or Allowances()
        self._stamp: tuple[int, int, int] | None = None
        self._record: dict[str, tuple[Allowance, int]] = {}

    def look(self) -> None:
        """Read the record again where it is another one; call it once before a round of comparisons."""
        try:
            status = self._file.stat()
            stamp = status.st_ino, status.st_size, status.st_mtime_ns
            if stamp != self._stamp:
                self._record = _parse(json.loads(self._file.read_bytes()))
                self._stamp = stamp
        except FileNotFoundError:
            self._stamp, self._record = None, {}

    def changed(self, unit: str, pid: int) -> float:
        """Return 1 when what the main process may take differs from the record, else 0; missing without a record of the unit."""
        if unit not in self._record or (now := self._allowances.of(pid)) is None:
            return NAN
        return float(now != self._record[unit][0])

    def nicer(self, unit: str, nices: Iterable[int]) -> float:
        """Return the share of nice values that are above all recorded ones; missing without any, and without a record."""
        given = list(nices)
        if unit not in self._record or not given:
            return NAN
        return sum(nice > self._record[unit][1] for nice in given) / len(given)


def _parse(record: dict[str, dict[str, Any]]) -> dict[str, tuple[Allowance, int]]:
    return {
        unit: (Allowance(*(math.inf if entry[key] is None else entry[key] for key in Allowance._fields)), max(entry["nices"]))
        for unit, entry in record.items()
    }


def _measure(unit: str) -> dict[str, object]:
    """Return what a unit may take now; nothing when it has no process."""
    pid = int(show(unit, "MainPID").strip() or 0)
    cgroups, table, allowances = Cgroups(), ProcessTable(), Allowances()
    pids = cgroups.pids(show(unit, "ControlGroup").strip()) or [pid]
    stats = {each: stat for each in pids if (stat := table.stat(each))}
    cgroups.close()
    table.close()
    granted, places = allowances.of(pid), allowances.places(pid)
    if pid not in stats or granted is None or places is None:
        return {}
    return {
        **{key: None if math.isinf(value) else value for key, value in granted._asdict().items()},
        "cpu_group": places[0].own,
        "memory_group": places[1].own,
        "nice": stats[pid].nice,
        "nices": sorted({stat.nice for stat in stats.values()}),
    }
