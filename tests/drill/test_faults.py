"""What may happen to a fault on a real host: whatever it is, the host ends clean, and somebody else's repair is never undone.

That every fault lands, is undone and leaves nothing is proven in test_catalogue.
"""

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

from ordertrainer.chaos import Experiment, InjectionError, Injector, RequestError, Void, draw, load_faults
from ordertrainer.drill.snapshot import residue, take
from ordertrainer.ground import missing_packages

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]
FAULTS_DIR = Path(__file__).parents[2] / "playbooks" / "faults"
FAULTS = load_faults(FAULTS_DIR).faults
POSSIBLE = sorted(name for name, fault in FAULTS.items() if not fault.needs)
POSTGRES = "postgresql@15-main.service"
RESOLV_CONF = "/etc/resolv.conf"
ORDERCTL = "/opt/orderd/bin/orderctl"
ARMED = "/var/lib/orderd-chaos"
DEAD_TTL_S = 12
"""How long the last of several faults lasts; the others so much longer that all end at about one time."""
INJECTING_S = 2.5
PATIENCE_S = 60


def sample():
    """Return one (fault, target) for every way of undoing that the catalogue knows, with as few faults as it takes.

    PostgreSQL where it is a target, for its many processes and a launcher. No two share a target or a parameter's name, so that
    all of them can be in place at once. Every fault is proven in test_catalogue; these are for what may happen to one.
    """
    chosen, seen, taken = [], set(), set()
    for name in POSSIBLE:
        fault = FAULTS[name]
        ways = {step.__struct_config__.tag for step in fault.revert}
        targets = sorted(fault.targets, key=lambda each: each != POSTGRES)
        target = next((each for each in targets if (fault.target, each) not in taken), None)
        if target is None or not ways - seen:
            continue
        seen |= ways
        taken.add((fault.target, target))
        chosen.append((name, target))
    return chosen


SAMPLE = sample()
TOGETHER = ("nic", "unit", "mount", "resolver", "process")
ONE_A_KIND = sorted(
    {kind: each for each in reversed(SAMPLE) if (kind := FAULTS[each[0]].target) in TOGETHER}.values(),
    key=lambda each: TOGETHER.index(FAULTS[each[0]].target),
)
"""Faults of several kinds of things, in an order in which none is in the way of the next one's steady state.

Those of the host as a whole need a network that works, which the first one takes away.
"""


@pytest.fixture(autouse=True)
def nothing_is_left(clone):
    """Whatever a test does, the host is afterwards what it was before."""
    before = take(clone)
    yield
    assert within(8, lambda: not residue(before, take(clone))), residue(before, take(clone))


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


@pytest.mark.parametrize(("name", "target"), SAMPLE)
def test_a_fault_lands_and_is_undone(injector, inside, name, target):
    """The fault is seen to land after its arming, names an entity of its kind, and the revert puts right what it names."""
    experiment = drawn(name, target)
    injected = injector.inject(experiment)
    landing = injector.landing(experiment)
    assert landing.seen
    assert injected.armed_ns < landing.monotonic_ns < time.monotonic_ns()
    kind, _, key = injected.entity.partition(":")
    assert kind == FAULTS[name].target
    if target != "new":
        assert key == target
    elif "name" in experiment.parameters:
        pid = key.partition(":")[0]
        assert inside.file(f"/proc/{pid}/comm").content_string.strip() == experiment.parameters["name"]
    injector.revert(experiment)
    if kind == "unit":
        assert inside.service(target).is_running


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
import sys
from pathlib import Path
import msgspec
from ordertrainer.chaos import Experiment, Injector
injector = Injector(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
experiments = msgspec.json.decode(sys.argv[4], type=list[Experiment])
for number, experiment in enumerate(experiments):
    ttl_s = float(sys.argv[5]) + float(sys.argv[6]) * (len(experiments) - number)  # so that all of them end at about one time
    injector.inject(experiment, ttl_s=min(ttl_s, injector.catalogue.faults[experiment.fault].ttl_s_max))
print("injected", injector._playbooks._process.pid, flush=True)
input()
"""


def test_faults_end_in_time_when_their_injector_was_killed(clone, tmp_path):
    """With injector and playbook worker dead by SIGKILL, the host undoes every way of breaking it when the time is up."""
    experiments = msgspec.json.encode([drawn(name, target) for name, target in ONE_A_KIND]).decode()
    arguments = [str(clone.inventory), str(FAULTS_DIR), str(tmp_path), experiments, str(DEAD_TTL_S), str(INJECTING_S)]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as doomed:
        said, pid = doomed.stdout.readline().split()
        doomed.kill()
        os.kill(int(pid), 9)
    assert said == "injected"
    assert armed(clone)  # on a busy machine the first ones are over already
    assert within(DEAD_TTL_S + INJECTING_S * len(ONE_A_KIND) + PATIENCE_S, lambda: not armed(clone))


def test_a_host_that_lost_power_is_clean_after_its_boot(clone, injector):
    """The plug is pulled with several faults in place; the boot unit undoes what outlived it and nothing else is left."""
    for name, target in ONE_A_KIND:
        injector.inject(drawn(name, target))
    clone.power_cycle()
    assert within(PATIENCE_S, lambda: not armed(clone))


def test_a_reload_does_not_prolong_a_fault(clone, injector):
    """When systemd reloads its units, the revert happens when it would have happened."""
    experiment = drawn("service_stop", "nginx.service")
    injector.inject(experiment, ttl_s=60)
    ends = ["systemctl", "show", "-P", "NextElapseUSecMonotonic", f"orderd-chaos-{experiment.id}.timer"]
    before = clone.exec(ends, check=True).stdout
    time.sleep(1)
    clone.exec(["systemctl", "daemon-reload"], check=True)
    assert clone.exec(ends, check=True).stdout == before
    injector.revert(experiment)


def armed(clone):
    """Return the experiments that the host holds a revert for."""
    home = clone.proc_root / ARMED.lstrip("/")
    return sorted(path.name for path in home.iterdir()) if home.exists() else []


def test_a_request_with_unknown_fields_is_refused(clone):
    """A request to the host's part of an experiment that says too much arms nothing, and nothing of it stays."""
    home = f"{ARMED}/other-00000000"
    clone.exec(["mkdir", "-p", home], check=True)
    shutil.copytree(FAULTS_DIR / "common" / "host", clone.proc_root / home.lstrip("/"), dirs_exist_ok=True)
    request = {"experiment": "other-00000000", "ttl_s": 60, "needs": [], "landed": [], "revert": [], "and": "more"}
    done = clone.exec(["/usr/bin/python3", "-BEs", home, "arm", msgspec.json.encode(request).decode()])
    assert done.returncode == 4
    assert "keys ['and'] are unknown" in done.stdout


def test_an_experiment_with_unknown_fields_is_refused():
    """What comes from a file or another program is read strictly."""
    raw = msgspec.to_builtins(drawn("service_kill", "nginx.service"))
    assert msgspec.convert(raw, Experiment).fault == "service_kill"
    with pytest.raises(msgspec.ValidationError, match="unknown field `and`"):
        msgspec.convert(raw | {"and": 1}, Experiment)


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
    inside.check_output(f"rm {path}; systemctl daemon-reload; systemctl restart nginx")


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
