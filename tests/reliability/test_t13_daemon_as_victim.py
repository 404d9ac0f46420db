"""T13: the daemon itself in trouble, on a disposable host: it still detects, or is restarted in time, and its health never lies.

Detection is measured from outside: a service is killed, and the record says when the sample that showed it was complete, on the
same monotonic clock. Event or not, a host is looked at once a second, so twice the undisturbed detection means twice that second.
Health is asked over gRPC: whoever says SERVING has to detect.
"""

import contextlib
import os
import signal
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from installed_host import (
    PROGRAMS,
    installed_host,
    is_active,
    main_pid,
    orderctl,
    reconfigure,
    shell,
    wait,
    widened,
)
from orderd.domain.values import DecisionRecord
from ordertrainer.drill.watcher import Watcher
from ordertrainer.ground import missing_packages

pytestmark = [
    pytest.mark.drill,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]

LIMIT = "detection <= 2x, restart <= 35 s, health never lies"
PERIOD_S = 1.0
RESTART_S = 35.0
SERVICES = ("nginx.service", "redis-server.service", "drill-worker.service")


@dataclass
class Victim:
    """An installed host, a watcher of its record outside of it, and what its undisturbed detection takes."""

    host: object
    watcher: Watcher
    undisturbed_s: float = 0.0
    turn: int = 0

    @property
    def limit_s(self) -> float:
        """Return the longest detection that is still twice the undisturbed one."""
        return 2 * max(self.undisturbed_s, PERIOD_S)

    def detect_s(self, within_s: float = 20.0) -> float:
        """Kill a service; return the seconds until a sample showed it, infinity when none did.

        Nothing is run inside the host for it: in some troubles nothing can be.
        """
        with contextlib.suppress(AssertionError):  # in some troubles an incident cannot end
            wait(lambda: not self._open_incidents(), 12, "what was wrong before has ended")
        self.turn += 1
        service = SERVICES[self.turn % len(SERVICES)]
        killed_ns = time.monotonic_ns()
        for pid in self._processes_of(service):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        give_up = time.monotonic() + within_s
        while time.monotonic() < give_up:
            found = [
                heard.record for heard in self.watcher.decisions(killed_ns) if self._answers(heard.record, service, killed_ns)
            ]
            if found and (found[-1].state.terminal or time.monotonic() > give_up - 10):
                return (found[0].decision.detected_at.mono_ns - killed_ns) / 1e9
            time.sleep(0.1)
        return float("inf")

    def _open_incidents(self) -> int:
        status = self.watcher.status
        return 0 if status is None else status.open_incidents

    @staticmethod
    def _answers(record: DecisionRecord, service: str, killed_ns: int) -> bool:
        """Tell whether a decision is about this kill, and not about what was wrong before it."""
        decision = record.decision
        return decision.diagnosis.entity.key == service and decision.detected_at.mono_ns >= killed_ns

    def _processes_of(self, unit: str) -> list[int]:
        """Return a unit's processes as this machine numbers them."""
        found = []
        for pid in self.host.groups.processes():
            with contextlib.suppress(OSError):
                if f"/{unit}" in Path(f"/proc/{pid}/cgroup").read_text():
                    found.append(pid)
        return found

    def mend(self) -> None:
        """Start what is not running: in some troubles no repair can be."""
        for service in SERVICES:
            shell(
                self.host,
                f"systemctl is-active --quiet {service} || (systemctl reset-failed {service}; systemctl start {service})",
            )

    def serving(self, timeout_s: float = 2.0) -> bool:
        """Ask over gRPC whether orderd does its work; no answer is a no."""
        address = f"unix:{self.host.proc_root / 'run/orderd/orderd.sock'}"
        with grpc.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            with contextlib.suppress(grpc.RpcError):
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout_s)
                return answer.status == health_pb2.HealthCheckResponse.SERVING
        return False

    def recovered(self) -> None:
        """Wait until all four programs run, health says so, and nothing is degraded."""
        self.mend()
        wait(lambda: all(is_active(self.host, unit) for unit in PROGRAMS), RESTART_S, "all programs run")
        wait(lambda: self.serving() and not orderctl(self.host, "status").get("degraded"), 30, "orderd is well again")


@pytest.fixture(scope="module")
def victim():
    """An installed host with wide budgets, and its undisturbed detection."""
    with installed_host() as host, Watcher(host) as watcher:
        reconfigure(host, widened)
        victim = Victim(host, watcher)
        wait(victim.serving, 20, "orderd serves")
        victim.undisturbed_s = statistics.median(victim.detect_s() for _ in range(3))
        yield victim


@contextlib.contextmanager
def _hogs(host, count: int):
    shell(host, f"systemd-run --quiet --unit=hogs bash -c 'for i in $(seq {count}); do (while :; do :; done) & done; wait'")
    try:
        yield
    finally:
        shell(host, "systemctl kill --signal=KILL hogs.service; systemctl reset-failed hogs.service")


@contextlib.contextmanager
def _stopped_unit(host, unit: str):
    shell(host, f"systemctl kill --signal=STOP {unit}")
    try:
        yield
    finally:
        shell(host, f"systemctl kill --signal=CONT {unit}")


@contextlib.contextmanager
def _no_more_files(host):
    """Take from orderd every descriptor it does not hold already."""
    pid = main_pid(host, "orderd.service")
    held = int(shell(host, f"ls /proc/{pid}/fd | wc -l"))
    shell(host, f"prlimit --pid {pid} --nofile={held}:65536")
    try:
        yield
    finally:
        shell(host, f"prlimit --pid {pid} --nofile=65536:65536")


@contextlib.contextmanager
def _no_more_processes(host):
    """Allow the host no process beyond those it has."""
    file = Path("/sys/fs/cgroup/pids/orderd-drill") / host.name / "pids.max"
    if not file.exists():
        pytest.skip("this machine counts processes elsewhere")
    before, now = file.read_text(), file.with_name("pids.current").read_text()
    file.write_text(now)
    try:
        yield
    finally:
        file.write_text(before)


@contextlib.contextmanager
def _full_var(host):
    shell(host, "mkdir -p /run/spare; mount -t tmpfs -o size=80M spare /run/spare; cp -a /var/lib/orderd/. /run/spare/")
    shell(host, "systemctl stop orderd; chown --reference=/var/lib/orderd /run/spare; mount --bind /run/spare /var/lib/orderd")
    shell(host, "systemctl start orderd; dd if=/dev/zero of=/run/spare/filler bs=64k 2>/dev/null; sync")
    try:
        yield
    finally:
        shell(host, "systemctl stop orderd; umount /var/lib/orderd; umount /run/spare; systemctl start orderd", 60)


@contextlib.contextmanager
def _hung_mount(host):
    """Mount a FUSE file system on a watched path and stop the program behind it."""
    fuse, pid = host.proc_root / "dev/fuse", host.init_pid
    if not Path("/usr/bin/lxcfs").exists() or not Path("/dev/fuse").exists():
        pytest.skip("needs FUSE and lxcfs")
    if not fuse.exists():
        os.mknod(fuse, 0o600 | 0o020000, Path("/dev/fuse").stat().st_rdev)
    shell(host, "mkdir -p /srv/hung")
    # Outside the clone's control groups, which forbid the device; inside its mount namespace, where the path lies.
    program = subprocess.Popen(
        ["nsenter", "-t", str(pid), "-m", "lxcfs", "-f", "--pidfile", "/run/hung.pid", "/srv/hung"], stdout=-3, stderr=-3
    )
    try:
        wait(lambda: "/srv/hung" in shell(host, "cat /proc/mounts"), 5, "the mount is there")
        program.send_signal(signal.SIGSTOP)
        yield
    finally:
        program.kill()
        program.wait()
        shell(host, "umount --lazy /srv/hung")


TROUBLES = {
    "8 CPU hogs on 2 cores": lambda host: _hogs(host, 8),
    "no file descriptor left": _no_more_files,
    "no process left": _no_more_processes,
    "full /var": _full_var,
    "hung mount": _hung_mount,
    "journald stopped": lambda host: _stopped_unit(host, "systemd-journald.service"),
    "orderd-infer stopped": lambda host: _stopped_unit(host, "orderd-infer.service"),
    "D-Bus stopped": lambda host: _stopped_unit(host, "dbus.service"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_daemon_in_trouble_still_detects_or_says_that_it_does_not(victim, measured, trouble):
    """Within twice the undisturbed time; while health says SERVING nothing is missed. Afterwards all is as before."""
    if trouble == "hung mount":
        reconfigure(victim.host, lambda text: text.replace("[resolver]", '[[mounts]]\npath = "/srv/hung"\n\n[resolver]', 1))
    with TROUBLES[trouble](victim.host):
        time.sleep(3.0)
        # Each service once: what cannot be repaired meanwhile stays down.
        seconds = statistics.median(victim.detect_s() for _ in range(3))
        served = victim.serving()
    measured(figure=f"{trouble}: detected after {seconds:.2f} s, {'SERVING' if served else 'NOT_SERVING'}", limit=LIMIT, runs=3)
    assert seconds <= victim.limit_s
    victim.recovered()


@pytest.mark.parametrize("unit", PROGRAMS)
def test_a_killed_program_is_back_and_detection_with_it(victim, measured, unit):
    """What the kernel's OOM killer does to one program, systemd mends in seconds."""
    pid = main_pid(victim.host, unit)
    shell(victim.host, f"kill -KILL {pid}")
    seconds = wait(lambda: main_pid(victim.host, unit) not in {0, pid} and victim.serving(), RESTART_S, f"{unit} is back")
    detected = victim.detect_s()
    measured(figure=f"{unit} killed: back after {seconds:.1f} s, detected {detected:.2f} s", limit=LIMIT, runs=1)
    assert detected <= victim.limit_s
    victim.recovered()


def test_a_frozen_daemon_is_restarted_and_meanwhile_says_nothing(victim, measured):
    """SIGSTOP: no health answer, no lie; the watchdog restarts it."""
    pid = main_pid(victim.host, "orderd.service")
    shell(victim.host, f"kill -STOP {pid}")
    lied = victim.serving(timeout_s=1.0)
    seconds = wait(
        lambda: main_pid(victim.host, "orderd.service") not in {0, pid} and victim.serving(0.5), RESTART_S + 5, "a restart"
    )
    measured(figure=f"SIGSTOP: restarted and serving after {seconds:.1f} s", limit=LIMIT, runs=1)
    assert not lied
    assert seconds <= RESTART_S
    assert victim.detect_s() <= victim.limit_s
    victim.recovered()


def test_memory_that_runs_out_does_not_end_detection(victim, measured):
    """Whoever the OOM killer takes, orderd is there a moment later and detects."""
    script = "import time\nx = []\nwhile True:\n    x.append(bytearray(64 << 20))\n    time.sleep(0.05)"
    shell(victim.host, f"systemd-run --quiet --unit=eater --property=OOMScoreAdjust=500 python3 -c '{script}'")
    wait(lambda: not is_active(victim.host, "eater.service"), 60, "the memory is eaten")
    shell(victim.host, "systemctl reset-failed eater.service")
    wait(victim.serving, RESTART_S, "orderd serves")
    victim.mend()
    time.sleep(5.0)
    detected = victim.detect_s()
    measured(figure=f"memory exhausted: detected {detected:.2f} s", limit=LIMIT, runs=1)
    assert detected <= victim.limit_s
    victim.recovered()
