"""A drill from end to end: the host afterwards, judged over SSH and not by the daemon's word, and that nothing stays outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import testinfra

from ordertrainer.drill.drill import take_down
from ordertrainer.drill.result import Drill
from ordertrainer.ground import DisposableHost, missing_packages, residue

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]
ROOT = Path(__file__).parents[2]
FAULTS = ("service_kill", "service_mask", "service_crash_loop", "dns_wrong_server", "clock_step", "planned_restart")
SERVICES = ("nginx", "redis-server", "postgresql@15-main", "drill-worker", "dnsmasq")
DRILL_TIMEOUT_S = 400


def command(out, *options):
    """Return the command line of a drill of a few faults."""
    return [
        sys.executable,
        "-m",
        "ordertrainer",
        "drill",
        "--faults",
        ",".join(FAULTS),
        "--seed",
        "3",
        "--out",
        str(out),
        *options,
    ]


def host_named_in(text):
    """Return the name of the host a drill says it booted."""
    return re.search(r"host (drill-[0-9a-f]{8}): booting", text)[1]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A drill that ran to its end and kept its host: its process, its folder, its host."""
    out = tmp_path_factory.mktemp("drill")
    done = subprocess.run(command(out, "--keep"), cwd=ROOT, capture_output=True, text=True, timeout=DRILL_TIMEOUT_S, check=False)
    name = host_named_in(done.stdout)
    try:
        yield done, out / "latest", DisposableHost.find(name)
    finally:
        assert take_down(name) == []


@pytest.fixture(scope="module")
def inside(finished):
    """The host after the drill, over SSH."""
    host = finished[2]
    return testinfra.get_host(f"ssh://{host.name}", ssh_config=str(host.ssh_config))


def test_drill_passes_and_its_files_say_so(finished):
    """Every fault that landed was repaired, the decoy left alone, the impossible one void with a reason; exit status 0."""
    done, folder, host = finished
    drill = msgspec.json.decode((folder / "drill.json").read_bytes(), type=Drill, strict=True)
    outcomes = {run.fault: run.outcome for run in drill.runs}
    expected = dict.fromkeys(FAULTS, "repaired") | {"clock_step": "void", "planned_restart": "left_alone"}
    assert outcomes == expected, done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    assert drill.host == host.name
    assert all(run.residue == [] and not run.touched_healthy for run in drill.runs)
    assert "container" in next(run.reason for run in drill.runs if run.fault == "clock_step")
    assert f"{host.name} is still up" in done.stdout


def test_times_are_in_order_and_counted_from_the_landing(finished):
    """Of every repaired run: landed, then detected, then decided, then repaired and healthy."""
    drill = msgspec.json.decode((finished[1] / "drill.json").read_bytes(), type=Drill)
    for run in drill.runs:
        if run.outcome == "repaired":
            times = run.seconds
            assert 0 <= times.detected <= times.decided < times.repaired, run
            assert times.decided < times.healthy, run


def test_report_is_one_file_about_this_drill(finished):
    """The report names every fault and refers to nothing outside itself."""
    html = (finished[1] / "report.html").read_text(encoding="utf-8")
    assert html.count('<article class="card"') == len(FAULTS)
    assert not re.search(r'(?:src|href)="(?!#)', html)


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_runs_again_and_is_not_masked(inside, service):
    """What was killed, masked or crash-looped is active, of its own unit file, with nothing of the fault in its drop-ins."""
    assert inside.service(service).is_running
    assert inside.check_output("systemctl show -P LoadState %s", service) == "loaded"
    assert "90-site.conf" not in inside.check_output("systemctl show -P DropInPaths %s", service)


def test_services_answer_and_names_resolve(inside, finished):
    """The web server, the cache and the resolver answer a stranger."""
    assert inside.check_output("curl -s http://%s/healthz", finished[2].address) == "ok"
    assert inside.check_output("redis-cli -h %s ping", finished[2].address) == "PONG"
    assert inside.file("/etc/resolv.conf").content_string.strip() == "nameserver 127.0.0.53"
    assert "10.99.0.1" in inside.check_output("getent hosts host.drill.test")


def test_nothing_of_the_injections_is_left_on_the_host(inside):
    """No armed revert, no unit, no record of an experiment stays behind."""
    assert not inside.file("/var/lib/orderd-chaos").exists
    assert inside.check_output("systemctl list-units --all --no-legend 'orderd-chaos*' 'maintenance-start*'") == ""
    assert inside.check_output("systemctl list-units --failed --no-legend") == ""


def test_no_repair_outlives_its_end(inside):
    """No repair's scope or working directory is left."""
    assert inside.check_output("systemctl list-units --all --no-legend 'orderd-repair-*'") == ""
    assert inside.check_output("find /run/orderd-repairs -mindepth 1 -maxdepth 1 -type d") == ""


def test_interrupted_drill_leaves_nothing(tmp_path):
    """Two Ctrl-C in the middle of a run: no mount, link, control group, process or traceback stays; what was done does."""
    log = tmp_path / "log"
    with log.open("w") as stream:
        drill = subprocess.Popen(
            command(tmp_path / "out"), cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        deadline = time.monotonic() + DRILL_TIMEOUT_S
        while "[1/" not in log.read_text() and time.monotonic() < deadline and drill.poll() is None:
            time.sleep(0.1)
        time.sleep(1.0)  # into the second injection
        os.killpg(drill.pid, signal.SIGINT)
        time.sleep(0.2)
        os.killpg(drill.pid, signal.SIGINT)
        status = drill.wait(timeout=120)
    said = log.read_text()
    assert status == 128 + signal.SIGINT, said
    assert "Traceback" not in said
    assert "interrupted" in said
    assert residue(host_named_in(said)) == []
    kept = sorted(str(file.relative_to(tmp_path / "out")).partition("/")[2] for file in (tmp_path / "out").rglob("*.json"))
    assert kept == ["items/00001.json", "plan.json"]
    me = re.escape(host_named_in(said))
    assert subprocess.run(["pgrep", "-f", me], capture_output=True, text=True, check=False).stdout == ""
