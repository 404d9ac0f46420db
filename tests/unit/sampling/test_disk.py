"""What block devices have read and written, on a machine and in a container."""

import math
from types import SimpleNamespace

import psutil
import pytest

from orderd.sampling.disk import DiskCollector, own_devices

MOUNTINFO = """\
22 1 0:40 / / rw - overlay overlay rw
30 22 7:1 / /srv/data rw - ext4 /dev/loop1 rw
31 22 254:0 /hosts /etc/hosts rw - ext4 /dev/vda rw
32 22 253:3 / /var/lib/db rw - xfs /dev/mapper/db rw
"""


@pytest.fixture
def counted(monkeypatch, manual_clock):
    """Return a function that lets devices write for a second and tells what the collector makes of it."""

    async def count(*, own=None, **written):
        collector = DiskCollector(lambda: own)
        for at_once in (0, 1):
            devices = {name: SimpleNamespace(read_bytes=0, write_bytes=size * at_once) for name, size in written.items()}
            monkeypatch.setattr(psutil, "disk_io_counters", lambda devices=devices, **_: devices)
            host = (await collector.collect(manual_clock.now())).host
            manual_clock.advance(1)
        return host["disk_write_bytes_per_s"]

    return count


async def test_every_byte_counts_once_on_a_machine(counted):
    """Partitions and what stands on other devices are counted below."""
    assert await counted(sda=100, sda1=60, nvme0n1=10, nvme0n1p1=10, loop0=60, md0=100, **{"dm-0": 60}) == 110


async def test_a_container_counts_its_own_devices_whatever_they_stand_on(counted):
    """The machine's disk is everybody's; without a device of its own nothing is claimed."""
    assert await counted(own=frozenset({"loop1", "vda2"}), vda=1000, vda2=30, loop0=500, loop1=7) == 37
    assert math.isnan(await counted(own=frozenset(), vda=1000))


def test_own_devices_are_those_that_are_mounted_as_a_whole(tmp_path):
    """A file of the machine's that is mounted over one of ours makes the machine's disk no disk of ours."""
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/mountinfo").write_text(MOUNTINFO)
    block = tmp_path / "sys/dev/block"
    block.mkdir(parents=True)
    for number, name in (("7:1", "loop1"), ("254:0", "vda"), ("253:3", "dm-3")):
        (block / number).symlink_to(f"../../devices/virtual/block/{name}")
    assert own_devices(tmp_path) == {"loop1", "dm-3"}
    assert own_devices(tmp_path / "nowhere") == frozenset()
