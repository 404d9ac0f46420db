"""A disposable host that runs nothing of orderd but the executor and the zygote, with playbooks that misbehave.

Touches: a disposable host. The checkout and its environment are out of a clone's sight, so what is needed is copied.
"""

import contextlib
import importlib.metadata
import itertools
import json
import re
import shutil
import time
from pathlib import Path

import orderd
from orderd.catalogue import manifest
from orderd.executor.rig import Rig
from ordertrainer.ground import DisposableHost, unwinding

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


@contextlib.contextmanager
def executor_host(scripts: dict[str, str], deadlines_s: dict[str, float] | None = None):
    """Boot a host with the executor, the zygote and one repair for each script.

    Args:
        scripts: name of a repair -> what bash is to run.
        deadlines_s: deadlines that are not 10 s.
    """
    with unwinding(), DisposableHost.up() as host:
        inside = host.proc_root / HOME.relative_to("/")
        (inside / "site").mkdir(parents=True)
        _copy_site(inside / "site")
        rig = Rig(root=inside)
        for name, script in scripts.items():
            rig.add_repair(name, PLAY.format(script=json.dumps(script)), deadline_s=(deadlines_s or {}).get(name, 10))
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


def ask(host, playbook: str) -> dict:
    """Have a repair run and return how it ended."""
    return json.loads(host.exec(_ask_command(playbook), timeout_s=60, check=True).stdout)


def ask_in_background(host, playbook: str) -> None:
    """Have a repair run, and return as soon as its scope exists; its end will be in /run/asked."""
    script = 'exec "$@" >/run/asked 2>&1 &'
    host.exec(["bash", "-c", script, "-", *_ask_command(playbook)], check=True)
    until(lambda: scopes(host))


def until(holds, within_s: float = 5.0) -> None:
    """Wait until something holds."""
    give_up = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < give_up, "did not come true in time"
        time.sleep(0.05)


def scopes(host) -> str:
    """Return the scopes of repairs, a line each."""
    return host.exec(["systemctl", "list-units", "--no-legend", "--plain", "orderd-repair-*.scope"]).stdout


def assert_nothing_left(host, pattern: str = "left-behind|sleep 300") -> None:
    """See that there is no process, no scope, and within moments no workspace."""
    assert host.exec(["pgrep", "-f", pattern]).stdout == ""
    assert scopes(host) == ""
    until(lambda: host.exec(["ls", "/run/orderd-repairs"]).stdout == "")
    assert "orderd-repair" not in host.exec(["cat", "/proc/mounts"]).stdout
