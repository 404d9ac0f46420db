"""Traffic of block devices. Reads /proc/diskstats through psutil; in a container also the mount table.

A container sees the counters of all of its machine's devices, so that another tenant's traffic would read as ours. There only
devices count that are mounted in the container alone and as a whole; without one the signals are missing, which is true.
"""

import os
from collections.abc import Callable, Container, Mapping
from pathlib import Path

import psutil

from orderd.domain.clock import Instant
from orderd.domain.faults import EntityKind
from orderd.sampling.collector import NAN, RATES_MIN_S, Reading, Sums
from orderd.sampling.container import is_container

# Devices that stand on others: their traffic is already counted below.
_STACKED = ("loop", "ram", "zram", "dm-", "md")
_LOOK_EVERY_S = 10.0


class DiskCollector:
    """Bytes read and written per second, over all physical devices."""

    name = "disk"
    signals = frozenset({"disk_read_bytes_per_s", "disk_write_bytes_per_s"})
    kinds = frozenset[EntityKind]()
    every_s = RATES_MIN_S

    def __init__(self, own: Callable[[], frozenset[str] | None] | None = None) -> None:
        """Start without a past.

        Args:
            own: returns the devices that count, None for all; replaced in tests.
        """
        self._sums = Sums()
        self._find_own = own or (own_devices if is_container() else lambda: None)
        self._own: frozenset[str] | None = None
        self._looked_ns: int | None = None

    async def collect(self, at: Instant) -> Reading:
        """Read the counters of every device that counts."""
        if self._looked_ns is None or at.mono_ns - self._looked_ns >= _LOOK_EVERY_S * 1e9:
            self._own, self._looked_ns = self._find_own(), at.mono_ns
        devices = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
        counting = _counting(devices, self._own)
        if self._own is not None and not counting:
            return Reading(host={"disk_read_bytes_per_s": NAN, "disk_write_bytes_per_s": NAN})
        counters = {name: (devices[name].read_bytes, devices[name].write_bytes) for name in counting}
        read, written = self._sums.per_s(counters, at, 2)
        return Reading(host={"disk_read_bytes_per_s": read, "disk_write_bytes_per_s": written})


def _counting(devices: Mapping[str, object], own: Container[str] | None) -> list[str]:
    if own is not None:
        return [name for name in devices if name in own]
    whole = [name for name in devices if not name.startswith(_STACKED)]
    return [name for name in whole if not _is_partition(name, whole)]


def _is_partition(name: str, devices: Container[str]) -> bool:
    """Tell whether a device is a partition of another one in the list: sda1 of sda, nvme0n1p2 of nvme0n1."""
    disk = name.rstrip("0123456789")
    return disk != name and (disk in devices or (disk.endswith("p") and disk[:-1] in devices))


def own_devices(root: Path = Path("/")) -> frozenset[str]:
    """Return the names of the devices that this host has mounted as a whole; a part of one is somebody else's file system."""
    lines = (line.split(" ")[2:4] for line in _mountinfo(root).splitlines())
    return frozenset(filter(None, {_name(number, root) for number, top in lines if top == "/"}))


def _mountinfo(root: Path) -> str:
    for file in (root / "proc/1/mountinfo", root / "proc/self/mountinfo"):
        try:
            return file.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            continue
    return ""


def _name(number: str, root: Path) -> str:
    try:
        return os.path.basename(os.readlink(root / "sys/dev/block" / number))  # noqa: PTH115, PTH119  a link's text
    except OSError:  # no block device stands behind it
        return ""
