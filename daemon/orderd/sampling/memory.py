"""Memory and swap of the host. Reads /proc/meminfo through psutil."""

import psutil

from orderd.domain.clock import Instant
from orderd.domain.faults import EntityKind
from orderd.sampling.collector import NAN, RATES_MIN_S, Reading

SWAP_LOOK_EVERY_S = 10.0


class MemoryCollector:
    """Used shares of memory and swap."""

    name = "memory"
    signals = frozenset({"memory_used_ratio", "swap_used_ratio"})
    kinds = frozenset[EntityKind]()
    every_s = RATES_MIN_S

    def __init__(self) -> None:
        """Start without knowing whether there is swap."""
        self._no_swap_since_ns: int | None = None

    async def collect(self, at: Instant) -> Reading:
        """Read the memory counters."""
        memory = psutil.virtual_memory()
        return Reading(
            host={"memory_used_ratio": 1 - memory.available / memory.total, "swap_used_ratio": self._swap_used_ratio(at)}
        )

    def _swap_used_ratio(self, at: Instant) -> float:
        """Read swap; where there is none, look again only now and then: half of this collector's cost for nothing."""
        if self._no_swap_since_ns is not None and at.mono_ns - self._no_swap_since_ns < SWAP_LOOK_EVERY_S * 1e9:
            return NAN
        swap = psutil.swap_memory()
        self._no_swap_since_ns = None if swap.total else at.mono_ns
        return swap.used / swap.total if swap.total else NAN
