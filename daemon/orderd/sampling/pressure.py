"""Pressure stall information: the share of time in which something waited for CPU, memory or IO. Reads PSI files.

In a container /proc/pressure is the whole machine's, so another tenant's stall would read as ours. There the pressure of the
container's own root cgroup is read instead; where that has no pressure file the signals are missing, which is true.
Totals are read, not the kernel's averages: their difference over the elapsed time is exact for any sampling period.
"""

import math
import os
import re
from collections.abc import Callable
from pathlib import Path

from orderd.domain.clock import Instant
from orderd.domain.faults import EntityKind
from orderd.sampling.collector import NAN, RATES_MIN_S, Rate, Reading
from orderd.sampling.container import is_container

_RESOURCES = ("cpu", "memory", "io")
_SOME_TOTAL = re.compile(rb"^some .*\btotal=(\d+)", re.MULTILINE)
_CGROUP_ROOTS = ("sys/fs/cgroup", "sys/fs/cgroup/unified")


def stalled_us(text: bytes) -> int:
    """Return the microseconds in which some task stalled, of a PSI file.

    Raises:
        ValueError: the text is no PSI file.
    """
    found = _SOME_TOTAL.search(text)
    if found is None:
        msg = f"not a pressure file: {text[:80]!r}"
        raise ValueError(msg)
    return int(found[1])


def pressure_file(resource: str, root: Path = Path("/")) -> Path | None:
    """Return the file that holds this host's own pressure, None when there is none."""
    if is_container(root):
        candidates = [root / base / f"{resource}.pressure" for base in _CGROUP_ROOTS]
    else:
        candidates = [root / "proc/pressure" / resource]
    return next((path for path in candidates if _readable(path)), None)


class PressureCollector:
    """PSI "some" of three resources, as a share of the time since the last sample."""

    name = "pressure"
    signals = frozenset(f"pressure_{resource}_ratio" for resource in _RESOURCES)
    kinds = frozenset[EntityKind]()
    every_s = RATES_MIN_S

    def __init__(self, find: Callable[[str], Path | None] = pressure_file) -> None:
        """Find the files; ``find`` is replaced in tests."""
        self._files = {resource: find(resource) for resource in _RESOURCES}
        self._rates = {resource: Rate() for resource in _RESOURCES}

    async def collect(self, at: Instant) -> Reading:
        """Read the stall times."""
        return Reading(host={f"pressure_{resource}_ratio": self._ratio(resource, at) for resource in _RESOURCES})

    def _ratio(self, resource: str, at: Instant) -> float:
        file = self._files[resource]
        if file is None:
            return NAN
        ratio = self._rates[resource].per_s(stalled_us(file.read_bytes()) / 1e6, at)
        return ratio if math.isnan(ratio) else min(1.0, ratio)


def _readable(path: Path) -> bool:
    # A kernel booted with psi=0 shows the files and refuses to read them.
    try:
        with path.open("rb") as file:
            return bool(os.read(file.fileno(), 1))
    except OSError:
        return False
