"""Runs collectors: times each, isolates its failure, and serves its last reading between collections. Pure but for the log.

One of the three places where a broad except is right: one broken sensor must not end the sample. The failure is counted, logged
once per change, named in the sample, and its signals go missing.

References:
    node_exporter collector/collector.go, for timing and success per collector.
"""

import logging
import time
from dataclasses import dataclass

from orderd.domain.clock import Instant
from orderd.sampling.collector import Collector, Reading

_log = logging.getLogger(__name__)
_NOTHING = Reading()
# A reading may be served again up to a twentieth before it is due: timers fire a little early and late.
_EARLY = 0.05


@dataclass(slots=True)
class CollectorStats:
    """How one collector fares, for orderd's own metrics.

    Attributes:
        duration_s: of the last collection.
        collections: since start.
        failures: since start.
        error: why the last collection failed, empty when it did not.
    """

    duration_s: float = 0.0
    collections: int = 0
    failures: int = 0
    error: str = ""


class CollectorRun:
    """One supervised collector."""

    def __init__(self, collector: Collector) -> None:
        """Supervise ``collector``; nothing runs yet."""
        self.collector = collector
        self.stats = CollectorStats()
        self._last = _NOTHING
        self._collected_ns: int | None = None

    @property
    def failed(self) -> bool:
        """Tell whether the last collection failed."""
        return bool(self.stats.error)

    async def read(self, at: Instant, every_s: float) -> Reading:
        """Return a reading no older than ``every_s``; empty when the collector failed."""
        if not self._due(at, every_s):
            return self._last
        self._collected_ns = at.mono_ns
        started = time.perf_counter()
        self._last = await self._collect(at)
        self.stats.duration_s = time.perf_counter() - started
        self.stats.collections += 1
        return self._last

    def _due(self, at: Instant, every_s: float) -> bool:
        if self._collected_ns is None:
            return True
        return at.mono_ns - self._collected_ns >= every_s * (1 - _EARLY) * 1e9

    async def _collect(self, at: Instant) -> Reading:
        try:
            reading = await self.collector.collect(at)
        except Exception as error:  # noqa: BLE001  supervision point: one broken sensor must not end the sample
            self._failed(f"{type(error).__name__}: {error}")
            return _NOTHING
        if self.stats.error:
            _log.warning("collector %s works again", self.collector.name)
            self.stats.error = ""
        return reading

    def _failed(self, error: str) -> None:
        self.stats.failures += 1
        if error != self.stats.error:
            _log.exception("collector %s failed; its signals are missing until it works", self.collector.name)
        self.stats.error = error
