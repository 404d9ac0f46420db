"""Whether /etc/hosts answers for the name that the resolver is asked for. Reads that file when it is another one.

Programs ask /etc/hosts before any name server, so a wrong line there breaks a name that every name server knows.
"""

from orderd.domain.clock import Instant
from orderd.domain.faults import EntityKind
from orderd.sampling.collector import NAN, Reading
from orderd.sampling.known_good import settings
from orderd.sampling.known_good.settings import HostRecord, RecordFile, stamp
from orderd.sampling.resolver import RESOLVER


class HostsCollector:
    """Compares what /etc/hosts answers with the known-good record; missing without one, or when it is about another name."""

    name = "hosts"
    signals = frozenset({"resolver_overridden_ratio"})
    kinds = frozenset({EntityKind.RESOLVER})
    every_s = 2.0

    def __init__(self, name: str, record: RecordFile) -> None:
        """Compare for one name.

        Args:
            name: what the resolver is asked for.
            record: of the host.
        """
        self._name = name
        self._record = record
        self._compared: tuple[object, float] = None, NAN

    async def collect(self, at: Instant) -> Reading:
        """Look whether one of the two files is another one, and compare."""
        del at  # nothing here is a rate
        record = self._record.read()
        state = record, stamp(settings.HOSTS)
        if state != self._compared[0]:
            self._compared = state, self._overridden(record)
        return Reading(entities={RESOLVER: {"resolver_overridden_ratio": self._compared[1]}})

    def _overridden(self, record: HostRecord | None) -> float:
        if record is None or record.name != self._name:
            return NAN
        return float(bool(settings.addresses_of(self._name, settings.text_of(settings.HOSTS)) - record.addresses))
