"""Every fault on a real host: it lands, it is undone, nothing of it is left, and it never undoes somebody else's repair."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import testinfra

from ordertrainer.chaos import InjectionError, Injector, RequestError, Void, draw, load_faults
from ordertrainer.ground import DisposableHost, missing_packages, unwinding

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]
FAULTS_DIR = Path(__file__).parents[2] / "playbooks" / "faults"
FAULTS = load_faults(FAULTS_DIR).faults
POSSIBLE = sorted(name for name, fault in FAULTS.items() if not fault.needs)
OF_SERVICES = [name for name in POSSIBLE if name.startswith("service_")]
# Each on PostgreSQL, which has many processes and a launcher, and on one of the others in turn.
SERVICE_FAULTS = [(name, "postgresql@15-main.service") for name in OF_SERVICES] + [
    (name, ("nginx.service", "redis-server.service", "drill-worker.service")[turn % 3]) for turn, name in enumerate(OF_SERVICES)
]
RESOLV_CONF = "/etc/resolv.conf"
ORDERCTL = "/opt/orderd/bin/orderctl"

# Everything an experiment could leave: files with their content and mode, units of any kind, processes, states.
SNAPSHOT = """
find /etc /run/systemd/system /run/systemd/transient /srv/data -xdev \\( -type f -o -type l \\) \\
    ! -path '/srv/data/*/heartbeat*' ! -path '*/worker/*' -printf '%p %m %u %l %s\\n' | sort
find /etc/systemd /etc/resolv.conf -type f -exec sha256sum {} + | sort
ls -A /var/lib | grep chaos
systemctl list-units --all --plain --no-legend --no-pager '*.service' '*.timer' |
    grep -v -e systemd-tmpfiles -e user@ -e session | awk '{print $1, $2, $3, $4}' | sort
ps -eo comm,stat --no-headers | awk '$2 ~ /^T/ {print "stopped", $1}'
"""


@pytest.fixture(scope="module")
def clone():
    """A host that is up for the whole module."""
    with unwinding(), DisposableHost.up() as host:
        yield host


@pytest.fixture(scope="module")
def inside(clone):
    """The same host as testinfra sees it over SSH."""
    return testinfra.get_host(f"ssh://{clone.name}", ssh_config=str(clone.ssh_config))


@pytest.fixture(scope="module")
def injector(clone, tmp_path_factory):
    """An injector for the host, over its own inventory."""
    with Injector(clone.inventory, FAULTS_DIR, tmp_path_factory.mktemp("chaos")) as warm:
        yield warm


@pytest.fixture(autouse=True)
def nothing_is_left(inside):
    """Whatever a test does, the host is afterwards what it was before."""
    before = snapshot(inside)
    yield
    assert within(5, lambda: snapshot(inside) == before), difference(before, snapshot(inside))


def snapshot(inside):
    """Return everything on the host that an experiment could leave changed."""
    return inside.run(SNAPSHOT).stdout.splitlines()


def difference(before, after):
    """Say what is new and what is gone."""
    return {"new": sorted(set(after) - set(before)), "gone": sorted(set(before) - set(after))}


def within(seconds, holds):
    """Return True when `holds` becomes true in time."""
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return held


def drawn(name, target=None, seed=11):
    """Draw an experiment, on a target of one's choice."""
    experiment = draw(random.Random(seed), FAULTS[name])
    return msgspec.structs.replace(experiment, target=target or experiment.target)


def entered(inside, unit):
    """Return when the unit last became active."""
    return inside.check_output("systemctl show -P ActiveEnterTimestampMonotonic %s", unit)


@pytest.mark.parametrize(("name", "unit"), SERVICE_FAULTS)
def test_a_fault_of_a_service_lands_and_is_undone(injector, inside, name, unit):
    """On each of its targets the fault is seen to land, names the unit, and the revert makes the unit run again."""
    experiment = drawn(name, unit)
    injected = injector.inject(experiment)
    landing = injector.landing(experiment)
    assert injected.entity == f"unit:{unit}"
    assert landing.seen
    assert injected.armed_ns < landing.monotonic_ns < time.monotonic_ns()
    injector.revert(experiment)
    assert inside.service(unit).is_running


@pytest.mark.parametrize("name", [name for name in POSSIBLE if not name.startswith("service_")])
def test_every_other_fault_lands_and_is_undone(injector, inside, name):
    """The fault is seen to land, names an entity of its kind, and the revert leaves nothing of it."""
    experiment = drawn(name)
    injected = injector.inject(experiment)
    assert injector.landed(experiment)
    kind, _, key = injected.entity.partition(":")
    assert kind == FAULTS[name].target
    if kind == "process":
        pid = key.partition(":")[0]
        assert inside.file(f"/proc/{pid}/comm").content_string.strip() == experiment.parameters["name"]
        assert f"{experiment.parameters['name']}.service" in inside.file(f"/proc/{pid}/cgroup").content_string
    injector.revert(experiment)


def test_a_host_without_a_clock_of_its_own_keeps_its_clock(injector):
    """In a container the clock belongs to the machine: the run is void, with the reason, and nothing was touched."""
    offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    with pytest.raises(Void, match="own_clock: this host is a container"):
        injector.inject(drawn("clock_step"))
    assert abs(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) - offset) < 1


def test_a_planned_restart_needs_somebody_to_announce_it_to(injector, inside):
    """Without orderctl the decoy is void, because unannounced it would be a fault."""
    with pytest.raises(Void, match="orderctl"):
        injector.inject(drawn("planned_restart", "nginx.service"))
    assert inside.service("nginx").is_running


def test_a_planned_restart_is_announced_first_and_ends_by_itself(injector, inside):
    """The decoy tells orderd, stops the unit, and starts it again after the drawn time."""
    said = "/run/orderctl-was-told"
    script = f'#!/bin/sh\\nsystemctl is-active nginx >>{said}; echo "$@" >>{said}\\n'
    inside.check_output(f"mkdir -p $(dirname {ORDERCTL}) && printf '{script}' >{ORDERCTL} && chmod 755 {ORDERCTL}")
    try:
        experiment = drawn("planned_restart", "nginx.service")
        injector.inject(experiment)
        assert injector.landed(experiment)
        assert within(8, lambda: inside.service("nginx").is_running)
        injector.revert(experiment)
        told = inside.file(said).content_string.splitlines()
        assert told[:2] == ["active", "hold nginx.service --for 30s --why planned restart"]
        assert told[-1] == "release nginx.service"
    finally:
        inside.check_output(f"rm -rf {said} /opt/orderd")


KILLED = """
import random, sys
from pathlib import Path
from ordertrainer.chaos import Injector, draw, load_faults
injector = Injector(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
experiment = draw(random.Random(11), load_faults(Path(sys.argv[2])).faults[sys.argv[4]])
injector.inject(experiment, ttl_s=12)
print("injected", injector._playbooks._process.pid, flush=True)
input()
"""


@pytest.mark.parametrize("name", ["service_mask", "cpu_runaway"])
def test_the_fault_ends_in_time_when_its_injector_was_killed(clone, inside, tmp_path, name):
    """With the injector and its playbook process dead by SIGKILL, the host reverts the fault by itself when its time is up."""
    arguments = [str(clone.inventory), str(FAULTS_DIR), str(tmp_path), name]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as doomed:
        said, pid = doomed.stdout.readline().split()
        doomed.kill()
        os.kill(int(pid), 9)
    assert said == "injected"
    assert inside.file("/var/lib/orderd-chaos").exists
    assert within(25, lambda: not inside.file("/var/lib/orderd-chaos").exists)


def test_a_boot_after_a_crash_reverts(injector, inside):
    """The boot unit is enabled, and what it runs brings back even what the fault left on the disk."""
    experiment = drawn("service_mask", "nginx.service")
    injector.inject(experiment)
    unit = f"orderd-chaos-{experiment.id}.service"
    assert inside.file(f"/etc/systemd/system/multi-user.target.wants/{unit}").linked_to == f"/etc/systemd/system/{unit}"
    baseline = f"/var/lib/orderd-chaos/{experiment.id}/baseline.json"
    inside.check_output("sed -Ei 's/(.boot_id.: .)[0-9a-f-]*/\\1another/' %s", baseline)
    inside.run_expect([0], f"systemctl start {unit}")
    assert within(5, lambda: inside.service("nginx").is_running)
    assert within(5, lambda: not inside.file("/var/lib/orderd-chaos").exists)


def test_a_repaired_resolver_configuration_is_not_overwritten(injector, inside):
    """When somebody has written another resolv.conf since, the revert leaves theirs."""
    was = inside.file(RESOLV_CONF).content_string
    experiment = drawn("dns_wrong_server")
    injector.inject(experiment)
    inside.check_output(f"echo '# mended by hand' >{RESOLV_CONF}; printf '%s' '{was}' >>{RESOLV_CONF}")
    injector.revert(experiment)
    assert inside.file(RESOLV_CONF).content_string == f"# mended by hand\n{was}"
    inside.check_output(f"sed -i 1d {RESOLV_CONF}")


def test_a_service_that_was_started_since_is_left_to_whoever_did_it(injector, inside):
    """A unit that was repaired and then stopped on purpose stays stopped; a unit that was repaired is not restarted."""
    experiment = drawn("service_stop", "nginx.service")
    injector.inject(experiment)
    inside.check_output("systemctl start nginx")
    started = entered(inside, "nginx.service")
    inside.check_output("systemctl stop nginx")
    injector.revert(experiment)
    assert not inside.service("nginx").is_running
    assert entered(inside, "nginx.service") == started
    inside.check_output("systemctl start nginx")


def test_a_drop_in_that_was_mended_is_kept(injector, inside):
    """When somebody has changed the bad drop-in into a good one, the revert neither removes it nor restarts the unit."""
    experiment = drawn("service_crash_loop", "nginx.service")
    path = "/etc/systemd/system/nginx.service.d/90-site.conf"
    injector.inject(experiment)
    assert injector.landed(experiment)
    inside.check_output(f"printf '[Service]\\nNice=1\\n' >{path} && systemctl daemon-reload")
    inside.check_output("systemctl reset-failed nginx; systemctl start nginx || systemctl start nginx")
    started = entered(inside, "nginx.service")
    injector.revert(experiment)
    assert inside.file(path).content_string == "[Service]\nNice=1\n"
    assert entered(inside, "nginx.service") == started
    inside.check_output(f"rm {path}; systemctl daemon-reload")


def test_nothing_is_injected_when_the_revert_cannot_be_armed(injector, inside):
    """Without a place for its boot unit the arming fails, and the fault does not happen."""
    started = entered(inside, "nginx.service")
    inside.check_output("mount -t tmpfs -o ro none /etc/systemd/system/multi-user.target.wants")
    try:
        with pytest.raises(InjectionError):
            injector.inject(drawn("service_kill", "nginx.service"))
    finally:
        inside.check_output("umount /etc/systemd/system/multi-user.target.wants")
    assert inside.service("nginx").is_running
    assert entered(inside, "nginx.service") == started


def test_a_host_that_is_not_in_order_is_left_alone(injector, inside):
    """A service that is down already is no place to start an experiment."""
    inside.check_output("systemctl stop nginx")
    try:
        with pytest.raises(InjectionError, match="inactive, not active"):
            injector.inject(drawn("service_kill", "nginx.service"))
    finally:
        inside.check_output("systemctl start nginx")


def test_a_target_outside_the_contract_never_reaches_the_host(injector):
    """The resolver of the host is no target of a killed service, whoever asks for it."""
    with pytest.raises(RequestError, match="target"):
        injector.inject(drawn("service_kill", "ssh.service"))


def test_reverting_twice_is_harmless(injector):
    """The second revert finds nothing to do and says so without an error."""
    experiment = drawn("service_kill", "nginx.service")
    injector.inject(experiment)
    injector.revert(experiment)
    injector.revert(experiment)


def test_a_fault_that_did_not_happen_did_not_land(clone, inside, tmp_path):
    """When the injector believes it broke something and nothing broke, the witness says that nothing landed."""
    shutil.copytree(FAULTS_DIR / "common", tmp_path / "faults" / "common")
    harmless = shutil.copytree(FAULTS_DIR / "service_kill", tmp_path / "faults" / "service_kill")
    playbook = (harmless / "inject.yml").read_text()
    assert "--signal=KILL" in playbook
    (harmless / "inject.yml").write_text(playbook.replace("--signal=KILL", "--signal=CONT"))
    experiment = drawn("service_kill", "nginx.service")
    with Injector(clone.inventory, tmp_path / "faults", tmp_path) as injector:
        injector.inject(experiment)
        assert not injector.landed(experiment)
        injector.revert(experiment)
    assert inside.service("nginx").is_running
