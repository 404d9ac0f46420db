"""CPU time and load of the host. Reads /proc/stat and /proc/loadavg through psutil."""

import math
import os

import psutil

from orderd.domain.clock import Instant
from orderd.domain.faults import EntityKind
from orderd.sampling.collector import NAN, RATES_MIN_S, Reading

COUNT_EVERY_S = 10.0
"""Processors come and go by hand, if at all."""


class CpuCollector:
    """Shares of all cores since the last sample; the first sample has none."""

    name = "cpu"
    signals = frozenset({"cpu_user_ratio", "cpu_system_ratio", "cpu_iowait_ratio", "load_per_core"})
    kinds = frozenset[EntityKind]()
    every_s = RATES_MIN_S

    def __init__(self) -> None:
        """Start without a past."""
        self._before: dict[str, float] | None = None
        self._count, self._counted_ns = 1, -math.inf

    async def collect(self, at: Instant) -> Reading:
        """Read the CPU counters."""
        # The counters carry their own time: a share is ticks of ticks.
        now = psutil.cpu_times()._asdict()
        grown = {key: max(0.0, now[key] - self._before[key]) for key in now} if self._before else {}
        self._before = now
        if at.mono_ns - self._counted_ns >= COUNT_EVERY_S * 1e9:
            self._count, self._counted_ns = psutil.cpu_count() or 1, at.mono_ns
        return Reading(host={**_shares(grown), "load_per_core": os.getloadavg()[0] / self._count})


def _shares(grown: dict[str, float]) -> dict[str, float]:
    # guest time is contained in user time, guest_nice in nice.
    total = sum(value for key, value in grown.items() if not key.startswith("guest"))
    if total <= 0:
        return {"cpu_user_ratio": NAN, "cpu_system_ratio": NAN, "cpu_iowait_ratio": NAN}
    return {
        "cpu_user_ratio": (grown["user"] + grown.get("nice", 0.0)) / total,
        "cpu_system_ratio": (grown["system"] + grown.get("irq", 0.0) + grown.get("softirq", 0.0)) / total,
        "cpu_iowait_ratio": grown.get("iowait", 0.0) / total,
    }
