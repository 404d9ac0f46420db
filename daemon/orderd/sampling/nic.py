"""Traffic of network interfaces. Reads /proc/net/dev through psutil."""

import psutil

from orderd.domain.clock import Instant
from orderd.domain.faults import EntityKind
from orderd.sampling.collector import RATES_MIN_S, Reading, Sums


class NicCollector:
    """Bytes and lost packets per second, over all interfaces but loopback."""

    name = "nic"
    signals = frozenset({"net_receive_bytes_per_s", "net_send_bytes_per_s", "net_drop_per_s"})
    kinds = frozenset[EntityKind]()
    every_s = RATES_MIN_S

    def __init__(self) -> None:
        """Start without a past."""
        self._sums = Sums()

    async def collect(self, at: Instant) -> Reading:
        """Read the counters of every interface."""
        nics = psutil.net_io_counters(pernic=True, nowrap=False)
        counters = {
            name: (nic.bytes_recv, nic.bytes_sent, nic.dropin + nic.dropout + nic.errin + nic.errout)
            for name, nic in nics.items()
            if name != "lo"
        }
        received, sent, lost = self._sums.per_s(counters, at, 3)
        return Reading(host={"net_receive_bytes_per_s": received, "net_send_bytes_per_s": sent, "net_drop_per_s": lost})
