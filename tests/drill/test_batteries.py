"""What a drill may do to somebody's host: what its owner allows, and no longer than the host can be reached."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import msgspec
import pytest
import testinfra

from ordertrainer.chaos import InjectionError, Injector, draw, load_faults
from ordertrainer.ground import DisposableHost, missing_packages, unwinding

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]
ROOT = Path(__file__).parents[2]
FAULTS_DIR = ROOT / "playbooks" / "faults"
MARKER = "/etc/orderd/chaos-allowed"
GUARD_TIMEOUT_S = 15


def within(seconds, holds):
    """Return True when `holds` becomes true in time."""
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return held


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """A host without orderd that its owner has marked, and an injector for it."""
    with (
        unwinding(),
        DisposableHost.up() as host,
        Injector(host.inventory, FAULTS_DIR, tmp_path_factory.mktemp("chaos")) as injector,
    ):
        host.exec(["/bin/sh", "-c", f"mkdir -p /etc/orderd; : >{MARKER}"], check=True)
        yield host, injector


def experiment(name, target):
    """Draw an experiment on a target."""
    return msgspec.structs.replace(draw(random.Random(11), load_faults(FAULTS_DIR).faults[name]), target=target)


def test_the_guard_takes_back_what_cuts_the_host_off(marked):
    """When names, which resolved before, stop resolving during an experiment, all of it is reverted within seconds."""
    host, injector = marked
    inside = testinfra.get_host(f"ssh://{host.name}", ssh_config=str(host.ssh_config))
    stopped = experiment("service_stop", "nginx.service")
    injector.inject(stopped)
    assert inside.service(f"orderd-chaos-{stopped.id}-guard").is_running
    time.sleep(5)
    assert not inside.service("nginx").is_running
    inside.check_output("systemctl stop dnsmasq")
    try:
        assert within(GUARD_TIMEOUT_S, lambda: inside.service("nginx").is_running)
        assert within(5, lambda: not inside.file("/var/lib/orderd-chaos").exists)
        assert "guard: dns" in inside.check_output("journalctl -o cat -u orderd-chaos-%s-guard", stopped.id)
    finally:
        inside.check_output("systemctl start dnsmasq")
        injector.revert(stopped)


def test_a_fault_of_dns_is_not_taken_back_for_breaking_dns(marked):
    """What a fault is for is not held against it."""
    host, injector = marked
    wrong = experiment("dns_wrong_server", "system")
    injector.inject(wrong)
    assert injector.landed(wrong)
    time.sleep(8)
    assert host.exec(["test", "-e", f"/var/lib/orderd-chaos/{wrong.id}/baseline.json"]).returncode == 0
    injector.revert(wrong)


def test_what_the_owner_forbids_is_not_injected(marked):
    """A marker that allows other faults only, or cannot be understood, refuses this one, and nothing is touched."""
    host, injector = marked
    for text, says in (("faults = disk_*", "does not allow service_stop"), ("allow everything", "line 1")):
        host.exec(["/bin/sh", "-c", f"echo '{text}' >{MARKER}"], check=True)
        try:
            with pytest.raises(InjectionError, match=says):
                injector.inject(experiment("service_stop", "nginx.service"))
        finally:
            host.exec(["/bin/sh", "-c", f": >{MARKER}"], check=True)
        assert host.exec(["systemctl", "is-active", "nginx"]).stdout.strip() == "active"
