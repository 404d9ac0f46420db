"""The warm path and stock Ansible, held to the same results. Real Ansible on both sides."""

import asyncio
import json
import os
import sys
from pathlib import Path

import ansible_runner
import pytest

from orderd.executor.messages import Mode, RepairRequest
from orderd.executor.rig import Rig

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the zygote mounts a tmpfs for every repair: run as root")

REPAIRS = Path(__file__).parents[2] / "playbooks" / "repairs"
PLAY = """\
- name: Test
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
"""
# Each leaves the same trace on both paths; FOLDER is a fresh folder for each path.
TASKS = {
    "command_changes": "ansible.builtin.command: touch FOLDER/a",
    "command_creates": "ansible.builtin.command: {cmd: touch FOLDER/a, creates: FOLDER}",
    "command_fails": "ansible.builtin.command: /bin/false",
    "command_missing": "ansible.builtin.command: /no/such/program",
    "command_stderr": "ansible.builtin.shell: echo out; echo err >&2",
    "command_unicode": "ansible.builtin.command: echo 'ä€\\U0001F600'",
    "shell_pipe": "ansible.builtin.shell: echo a | tr a b > FOLDER/b",
    "file_directory": "ansible.builtin.file: {path: FOLDER/d, state: directory, mode: '0750'}",
    "file_bad_argument": "ansible.builtin.file: {path: FOLDER/d, state: nonsense}",
    "copy_content": "ansible.builtin.copy: {content: hello, dest: FOLDER/c, mode: '0600'}",
    "lineinfile": "ansible.builtin.lineinfile: {path: FOLDER/l, line: x, create: true, mode: '0600'}",
    "stat": "ansible.builtin.stat: {path: FOLDER}",
    "unknown_module": "no_such_module: {}",
    "skipped": "ansible.builtin.command: /bin/true\n      when: false",
    "ignored": "ansible.builtin.command: /bin/false\n      ignore_errors: true",
    "no_log": "ansible.builtin.command: echo secret\n      no_log: true",
    "environment": "ansible.builtin.shell: echo $COLOUR > FOLDER/e\n      environment: {COLOUR: red}",
    "asynchronous": "ansible.builtin.command: touch FOLDER/a\n      async: 10\n      poll: 1",
    "loop": "ansible.builtin.command: touch FOLDER/{{ item }}\n      loop: [a, b]",
    "fail": "ansible.builtin.fail: {msg: because}",
    "own_module": "orderd_process: {pid: 4194303, start_ticks: 1}",
    "own_module_refuses": "orderd_process: {pid: 1, start_ticks: INIT_START}",
}


def _init_start() -> str:
    stat = Path("/proc/1/stat").read_text()
    return stat[stat.rindex(")") + 2 :].split()[19]


def _playbook(task: str, folder: Path) -> str:
    return f"{PLAY}    - name: Task\n      {task.replace('FOLDER', str(folder)).replace('INIT_START', _init_start())}\n"


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    rig = Rig(root=tmp_path_factory.mktemp("rig"))
    for shared in ("library", "module_utils"):
        (rig.repairs / shared).mkdir(parents=True)
        for file in (REPAIRS / shared).glob("*.py"):
            (rig.repairs / shared / file.name).write_bytes(file.read_bytes())
    for name, task in TASKS.items():
        folder = rig.root / "ours" / name
        folder.mkdir(parents=True)
        rig.add_repair(name, _playbook(task, folder))
    with rig:
        yield rig


def _warm(rig: Rig, name: str) -> tuple[int | None, list[tuple[str, bool]]]:
    request = RepairRequest(repair_id=f"eq-{name}", playbook=name, target="resolver:system", deadline_s=30, mode=Mode.APPLY)
    finished = asyncio.run(rig.client.repair(request))
    return finished.rc, [(task.status, task.changed) for task in finished.tasks]


def _stock(private: Path, name: str, folder: Path) -> tuple[int, list[tuple[str, bool]]]:
    (private / "project").mkdir(parents=True)
    (private / "project" / "repair.yml").write_text(_playbook(TASKS[name], folder))
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
        "ANSIBLE_LIBRARY": str(REPAIRS / "library"),
        "ANSIBLE_MODULE_UTILS": str(REPAIRS / "module_utils"),
    }
    run = ansible_runner.run(
        private_data_dir=str(private), playbook="repair.yml", inventory="localhost,", quiet=True, envvars=environment
    )
    kinds = {"runner_on_ok": "ok", "runner_on_failed": "failed", "runner_on_skipped": "skipped"}
    ended = [event for event in run.events if event["event"] in kinds]
    return run.rc, [(kinds[e["event"]], e["event_data"].get("res", {}).get("changed") is True) for e in ended]


def _tree(folder: Path) -> str:
    """Return names, modes and contents of everything below a folder."""
    entries = {
        str(path.relative_to(folder)): (oct(path.stat().st_mode), path.read_text() if path.is_file() else "")
        for path in sorted(folder.rglob("*"))
    }
    return json.dumps(entries)


@pytest.mark.parametrize("name", TASKS)
def test_both_paths_end_alike(rig, tmp_path, name):
    """Exit status, status and changed flag of every task, and the files left behind, are the same on both paths."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    assert _warm(rig, name) == _stock(tmp_path / "private", name, theirs)
    assert _tree(rig.root / "ours" / name) == _tree(theirs)
