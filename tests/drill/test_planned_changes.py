"""An orderd that may repair everything keeps out of the way of people, packages and deployments, and of nobody else's."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from pathlib import Path

import msgspec
import pytest

from ordertrainer.chaos import Injector, draw, load_faults
from ordertrainer.drill.install import build_bundle, install_orderd
from ordertrainer.ground import DisposableHost, missing_packages, unwinding

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]
FAULTS_DIR = Path(__file__).parents[2] / "playbooks" / "faults"
FAULTS = load_faults(FAULTS_DIR).faults
REPAIRED_S = 20.0
LEFT_ALONE_S = 8.0
HOLD_LOCK = """cp "$(readlink -f "$(command -v python3)")" /run/apt-get; /run/apt-get -c '
import fcntl, time
held = open("/var/lib/dpkg/lock-frontend", "w"); fcntl.lockf(held, fcntl.LOCK_EX); time.sleep(%d)'"""


class Guarded:
    """A host with an orderd in mode auto."""

    def __init__(self, host):
        self.host = host

    def sh(self, command):
        return self.host.exec(["bash", "-c", command], check=True, timeout_s=120).stdout

    def login(self, command):
        """Run a command as a person does: over SSH, with a terminal."""
        argv = ["ssh", "-F", str(self.host.ssh_config), "-tt", self.host.name, command]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)

    def decisions(self):
        """Return what orderctl says of all decisions; asked again while a server that just started does not answer yet."""
        for _ in range(20):
            done = self.host.exec(["/opt/orderd/bin/orderctl", "decisions", "--json"])
            if done.returncode == 0:
                break
            time.sleep(1)
        return done.stdout.lower()

    def active(self, unit):
        return self.host.exec(["systemctl", "is-active", unit]).stdout.strip() == "active"

    def becomes_active(self, unit, within_s):
        deadline = time.monotonic() + within_s
        while not (up := self.active(unit)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return up

    def stays_down(self, unit, for_s=LEFT_ALONE_S):
        return not self.becomes_active(unit, for_s)


@pytest.fixture(scope="module")
def guarded():
    """Install orderd into a disposable host as a fleet owner does."""
    bundle = build_bundle()
    with unwinding(), DisposableHost.up() as host:
        install_orderd(host, bundle)
        time.sleep(3)
        yield Guarded(host)


@pytest.fixture(autouse=True)
def all_is_well(guarded):
    """Afterwards nginx runs, and whoever brought it back has been settled."""
    yield
    guarded.sh("rm -rf /run/orderd-deploy; systemctl unmask nginx 2>/dev/null; systemctl start nginx")
    time.sleep(1)
    guarded.sh("/opt/orderd/bin/orderctl release nginx.service || true")


def test_a_service_that_a_person_stopped_is_left_alone(guarded):
    """`ssh -tt host systemctl stop nginx`: nobody starts it again, a new orderd neither; the decision says whose change it is."""
    guarded.login("systemctl stop nginx")
    assert guarded.stays_down("nginx")
    said = guarded.decisions()
    assert "planned_change" in said
    assert "systemctl stop nginx" in said
    assert "root on pts/" in said
    guarded.sh("systemctl restart orderd")
    assert guarded.stays_down("nginx"), "a restart of orderd forgot whose change it was"


def test_a_service_that_a_person_masked_stays_masked(guarded):
    """A mask by a person in a login is not taken away."""
    guarded.login("systemctl mask --now nginx")
    assert guarded.stays_down("nginx")
    assert guarded.sh("systemctl is-enabled nginx || true").strip() == "masked"


@pytest.mark.parametrize("name", ["service_stop", "service_mask"])
def test_the_fault_that_looks_the_same_is_repaired(guarded, name, tmp_path):
    """What the injector stops or masks over SSH without a terminal is no person's change."""
    guarded.sh("systemctl restart orderd; sleep 3")
    experiment = msgspec.structs.replace(draw(random.Random(5), FAULTS[name]), target="nginx.service")
    with Injector(guarded.host.inventory, FAULTS_DIR, tmp_path) as injector:
        injector.inject(experiment)
        assert injector.landing(experiment).seen
        assert guarded.becomes_active("nginx", REPAIRED_S)
        injector.revert(experiment)


def test_nothing_is_repaired_during_a_package_transaction(guarded):
    """While a package manager holds its lock a dead service waits; once it is over and settled, it is repaired."""
    guarded.sh("systemctl restart orderd; sleep 3")
    holding = threading.Thread(target=guarded.sh, args=(HOLD_LOCK % 10,))
    holding.start()
    time.sleep(1)
    guarded.sh("systemctl kill --signal=KILL nginx")
    assert guarded.stays_down("nginx", 6)
    holding.join()
    assert guarded.becomes_active("nginx", 30 + REPAIRED_S)


def test_a_deploy_marker_holds_back_its_unit_only(guarded):
    """A marker named nginx.service keeps nginx down; redis is repaired meanwhile."""
    guarded.sh("systemctl restart orderd; sleep 3")
    guarded.sh("mkdir -p /run/orderd-deploy; echo 'release 42' > /run/orderd-deploy/nginx.service")
    guarded.sh("systemctl kill --signal=KILL nginx redis-server")
    assert guarded.becomes_active("redis-server", REPAIRED_S)
    assert guarded.stays_down("nginx", 4)
