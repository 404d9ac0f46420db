"""The sampler on a disposable host, unprivileged as in service, against real systemd and real services."""

import contextlib
import json
import math
import os
import queue
import shutil
import subprocess
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from ordertrainer.ground import DisposableHost, missing_packages, unwinding

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]

CONFIG = """
[[services]]
unit = "nginx.service"
probe = {kind="http", url="http://127.0.0.1/healthz"}
[[services]]
unit = "redis-server.service"
probe = {kind="tcp", address="127.0.0.1:6379", send="PING\\r\\n", expect="+PONG"}
[[services]]
unit = "drill-worker.service"
probe = {kind="tcp", address="127.0.0.1:7070", send="PING\\n", expect="PONG"}
[[services]]
unit = "postgresql@15-main.service"
probe = {kind="postgres"}
[[mounts]]
path = "/srv/data"
[resolver]
name = "host.drill.test"
[sampling]
known_good = "/opt/sampling/known-good"
"""
CAPTURE = """
from pathlib import Path
from orderd.config import load
from orderd.sampling import known_good
known_good.capture(load(Path("/opt/sampling/orderd.toml")))
"""
BAD_DROPIN = "[Service]\nExecStart=\nExecStart=/bin/false\nRestart=on-failure\nRestartSec=100ms\n"
NGINX, REDIS, WORKER = "unit:nginx.service", "unit:redis-server.service", "unit:drill-worker.service"


class Watched:
    """A host whose samples arrive here."""

    def __init__(self, host, samples):
        self.host = host
        self._samples = samples

    def sh(self, command):
        self.host.exec(["bash", "-c", command], check=True)

    def until(self, holds, within_s):
        """Return the seconds until a sample holds, by the clock that both sides share."""
        started = time.monotonic()
        while True:
            sample = self._samples.get(timeout=max(0.01, started + within_s + 5 - time.monotonic()))
            if holds(sample["entities"]):
                seconds = sample["mono_s"] - started
                assert seconds <= within_s
                return seconds

    def fault(self, command, holds, within_s):
        """Do something to the host; return the seconds until a sample shows it."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._samples.get_nowait()
        thread = threading.Thread(target=self.sh, args=(command,))
        thread.start()
        seconds = self.until(holds, within_s)
        thread.join()
        return seconds


def install(host):
    """Put the package, what it imports, and a configuration on the host."""
    target = host.root / "opt/sampling"
    for package in ("orderd", "psutil", "msgspec", "dbus_fast"):
        source = Path(find_spec(package).origin).parent
        shutil.copytree(source, target / package, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "orderd.toml").write_text(CONFIG)
    host.exec(["env", "PYTHONPATH=/opt/sampling", "python3", "-c", CAPTURE], check=True)
    host.exec(["chmod", "-R", "a+rX", "/opt/sampling"], check=True)


@pytest.fixture(scope="module")
def watched():
    """A host that is sampled by an unprivileged process."""
    with unwinding():
        with DisposableHost.up() as host:
            install(host)
            nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "PYTHONPATH=/opt/sampling"]
            program = ["python3", "-m", "orderd.sampling", "--config", "/opt/sampling/orderd.toml"]
            enter = ["nsenter", "-t", str(host.init_pid), "-m", "-u", "-i", "-n", "-p", "-C"]
            process = subprocess.Popen([*enter, *nobody, *program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            samples = queue.Queue()
            reader = threading.Thread(target=lambda: [samples.put(json.loads(line)) for line in process.stdout])
            reader.start()
            watched = Watched(host, samples)
            watched.until(lambda e: all(e[u].get("probe_ok_ratio") == 1 for u in (NGINX, REDIS, WORKER)), 10)
            yield watched
        # Everything on the host was killed with it.
        reader.join()
        process.stdout.close()
        process.wait()


def test_a_healthy_host_looks_healthy(watched):
    """Unprivileged, every declared entity is measured, and nothing looks wrong."""

    def healthy(entities):
        units = [row for name, row in entities.items() if name.startswith("unit:")]
        fine = {"unit_active_ratio": 1, "unit_dropins_changed_ratio": 0, "unit_main_stopped_ratio": 0, "probe_ok_ratio": 1}
        return (
            all(row.items() >= fine.items() for row in units)
            and entities["resolver:system"]["probe_ok_ratio"] == 1
            and 0 < entities["mount:/srv/data"]["mount_used_ratio"] < 1
            and not math.isnan(entities["clock:system"]["clock_step_s"])
        )

    watched.until(healthy, 5)


def test_a_killed_service_is_seen_at_once(watched):
    """Kill -9 shows as failed by a signal well before the next timer."""
    watched.fault("systemctl kill -s KILL nginx", lambda e: e[NGINX]["unit_failed_ratio"] == 1, 0.7)
    watched.fault("systemctl start nginx", lambda e: e[NGINX].get("probe_ok_ratio") == 1, 5)


def test_a_masked_service_is_seen_at_once(watched):
    """Mask --now, until the next boot, shows as masked and inactive."""
    watched.fault(
        "systemctl mask --runtime --now nginx",
        lambda e: e[NGINX]["unit_masked_ratio"] == 1 and e[NGINX]["unit_active_ratio"] == 0,
        1.5,
    )
    watched.fault(
        "systemctl unmask --runtime nginx && systemctl start nginx",
        lambda e: e[NGINX]["unit_masked_ratio"] == 0 and e[NGINX]["probe_ok_ratio"] == 1,
        5,
    )


def test_a_hung_service_is_seen_before_the_next_probe(watched):
    """SIGSTOP, which systemd does not notice, shows within a fraction of a second; the probe fails too."""
    watched.fault("systemctl kill -s STOP redis-server", lambda e: e[REDIS]["unit_main_stopped_ratio"] == 1, 0.9)
    watched.until(lambda e: e[REDIS]["probe_ok_ratio"] == 0, 3)
    watched.fault("systemctl kill -s CONT redis-server", lambda e: e[REDIS]["probe_ok_ratio"] == 1, 3)


def test_a_crash_loop_after_a_bad_drop_in_is_seen(watched):
    """The changed drop-in and the restarts show; without the drop-in everything is as before."""
    path = "/run/systemd/system/drill-worker.service.d"
    write = f"mkdir -p {path} && printf '{BAD_DROPIN}' > {path}/90-bad.conf"
    watched.fault(
        f"{write} && systemctl daemon-reload && systemctl restart drill-worker",
        lambda e: e[WORKER]["unit_dropins_changed_ratio"] == 1 and e[WORKER]["unit_restarts_per_s"] > 0,
        5,
    )
    watched.fault(
        f"rm -r {path} && systemctl daemon-reload && systemctl reset-failed drill-worker && systemctl restart drill-worker",
        lambda e: e[WORKER]["unit_dropins_changed_ratio"] == 0 and e[WORKER].get("probe_ok_ratio") == 1,
        8,
    )


def test_a_wrong_name_server_is_seen(watched):
    """An unreachable name server in resolv.conf shows within a second; the old file makes it good again."""
    resolver = "resolver:system"
    watched.fault("echo 'nameserver 10.255.255.1' > /etc/resolv.conf", lambda e: e[resolver]["probe_ok_ratio"] == 0, 2)
    watched.fault("echo 'nameserver 127.0.0.53' > /etc/resolv.conf", lambda e: e[resolver]["probe_ok_ratio"] == 1, 3)


def test_a_runaway_and_a_leak_become_entities(watched):
    """A CPU hog and a growing process show within three samples, and neither belongs to a service."""

    def processes(entities):
        return [row for name, row in entities.items() if name.startswith("process:") and not row["process_of_service_ratio"]]

    watched.fault(
        "timeout 4 python3 -c 'while True: pass' || true",
        lambda e: any(row.get("process_cpu_user_cores", 0) > 0.2 for row in processes(e)),
        4,
    )
    leak = "import time; kept = []\nwhile True: kept.append(bytearray(4 << 20)); time.sleep(0.1)"
    watched.fault(
        f"timeout 4 python3 -c '{leak}' || true",
        lambda e: any(row.get("process_memory_growth_ratio_per_s", 0) > 0.005 for row in processes(e)),
        4,
    )


def test_a_filling_disk_is_seen(watched):
    """A growing file shows as a fill rate within three samples."""
    watched.fault(
        "dd if=/dev/zero of=/srv/data/fill bs=1M count=60 status=none; sleep 2; rm /srv/data/fill",
        lambda e: e["mount:/srv/data"].get("mount_fill_ratio_per_s", 0) > 0.01,
        4,
    )


def test_a_dead_message_bus_makes_units_missing_until_it_is_back(watched):
    """Without D-Bus nothing is claimed about units."""
    watched.fault("systemctl stop dbus.socket dbus.service", lambda e: "unit_active_ratio" not in e[NGINX], 2)
    watched.fault("systemctl start dbus.socket dbus.service", lambda e: e[NGINX].get("unit_active_ratio") == 1, 10)
