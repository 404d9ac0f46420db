"""Memory and swap of the host. Reads /proc/meminfo through psutil."""

import psutil

from orderd.domain.clock import Instant
from orderd.domain.faults import EntityKind
from orderd.sampling.collector import NAN, RATES_MIN_S, Reading


class MemoryCollector:
    """Used shares of memory and swap."""

    name = "memory"
    signals = frozenset({"memory_used_ratio", "swap_used_ratio"})
    kinds = frozenset[EntityKind]()
    every_s = RATES_MIN_S

    async def collect(self, at: Instant) -> Reading:
        """Read the memory counters."""
        del at  # no rates here
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        return Reading(
            host={
                "memory_used_ratio": 1 - memory.available / memory.total,
                "swap_used_ratio": swap.used / swap.total if swap.total else NAN,
            }
        )
