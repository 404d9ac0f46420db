"""Disposable hosts: what is inside one, and what it may not do outside."""

from __future__ import annotations

import os
import time

import pytest

from orderd.sampling.disk import own_devices
from ordertrainer.ground import DisposableHost, missing_packages, residue

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]
SERVICES = ("nginx", "redis-server", "postgresql@15-main", "dnsmasq", "drill-worker", "chrony", "ssh")


def within(seconds, holds):
    """Return True when `holds` becomes true in time."""
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held


def ask_worker(inside):
    """Return the worker's answer to a PING."""
    script = "exec 3<>/dev/tcp/127.0.0.1/7070; echo PING >&3; read -t 2 line <&3; echo $line"
    return inside.check_output("bash -c %s", script).split()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_of_the_workload_runs_and_systemd_will_not_restart_it(inside, service):
    """Every service of the workload is up after the boot, and its repair is left to orderd."""
    assert inside.service(service).is_running
    assert service == "ssh" or inside.check_output("systemctl show -P Restart %s", service) == "no"


def test_every_service_answers(inside, clone):
    """Web server, cache, database, resolver and worker each answer a request of their own kind."""
    assert inside.check_output("curl -s http://%s/healthz", clone.address) == "ok"
    assert inside.check_output("redis-cli -h %s ping", clone.address) == "PONG"
    assert inside.check_output("psql -h 127.0.0.1 -U postgres -At -c 'select 1'") == "1"
    assert "10.99.0.1" in inside.check_output("getent hosts host.drill.test")
    assert ask_worker(inside)[0] == "PONG"


def test_nothing_of_the_machine_runs_beside_the_workload(inside):
    """No service of the machine came along, and none failed to start."""
    running = inside.check_output("systemctl list-units --type=service --state=running --plain --no-legend").splitlines()
    names = {line.split()[0].removesuffix(".service") for line in running}
    assert names <= {*SERVICES, "dbus", "drill-peer", "polkit", "systemd-journald", "systemd-logind", "user@0"}
    assert inside.check_output("systemctl list-units --failed --plain --no-legend") == ""


def test_the_worker_moves_a_line_within_50_ms(inside, clone):
    """A line put into the queue is done 50 ms later, and still after the queue was truncated."""
    for text in ("one", "two"):
        script = ": > queue; sleep 0.1; echo $0 >> queue; sleep 0.05; tail -1 done"
        assert clone.exec(["bash", "-c", f"cd /srv/data/worker; {script}", text]).stdout.strip() == text


def test_a_full_disk_shows_in_the_workers_answer_and_goes_away_with_it(inside):
    """The worker says FAIL soon after the disk was filled, and PONG again after room was made."""
    assert inside.mount_point("/srv/data").filesystem == "ext4"

    def is_noticed():  # ext4 gives blocks back when it writes out what it had reserved for, so it is filled again
        inside.run("cat /dev/zero >> /srv/data/fill")
        return ask_worker(inside)[0] == "FAIL"

    assert within(15, is_noticed)
    inside.check_output("rm /srv/data/fill")
    assert within(15, lambda: ask_worker(inside)[0] == "PONG")


def test_there_is_no_way_out(inside):
    """The clone knows its own cable, the one to its peer, and no route beyond them."""
    routes = [route.strip() for route in inside.check_output("ip -4 route show table main").splitlines()]
    assert "10.97.0.0/24 via 10.98.0.2 dev svc0" in routes
    others = [route for route in routes if " via " not in route]
    assert len(others) == len(routes) - 1
    assert {route.split(" dev ")[1].split()[0] for route in others} == {"host0", "svc0"}
    assert inside.run("ip route get 192.0.2.1").rc != 0


def test_the_machines_clock_cannot_be_set_from_a_clone(inside, clone):
    """Neither a process of the clone nor one that entered it from outside holds CAP_SYS_TIME or CAP_MKNOD."""
    for status in (inside.check_output("cat /proc/self/status"), clone.exec(["cat", "/proc/self/status"]).stdout):
        mask = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
        assert not mask >> 25 & 1
        assert not mask >> 27 & 1


def test_people_of_the_machine_leave_no_files_in_a_clone(inside):
    """Home directories of the machine are not in a clone."""
    assert inside.check_output("ls -A /root") == ".ssh"
    assert inside.check_output("ls -A /home") == ""


USAGE = (
    "def cpu(): t=[int(x) for x in open('/proc/stat').readline().split()[1:9]]; return sum(t), t[3]+t[4]\n"
    "import time; a=cpu(); time.sleep(2); b=cpu(); print(round(1-(b[1]-a[1])/(b[0]-a[0]),3))"
)


def cpu_ratio(host):
    """Return the CPU use that /proc/stat of the host shows over two seconds."""
    return float(host.exec(["python3", "-c", USAGE]).stdout)


def test_two_clones_see_their_own_cpu_and_memory(clone):
    """Load in one clone is measured there and not in another one beside it."""
    with DisposableHost.up() as other:
        assert other.address != clone.address
        assert other.machine_id != clone.machine_id
        hog = "x = bytearray(300 << 20)\nwhile True: pass"
        clone.exec(["systemd-run", "--quiet", "--unit=hog", "python3", "-c", hog], check=True)
        try:
            assert within(30, lambda: cpu_ratio(clone) >= 0.2), "the load is not seen where it is"
            assert within(30, lambda: cpu_ratio(other) <= 0.15), "the load is seen where it is not"
            used = [int(host.exec(["free", "-m"]).stdout.splitlines()[1].split()[2]) for host in (clone, other)]
        finally:
            clone.exec(["systemctl", "stop", "hog"])
        assert used[0] >= 300
        assert used[1] < 150
        name, index = other.name, other.index
    assert residue(name, index) == []


WRITES = """
import os
file, block = os.open("/srv/data/written", os.O_CREAT | os.O_WRONLY), os.urandom(1 << 20)
while True:
    os.pwrite(file, block, 0)
    os.fsync(file)
"""
MIB = 1 << 20


def io_of(host):
    """Return for how many microseconds anything waited for a disk, and what was written to the disks that are the host's own."""
    stalled = host.exec(["cat", "/proc/pressure/io"]).stdout.split("total=")[1].split()[0]
    lines = [line.split() for line in host.exec(["cat", "/proc/diskstats"]).stdout.splitlines()]
    own = own_devices(host.proc_root)
    return int(stalled), sum(int(line[9]) * 512 for line in lines if line[2] in own)


def test_two_clones_see_their_own_disks(clone):
    """Whoever writes and waits in one clone is seen there, and not in another one beside it that does nothing."""
    with DisposableHost.up() as other:
        before = [(host, io_of(host)) for host in (clone, other)]
        clone.exec(["systemd-run", "--quiet", "--unit=writer", "python3", "-c", WRITES], check=True)

        def grown():
            return [[now - was for now, was in zip(io_of(host), at, strict=True)] for host, at in before]

        try:
            assert within(30, lambda: grown()[0][0] >= 1e6 and grown()[0][1] >= 64 * MIB), "the writer is not seen where it is"
            (_, _), (stalled_us, written) = grown()
        finally:
            clone.exec(["bash", "-c", "systemctl stop writer; rm /srv/data/written"])
        assert stalled_us < 1e5
        assert written < 8 * MIB
        name, index = other.name, other.index
    assert residue(name, index) == []


def test_a_power_cycle_loses_memory_and_keeps_disks(clone, inside):
    """Afterwards it is another boot of the same host: /run and shared memory are new, files stay, services are up."""
    before = clone.init_pid
    clone.exec(
        ["bash", "-c", "echo kept > /etc/kept; echo kept > /srv/data/kept; touch /run/lost /dev/shm/lost; sync"], check=True
    )
    clone.power_cycle()
    assert clone.init_pid != before
    assert clone.exec(["cat", "/etc/kept", "/srv/data/kept"]).stdout == "kept\nkept\n"
    assert clone.exec(["ls", "/run/lost", "/dev/shm/lost"]).stdout == ""
    assert within(10, lambda: clone.exec(["systemctl", "is-active", "nginx"]).stdout == "active\n")
