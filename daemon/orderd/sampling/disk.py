"""Traffic of block devices. Reads /proc/diskstats through psutil."""

from collections.abc import Container

import psutil

from orderd.domain.clock import Instant
from orderd.domain.faults import EntityKind
from orderd.sampling.collector import RATES_MIN_S, Reading, Sums

# Devices that stand on others: their traffic is already counted below.
_STACKED = ("loop", "ram", "zram", "dm-", "md")


class DiskCollector:
    """Bytes read and written per second, over all physical devices."""

    name = "disk"
    signals = frozenset({"disk_read_bytes_per_s", "disk_write_bytes_per_s"})
    kinds = frozenset[EntityKind]()
    every_s = RATES_MIN_S

    def __init__(self) -> None:
        """Start without a past."""
        self._sums = Sums()

    async def collect(self, at: Instant) -> Reading:
        """Read the counters of every device."""
        devices = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
        whole = {name: each for name, each in devices.items() if not name.startswith(_STACKED)}
        counters = {name: (each.read_bytes, each.write_bytes) for name, each in whole.items() if not _is_partition(name, whole)}
        read, written = self._sums.per_s(counters, at, 2)
        return Reading(host={"disk_read_bytes_per_s": read, "disk_write_bytes_per_s": written})


def _is_partition(name: str, devices: Container[str]) -> bool:
    """Tell whether a device is a partition of another one in the list: sda1 of sda, nvme0n1p2 of nvme0n1."""
    disk = name.rstrip("0123456789")
    return disk != name and (disk in devices or (disk.endswith("p") and disk[:-1] in devices))
