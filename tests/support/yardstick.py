"""How fast a core is at this moment, against the one that the budgets were set on. Touches: /proc through psutil, one thread.

The same work takes twice as long on another processor, or when a neighbour works on the other half of a core, and nothing in
/proc tells. So what is held against a budget of time is measured beside a peer of the same kind, psutil reading what a host is
asked for every second, and a budget is as much wider as that peer takes longer than on the core that the budget was set on.
"""

import statistics
import threading
import time
from typing import Self

import psutil

REFERENCE_S = 0.3e-3
"""CPU time of one round on the core on which the budgets were set."""
BURST = 20
"""Rounds at once: the first ones find cold caches, which say nothing about the core."""
PAUSE_S = 1.0


def round_s() -> float:
    """Return the CPU time that psutil needs now for a host's processor, memory, disks, network and load, seconds."""
    began = time.thread_time()
    psutil.cpu_times()
    psutil.virtual_memory()
    psutil.disk_io_counters()
    psutil.net_io_counters()
    psutil.getloadavg()
    return time.thread_time() - began


class Yardstick:
    """Measures beside something else, from the beginning to the end of a `with` block."""

    def __init__(self) -> None:
        """Measure nothing yet."""
        self._bursts: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._measure, name="yardstick")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _measure(self) -> None:
        while not self._over.wait(PAUSE_S):
            self._bursts.append(statistics.median(round_s() for _ in range(BURST)))

    @property
    def slowness(self) -> float:
        """Return how many times as long as on the reference core things take here and now; never below 1."""
        return max(1.0, statistics.median(self._bursts) / REFERENCE_S) if self._bursts else 1.0
