"""Service probes: is the service any good, whatever systemd thinks of it? Emits what the probers know; they run beside."""

from collections.abc import Mapping

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.sampling.collector import Reading
from orderd.sampling.prober import Prober


class ProbeCollector:
    """Newest outcome and latency of every service with a probe."""

    name = "probe"
    signals = frozenset({"probe_ok_ratio", "probe_latency_s"})
    kinds = frozenset({EntityKind.UNIT})
    every_s = 0.0

    def __init__(self, probers: Mapping[Entity, Prober]) -> None:
        """Read ``probers``, which run elsewhere."""
        self._probers = probers

    async def collect(self, at: Instant) -> Reading:
        """Copy what is known."""
        del at  # nothing is measured here
        return Reading(entities={entity: probe_signals(prober) for entity, prober in self._probers.items()})


def probe_signals(prober: Prober) -> dict[str, float]:
    """Return the signals of one prober."""
    return {"probe_ok_ratio": prober.ok, "probe_latency_s": prober.latency_s()}
