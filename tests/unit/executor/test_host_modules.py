"""The modules that repair mounts, take ports back and restart name servers, called as Python."""

import importlib
import ipaddress
import socket
import subprocess
import sys

import pytest

from repair_modules import importable, module

MOUNTINFO = """\
22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro
30 22 7:0 / /srv/data rw,nosuid - ext4 /dev/loop0 ro
31 22 0:5 / /with\\040space ro,nosuid shared:7 master:1 - tmpfs tmpfs rw
32 22 0:6 / /srv/data rw - tmpfs tmpfs rw
"""
FSTAB = """\
# <file system> <mount point> <type> <options>
/dev/vda / ext4 errors=remount-ro 0 1
tmpfs /srv/data/ tmpfs ro,nosuid 0 0
UUID=1 none swap sw 0 0
"""
LISTENS = "import socket,time; s=socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); time.sleep(60)"


@pytest.fixture(scope="module", autouse=True)
def _modules():
    with importable():
        yield


@pytest.fixture
def mounts():
    return importlib.import_module("orderd_mount")


@pytest.fixture
def ports():
    return importlib.import_module("orderd_port")


def test_of_mounts_on_one_point_the_topmost_counts(mounts):
    """What is under another mount is not seen, and escapes in paths are undone."""
    assert mounts.topmost("/srv/data", MOUNTINFO)["type"] == "tmpfs"
    assert mounts.is_read_only(mounts.topmost("/with space", MOUNTINFO))
    assert mounts.topmost("/srv", MOUNTINFO) is None


def test_a_file_system_that_the_kernel_made_read_only_is_read_only(mounts):
    """The file system's own options count beside the mount's."""
    below = "".join(MOUNTINFO.splitlines(keepends=True)[:2])
    assert mounts.is_read_only(mounts.topmost("/srv/data", below))


def test_fstab_is_read_as_mount_reads_it(mounts):
    """Comments are none, a slash at the end is nothing."""
    assert mounts.wanted("/srv/data", FSTAB) == ["ro", "nosuid"]
    assert mounts.wanted("/", FSTAB) == ["errors=remount-ro"]
    assert mounts.wanted("/other", FSTAB) is None


def test_what_is_meant_to_be_read_only_stays(mounts, monkeypatch):
    """Fstab's word, a device that cannot be written and a file system with errors each forbid it."""
    mount = mounts.topmost("/srv/data", MOUNTINFO)
    with pytest.raises(mounts.NotTheCaseError, match="fstab"):
        mounts.check_may_be_written("/srv/data", mount, ["ro"])
    monkeypatch.setattr(mounts, "_read", lambda path: "1" if path.endswith("/ro") else "")
    with pytest.raises(mounts.NotTheCaseError, match="device"):
        mounts.check_may_be_written("/srv/data", mount, None)
    monkeypatch.setattr(mounts, "_read", lambda path: "3" if path.endswith("errors_count") else "0")
    with pytest.raises(mounts.NotTheCaseError, match="3 errors"):
        mounts.check_may_be_written("/srv/data", mount, None)
    monkeypatch.setattr(mounts, "_read", lambda _path: "")
    mounts.check_may_be_written("/srv/data", mount, ["rw"])


def test_a_mount_that_is_as_wanted_is_left_alone(mounts):
    """The root of this very machine is mounted and can be written, and answers: nothing is run."""
    asked = module()
    assert not mounts.mounted(asked, "/proc")
    assert not mounts.read_write(asked, "/proc")
    with pytest.raises(mounts.NotTheCaseError, match="answers"):
        mounts.detached(asked, "/proc")
    assert not mounts.detached(asked, "/nothing/here")
    assert asked.ran == []


def test_only_what_is_declared_is_mounted(mounts, monkeypatch):
    """Neither fstab nor a mount unit: nobody knows what belongs there."""
    monkeypatch.setattr(mounts, "wanted", lambda _path: None)
    asked = module(commands={"systemd-escape": (0, "nothing-here.mount\n", ""), "systemctl": (0, "\n", "")})
    with pytest.raises(mounts.NotTheCaseError, match="says what"):
        mounts.mounted(asked, "/nothing/here")
    assert [command[0].rpartition("/")[2] for command in asked.ran] == ["systemd-escape", "systemctl"]


def test_a_mount_that_is_declared_is_mounted_by_systemd_where_it_knows_it(mounts, monkeypatch):
    """Systemd first, else mount; one that did not appear is a failure."""
    monkeypatch.setattr(mounts, "wanted", lambda _path: ["defaults"])
    for shown, verb in (("/run/systemd/generator/nothing-here.mount\n", "start"), ("\n", "/nothing/here")):
        asked = module(commands={"systemd-escape": (0, "nothing-here.mount\n", ""), "systemctl": (0, shown, "")})
        with pytest.raises(mounts.MountFailedError, match="still"):
            mounts.mounted(asked, "/nothing/here")
        assert asked.ran[-1][1] == verb


def test_a_file_system_that_hangs_is_seen_by_a_process_that_may_hang(mounts, monkeypatch):
    """Who asks waits at most as long as was said."""
    monkeypatch.setattr(mounts.os, "statvfs", lambda _path: importlib.import_module("time").sleep(60))
    assert not mounts.answers("/", silent_s=0.1)


def test_addresses_of_the_kernel_are_read(ports):
    """IPv4, IPv6, and IPv4 in IPv6, in the order of this machine's bytes."""
    assert ports._address("0100007F", socket.AF_INET) == ipaddress.ip_address("127.0.0.1")
    assert ports._address("00000000000000000000000001000000", socket.AF_INET6) == ipaddress.ip_address("::1")
    assert ports._address("0000000000000000FFFF00000100007F", socket.AF_INET6) == ipaddress.ip_address("127.0.0.1")


@pytest.mark.parametrize(
    ("listener", "there", "clash"),
    [
        ("tcp 127.0.0.1:80", "127.0.0.1", True),
        ("tcp localhost:80", "0.0.0.0", True),
        ("tcp [::1]:80", "::", True),
        ("tcp 127.0.0.1:80", "10.0.0.1", False),
        ("tcp 127.0.0.1:81", "127.0.0.1", False),
    ],
)
def test_only_the_address_and_port_of_the_probe_clash(ports, listener, there, clash):
    """Somebody who listens elsewhere is in nobody's way."""
    found = {(ipaddress.ip_address(there), 80, 77)}
    assert ports.clashing(listener, lambda _protocol: found) == ({77} if clash else set())


@pytest.fixture
def squatter():
    """A process that listens on a port of its own."""
    with subprocess.Popen([sys.executable, "-c", LISTENS], stdout=subprocess.PIPE) as process:
        yield process, f"tcp 127.0.0.1:{int(process.stdout.readline())}"
        process.kill()


def evict(ports, listener, *, unit="a.service", protected=(), dry_run=False):
    return ports.evict({"unit": unit, "listens": [listener], "protected_units": list(protected)}, dry_run)


def test_a_squatter_is_stopped_once(ports, squatter):
    """Check mode stops nobody; the repair stops exactly the one; then there is nobody."""
    process, listener = squatter
    assert evict(ports, listener, dry_run=True) == [f"process {process.pid}: would stop"]
    assert process.poll() is None
    assert evict(ports, listener) == [f"process {process.pid}: terminated"]
    process.wait(timeout=2)
    assert evict(ports, listener) == []


def test_the_service_itself_and_other_services_are_no_squatters(ports, squatter, monkeypatch):
    """The unit's own process is left alone, that of a protected one refused."""
    process, listener = squatter
    shared = importlib.import_module("ansible.module_utils.orderd_process")
    for each in (ports, shared):
        monkeypatch.setattr(each, "units_of", lambda _pid: ["a.service"])
    assert evict(ports, listener) == []
    with pytest.raises(ports.ProcessRefusedError, match=r"a\.service"):
        evict(ports, listener, unit="b.service", protected=["a.service"])
    assert process.poll() is None


def test_without_a_probe_nobody_is_stopped(ports):
    """Where a service has no probe nobody knows where it listens."""
    assert ports.evict({"unit": "a.service", "listens": [], "protected_units": []}, dry_run=False) == []


def test_only_the_one_name_server_of_this_host_is_restarted(tmp_path, monkeypatch):
    """A server elsewhere, none, or two that are enabled: nobody is restarted."""
    servers = importlib.import_module("orderd_name_server")
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 10.0.0.1\n")
    assert not servers.is_local(str(resolv))
    resolv.write_text("search a\nnameserver 127.0.0.53\n")
    assert servers.is_local(str(resolv))
    monkeypatch.setattr(servers, "FOLDERS", (str(tmp_path),))
    assert servers.enabled(module()) == ""
    (tmp_path / "dnsmasq.service").touch()
    assert servers.enabled(module()) == "dnsmasq.service"
    (tmp_path / "unbound.service").touch()
    assert servers.enabled(module()) == ""
    assert servers.enabled(module(commands={"systemctl": (1, "", "")})) == ""


class Volume:
    """A mount that failed, in place of the kernel's table: umount and mount change it, and what is run is remembered."""

    def __init__(self, mounts, monkeypatch, source, *, fsck=0):
        self.there = {"device": "7:0", "options": ["rw"], "type": "ext4", "source": str(source), "super": ["rw", "shutdown"]}
        self.ran, self.params, self.check_mode, self.fsck = [], {}, False, fsck
        monkeypatch.setattr(mounts, "topmost", lambda _path: self.there)
        monkeypatch.setattr(mounts, "how_to_mount", lambda _module, _path: ["/usr/bin/mount", "/srv/data"])
        monkeypatch.setattr(mounts.shutil, "which", lambda name: f"/sbin/{name}")
        monkeypatch.setattr(mounts, "users_of", lambda _path: [(5, "b.service"), (6, "a.service"), (7, "a.service")])
        monkeypatch.setattr(mounts, "_read", lambda _path: "")

    def run_command(self, command, **_):
        self.ran.append([command[0].rpartition("/")[2], *command[1:]])
        if self.ran[-1][0] == "umount":
            self.there = None
        elif self.ran[-1][0] == "mount":
            self.there = {"device": "7:0", "options": ["rw"], "type": "ext4", "source": "/dev/loop0", "super": ["rw"]}
        return (self.fsck if "fsck" in command[0] else 0, "", "")


def verbs(volume):
    return [" ".join(word for word in command if word not in {"--", "--no-block"}) for command in volume.ran]


def test_a_file_system_that_failed_is_checked_between_unmount_and_mount(mounts, monkeypatch, tmp_path):
    """Its users are stopped for it and started again, and a second time it has not failed."""
    volume = Volume(mounts, monkeypatch, tmp_path)
    volume.check_mode = True
    assert mounts.checked(volume, "/srv/data")
    assert volume.ran == []
    volume.check_mode = False
    assert mounts.checked(volume, "/srv/data")
    assert verbs(volume) == [
        "systemctl stop a.service",
        "systemctl stop b.service",
        "umount /srv/data",
        f"fsck.ext4 -p {tmp_path}",
        "mount /srv/data",
        "systemctl start a.service",
        "systemctl start b.service",
    ]
    with pytest.raises(mounts.NotTheCaseError, match="has not failed"):
        mounts.checked(volume, "/srv/data")


def test_what_fsck_cannot_mend_by_itself_is_for_a_person(mounts, monkeypatch, tmp_path):
    """The repair fails with fsck's word, but what was there and ran before is there and runs again."""
    volume = Volume(mounts, monkeypatch, tmp_path, fsck=4)
    with pytest.raises(mounts.MountFailedError, match="returned 4"):
        mounts.checked(volume, "/srv/data")
    assert verbs(volume)[-3:] == ["mount /srv/data", "systemctl start a.service", "systemctl start b.service"]


@pytest.mark.parametrize("unit", ["", "ssh.service", "orderd-exec.service", "systemd-journald.service"])
def test_nobody_is_stopped_whom_the_host_needs(mounts, monkeypatch, tmp_path, unit):
    """A process of no service, or what people log in with: nothing is touched."""
    volume = Volume(mounts, monkeypatch, tmp_path)
    monkeypatch.setattr(mounts, "users_of", lambda _path: [(5, "a.service"), (6, unit)])
    with pytest.raises(mounts.MountFailedError, match="process 6"):
        mounts.checked(volume, "/srv/data")
    assert volume.ran == []


def test_a_file_system_that_failed_is_not_merely_remounted(mounts, monkeypatch):
    """The kernel has given it up: writing on would lose data."""
    monkeypatch.setattr(mounts, "_read", lambda _path: "")
    mount = mounts.topmost("/srv/data", "30 22 7:0 / /srv/data rw - ext4 /dev/loop0 rw,shutdown\n")
    assert mounts.is_read_only(mount)
    with pytest.raises(mounts.NotTheCaseError, match="checked first"):
        mounts.check_may_be_written("/srv/data", mount, None)


def test_only_a_device_of_this_host_is_mounted_by_the_record(mounts, monkeypatch, tmp_path):
    """The record tells what was mounted; whatever is no block device, or a record that is not root's alone, is not used."""
    (tmp_path / "mounts.json").write_text('{"/x": {"source": "/dev/null", "type": "ext4", "options": "rw,shutdown,noatime"}}')
    monkeypatch.setattr(mounts, "wanted", lambda _path: None)
    monkeypatch.setattr(mounts, "check_trusted", lambda _path: None)
    asked = module(commands={"systemd-escape": (0, "x.mount\n", "")}, known_good=str(tmp_path))
    assert mounts.how_to_mount(asked, "/x") == []
    assert mounts.how_to_mount(asked, "/y") == []
    monkeypatch.setattr(mounts.stat, "S_ISBLK", lambda _mode: True)
    assert mounts.how_to_mount(asked, "/x") == ["/usr/bin/mount", "-t", "ext4", "-o", "rw,noatime", "--", "/dev/null", "/x"]

    def refuse(_path):
        raise mounts.RecordRefusedError("writable by others")

    monkeypatch.setattr(mounts, "check_trusted", refuse)
    with pytest.raises(mounts.RecordRefusedError):
        mounts.how_to_mount(asked, "/x")
