"""Repairs in scopes of a real systemd, on a disposable host: whatever a playbook does, nothing of it outlives its repair."""

import importlib.metadata
import itertools
import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest

import orderd
from orderd.catalogue import manifest
from orderd.executor.rig import Rig
from ordertrainer.ground import DisposableHost, missing_packages, unwinding

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]

HOME = Path("/opt/executor-test")
PLAY = """\
- name: Test
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Task
      ansible.builtin.command:
        argv: [/bin/bash, -c, {script}]
"""
IGNORE_TERM = "trap '' TERM; "
DOUBLE_FORK = "( trap '' TERM; setsid bash -c 'trap \"\" TERM; exec -a left-behind sleep 300' </dev/null >/dev/null 2>&1 & ) "
SCRIPTS = {
    "where": "cat /proc/self/cgroup",
    "hangs": IGNORE_TERM + DOUBLE_FORK + "; while :; do sleep 300; done",
    "leaves_a_daemon": DOUBLE_FORK,
    "takes_a_second": "sleep 1",
    "eats_the_workspace": "cat /dev/zero > $TMPDIR/zero",
}
ASK = """
import asyncio, sys, msgspec
from orderd.errors import ExecutorError
from orderd.executor.client import ExecutorClient
from orderd.executor.messages import RepairRequest, Mode
request = RepairRequest(repair_id=sys.argv[1], playbook=sys.argv[2], target="resolver:system", deadline_s=60, mode=Mode.APPLY)
try:
    print(msgspec.json.encode(asyncio.run(ExecutorClient("/run/orderd-exec/exec.sock").repair(request))).decode())
except ExecutorError as error:
    print('{"error": "%s"}' % type(error).__name__)
"""
UNITS = {
    "orderd-zygote.service": "[Service]\nType=notify\nExecStart={python} -m orderd.executor.zygote\nRestart=always\n"
    "RestartSec=0\nKillMode=process\nEnvironment=PYTHONPATH={home}/site\n",
    "orderd-exec.service": "[Service]\nExecStart={python} -m orderd.executor\nEnvironment=PYTHONPATH={home}/site\n"
    "RuntimeDirectory=orderd-exec\nRuntimeDirectoryPreserve=yes\n",
    "orderd-exec.socket": "[Socket]\nListenSequentialPacket=/run/orderd-exec/exec.sock\n",
}
CONFIG = """\
[decision]
mode = "auto"
[executor]
allowed_users = ["root"]
repairs_per_minute = 600
signed = false
repairs_dir = "{home}/repairs"
manifest = "{home}/repairs/manifest.json"
"""
_ids = itertools.count()


def _distributions(name, found):
    """Collect a distribution and all it requires."""
    distribution = importlib.metadata.distribution(name)
    key = distribution.metadata["Name"].lower()
    if key in found:
        return
    found[key] = distribution
    for requirement in distribution.requires or ():
        if "extra ==" not in requirement:
            try:
                _distributions(re.match(r"[\w.-]+", requirement)[0], found)
            except importlib.metadata.PackageNotFoundError:
                continue  # asked for on other platforms only


def _copy_site(target: Path) -> None:
    """Copy orderd and what the executor imports: the checkout and its environment may be out of a clone's sight."""
    found = {}
    for name in ("ansible-core", "ansible-runner", "dbus-fast", "msgspec", "pyyaml"):
        _distributions(name, found)
    tops = {file.parts[0] for d in found.values() for file in d.files or () if file.parts[0] not in {"..", "__pycache__"}}
    site = Path(importlib.metadata.distribution("msgspec").locate_file(""))
    for top in tops:
        if (site / top).is_dir():
            shutil.copytree(site / top, target / top, dirs_exist_ok=True)
        else:
            shutil.copy2(site / top, target / top)
    shutil.copytree(Path(orderd.__file__).parent, target / "orderd")


@pytest.fixture(scope="module")
def host():
    """A host with the executor and the zygote as units, and a catalogue of playbooks that misbehave."""
    with unwinding(), DisposableHost.up() as host:
        inside = host.proc_root / HOME.relative_to("/")
        (inside / "site").mkdir(parents=True)
        _copy_site(inside / "site")
        rig = Rig(root=inside)
        for name, script in SCRIPTS.items():
            rig.add_repair(name, PLAY.format(script=json.dumps(script)), deadline_s=2 if name == "hangs" else 10)
        manifest.write(rig.repairs)
        for name, text in UNITS.items():
            unit = text.format(python="/usr/bin/python3", home=HOME)
            (host.proc_root / "etc/systemd/system" / name).write_text(unit)
        (host.proc_root / "etc/orderd").mkdir(exist_ok=True)
        (host.proc_root / "etc/orderd/orderd.toml").write_text(CONFIG.format(home=HOME))
        host.exec(["systemctl", "daemon-reload"], check=True)
        host.exec(["systemctl", "start", "orderd-zygote.service", "orderd-exec.socket"], check=True)
        yield host


def _ask_command(playbook: str) -> list[str]:
    return ["env", f"PYTHONPATH={HOME}/site", "/usr/bin/python3", "-c", ASK, f"t{next(_ids)}", playbook]


def _ask(host, playbook: str) -> dict:
    return json.loads(host.exec(_ask_command(playbook), timeout_s=60, check=True).stdout)


def _ask_in_background(host, playbook: str) -> None:
    script = 'exec "$@" >/run/asked 2>&1 &'
    host.exec(["bash", "-c", script, "-", *_ask_command(playbook)], check=True)
    _until(lambda: _scopes(host))


def _until(holds, within_s: float = 5.0) -> None:
    give_up = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < give_up, "did not come true in time"
        time.sleep(0.05)


def _scopes(host) -> str:
    return host.exec(["systemctl", "list-units", "--no-legend", "--plain", "orderd-repair-*.scope"]).stdout


def _assert_nothing_left(host) -> None:
    """No process, no scope, and within moments no workspace."""
    assert host.exec(["pgrep", "-f", "left-behind|sleep 300"]).stdout == ""
    assert _scopes(host) == ""
    _until(lambda: host.exec(["ls", "/run/orderd-repairs"]).stdout == "")
    assert "orderd-repair" not in host.exec(["cat", "/proc/mounts"]).stdout


def test_a_task_runs_inside_the_scope_of_its_repair(host):
    """Where a module runs is the scope named after the repair, in orderd's own slice."""
    finished = _ask(host, "where")
    assert finished["outcome"] == "succeeded"
    assert f"orderd-repair-{finished['repair_id']}.scope" in finished["tasks"][0]["msg"]


def test_a_repair_that_ignores_term_and_double_forks_is_gone_by_its_deadline(host):
    """Two seconds after its deadline no process, scope or workspace of it is left."""
    began = time.monotonic()
    finished = _ask(host, "hangs")
    assert time.monotonic() - began < 2 + 2
    assert (finished["outcome"], finished["code"]) == ("timed_out", "deadline")
    _assert_nothing_left(host)


def test_a_daemon_left_behind_is_gone_when_the_repair_is_reported(host):
    """A repair that succeeded leaves no process of its own either."""
    assert _ask(host, "leaves_a_daemon")["outcome"] == "succeeded"
    _assert_nothing_left(host)


def test_a_repair_that_fills_its_workspace_fills_nothing_else(host):
    """The workspace is bounded: the task fails, the host's memory and disks do not fill."""
    assert _ask(host, "eats_the_workspace")["outcome"] == "failed"
    _assert_nothing_left(host)


def test_an_executor_killed_in_mid_repair_leaves_nothing_behind(host):
    """The next executor ends what the killed one had started, before it takes anything on."""
    _ask_in_background(host, "hangs")
    host.exec(["systemctl", "kill", "--signal=KILL", "orderd-exec.service"], check=True)
    assert _ask(host, "where")["outcome"] == "succeeded"
    _assert_nothing_left(host)


def test_a_zygote_killed_in_mid_repair_is_back_and_cleans_up(host):
    """The running repair ends by itself; the next zygote removes its workspace."""
    _ask_in_background(host, "takes_a_second")
    host.exec(["systemctl", "kill", "--signal=KILL", "--kill-who=main", "orderd-zygote.service"], check=True)
    _until(lambda: '"succeeded"' in host.exec(["cat", "/run/asked"]).stdout)
    assert _ask(host, "where")["outcome"] == "succeeded"
    _assert_nothing_left(host)
