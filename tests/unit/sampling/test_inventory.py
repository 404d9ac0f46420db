"""The inventory of a host, from a root made by hand and a systemd that answers from memory."""

import time
from pathlib import Path

import msgspec
import pytest

from orderd.config.schema import Config
from orderd.sampling.inventory import InventoryTaker, read_disk

TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 1 1 0
   1: 0100007F:0050 0100007F:C001 01 00000000:00000000 00:00000000 00000000    33        0 2 1 0
"""
TCP6 = """  sl  local_address                         remote_address                        st
   0: 00000000000000000000000001000000:1538 00000000000000000000000000000000:0000 0A 0:0 0:0 0 70 0 1
"""
MOUNTS = """22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 8:2 / /srv/my\\040data ro - ext4 /dev/sdb rw
24 22 0:5 / /run/user/0 rw - tmpfs tmpfs rw
"""


class Variant:
    def __init__(self, value):
        self.value = value


class Systemd:
    """Answers ListUnitsByPatterns and NRestarts."""

    def __init__(self):
        self.units = [["nginx.service", "", "loaded", "active", "running"], ["cron.service", "", "loaded", "active", "running"]]
        self.asked = []
        self.gone = False

    async def call(self, path, interface, member, signature="", body=()):
        if self.gone:
            raise ConnectionError("no connection to systemd")
        if member == "ListUnitsByPatterns":
            return [self.units]
        self.asked.append(path)
        return [Variant(2)]


@pytest.fixture
def root(tmp_path):
    """Return a root with two units, two mounts, two listeners and some files."""
    for folder in (
        "etc/systemd/system/nginx.service.d",
        "etc/systemd/system/multi-user.target.wants",
        "run/systemd/units",
        "proc/1/net",
        "sys/class/net/eth0",
        "sys/class/net/down0",
    ):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (tmp_path / "etc/systemd/system/nginx.service.d/a.conf").write_text("[Service]\n")
    (tmp_path / "etc/systemd/system/multi-user.target.wants/cron.service").symlink_to("/lib/systemd/system/cron.service")
    (tmp_path / "proc/1/mountinfo").write_text(MOUNTS)
    (tmp_path / "proc/1/net/tcp").write_text(TCP)
    (tmp_path / "proc/1/net/tcp6").write_text(TCP6)
    for link, flags in (("eth0", "0x1003"), ("down0", "0x1002")):
        (tmp_path / f"sys/class/net/{link}/flags").write_text(f"{flags}\n")
        (tmp_path / f"sys/class/net/{link}/mtu").write_text("1500\n")
    for unit in ("nginx", "cron"):
        (tmp_path / f"run/systemd/units/invocation:{unit}.service").symlink_to(f"{unit}1")
    return tmp_path


@pytest.fixture
def taker(root, manual_clock):
    """Return a taker of that root's inventory, and its systemd."""
    systemd = Systemd()
    config = msgspec.convert({"services": [{"unit": "nginx.service"}]}, Config)
    return InventoryTaker(config, manual_clock, systemd, root=root), systemd


async def test_everything_that_a_repair_could_change_by_mistake_is_there(taker):
    """Units with state and invocation, files by content, mounts, links, listeners; nothing that comes and goes by itself."""
    things = (await taker[0].take()).things
    assert things["unit nginx.service"] == "active=active sub=running load=loaded wanted=yes invocation=nginx1 restarts=?"
    assert "wanted=yes" in things["unit cron.service"]
    assert things["file /etc/hosts"].startswith("sha256=")
    assert things["file /etc/systemd/system/nginx.service.d/a.conf"].startswith("sha256=")
    assert things["file /etc/systemd/system/multi-user.target.wants/cron.service"] == "link=/lib/systemd/system/cron.service"
    assert things["mount /srv/my data"] == "type=ext4 access=ro"
    assert (things["link eth0"], things["link down0"]) == ("up=yes mtu=1500", "up=no mtu=1500")
    assert things["listener tcp 127.0.0.1:80"] == "uid=33"
    assert things["listener tcp 0000:0000:0000:0000:0000:0000:0000:0001:5432"] == "uid=70"
    assert "mount /run/user/0" not in things


async def test_who_restarted_a_unit_is_asked_only_of_those_that_were(taker, root):
    """A new invocation is followed up with the unit's count of automatic restarts; the others cost nothing."""
    taking, systemd = taker
    await taking.take()
    assert systemd.asked == []
    link = root / "run/systemd/units/invocation:cron.service"
    link.unlink()
    link.symlink_to("cron2")
    things = (await taking.take()).things
    assert [path.rpartition("/")[2] for path in systemd.asked] == ["cron_2eservice"]
    assert things["unit cron.service"].endswith("invocation=cron2 restarts=2")
    await taking.take()
    assert len(systemd.asked) == 1


async def test_a_rewritten_file_with_the_same_content_is_the_same(taker, root):
    """Dhclient writes resolv.conf anew at every lease; only a change of what it holds is one."""
    before = (await taker[0].take()).things
    hosts = root / "etc/hosts"
    text = hosts.read_text()
    hosts.unlink()
    hosts.write_text(text)
    assert (await taker[0].take()).things == before
    hosts.write_text("127.0.0.1 elsewhere\n")
    assert (await taker[0].take()).things["file /etc/hosts"] != before["file /etc/hosts"]


async def test_without_systemd_units_are_missing_and_the_rest_is_there(taker):
    """What cannot be told is left out, not guessed."""
    taking, systemd = taker
    systemd.gone = True
    things = (await taking.take()).things
    assert not any(thing.startswith("unit ") for thing in things)
    assert "file /etc/hosts" in things


def test_reading_this_machine_is_cheap():
    """Everything but systemd's answer within 20 ms, at best of five."""

    def once():
        began = time.perf_counter()
        read_disk(Path("/"))
        return time.perf_counter() - began

    assert min(once() for _ in range(5)) < 0.02
