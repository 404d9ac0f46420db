"""T11: two hundred hostile names on every way from the host into Ansible: none is executed, none becomes something else."""

import asyncio
import contextlib
import json
import os
import socket

import pytest

from hostile import names
from orderd.catalogue import manifest
from orderd.domain.faults import Entity, EntityKind
from orderd.executor.channel import Channel
from orderd.executor.messages import JOB_REPLIES, REPLIES, Finished, Go, Job, JobDone, JobRefused, Mode, Outcome, RepairRequest
from orderd.executor.rig import Rig

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the zygote mounts a tmpfs for every repair: run as root")

COUNT = 200
LIMIT = "200 hostile names: nothing executed"
PLAY = """\
- name: Test
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
"""
SHOWS = """\
    - name: Use the name as an argument
      ansible.builtin.command:
        argv: [printf, "%s", "{{ orderd_target }}"]
        expand_argument_vars: false  # the module itself would expand ~ and $HOME
      register: shown
    - name: Use the name as content, as a condition and as part of a path
      ansible.builtin.copy:
        dest: "OUT"
        content: "{{ [orderd_target, shown.stdout] | to_json }}"
      when: orderd_target is string
"""


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A real executor and a real zygote, with a repair that would run whatever its target says."""
    rig = Rig(root=tmp_path_factory.mktemp("rig"))
    rig.add_repair("mend", PLAY + "    - name: Nothing\n      ansible.builtin.command: /bin/true\n")
    with rig:
        yield rig


def _job(rig, source, name, variables):
    files = manifest.Manifest.of(source).for_repair("shows")
    return Job(
        job_id=name,
        work_dir=str(rig.work_dir),
        source_dir=str(source),
        files=files,
        playbook="shows/repair.yml",
        variables=variables,
        check=False,
        tmpfs_bytes=16 << 20,
    )


async def _run(rig, job):
    channel = await Channel.connect(str(rig.root / "zygote.sock"))
    with contextlib.closing(channel):
        await channel.send(job)
        await channel.receive(JOB_REPLIES)
        await channel.send(Go())
        return await channel.receive(JOB_REPLIES)


def _expected(name: str) -> list[str] | None:
    """Return what a task must have seen; None where an argument vector cannot carry it at all."""
    return None if "\0" in name else [name, name.rstrip("\r\n")]


async def test_a_hostile_value_reaches_a_task_as_it_is(rig, tmp_path, measured):
    """Through the zygote, as argument, content and condition: never templated, never run, never changed."""
    mark, out, source = tmp_path / "mark", tmp_path / "out.json", tmp_path / "catalogue"
    (source / "shows").mkdir(parents=True)
    (source / "shows" / "repair.yml").write_text(PLAY + SHOWS.replace("OUT", str(out)))
    executed, changed = [], []
    every = names(COUNT, str(mark))
    for number, name in enumerate(every):
        out.unlink(missing_ok=True)
        done = await _run(rig, _job(rig, source, f"h{number}", {"orderd_target": name}))
        assert isinstance(done, JobDone | JobRefused)
        expected = _expected(name)
        if expected is not None and (not out.exists() or json.loads(out.read_text()) != expected):
            changed.append(name)
        if mark.exists():
            executed.append(name)
            mark.unlink()
    measured(figure=f"into Ansible: {len(executed)} executed, {len(changed)} changed", limit=LIMIT, runs=len(every))
    assert executed == []
    assert changed == []


async def test_a_hostile_target_is_refused_by_the_executor(rig, tmp_path, measured):
    """As the target of a request: refused with a reason, by an executor that serves on."""
    mark = tmp_path / "mark"
    admitted = []
    every = names(COUNT, str(mark))
    for number, name in enumerate(every):
        kind = ("unit", "mount", "process", "resolver")[number % 4]
        answer = await asyncio.to_thread(_ask_raw, rig, f"r{number}", f"{kind}:{name}")
        assert isinstance(answer, Finished)
        if answer.outcome is not Outcome.REFUSED:
            admitted.append(name)
    request = RepairRequest(repair_id="good", playbook="mend", target="resolver:system", deadline_s=10, mode=Mode.APPLY)
    assert (await rig.client.repair(request)).outcome is Outcome.SUCCEEDED
    measured(figure=f"as targets: {len(admitted)} admitted, executed: {mark.exists()}", limit=LIMIT, runs=len(every))
    assert admitted == []
    assert not mark.exists()


def _ask_raw(rig, repair_id, target="resolver:system", playbook="mend"):
    """Ask with a message of our own making: a client in between would already refuse."""
    asked = {"type": "repair", "repair_id": repair_id, "playbook": playbook, "target": target, "deadline_s": 10, "mode": "apply"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as raw:
        raw.connect(str(rig.root / "exec.sock"))
        raw.sendall(json.dumps(asked).encode())
        return REPLIES.decode(raw.recv(1 << 17))


def test_a_hostile_name_becomes_an_entity_only_if_it_is_harmless(tmp_path, measured):
    """What passes as an entity holds no character that a shell, Jinja, YAML or a terminal could take for anything else."""
    harmless = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.@-/+")
    dangerous = []
    for name in names(COUNT, str(tmp_path / "mark")):
        for kind in EntityKind:
            with contextlib.suppress(ValueError):
                key = Entity(kind=kind, key=name).key
                if not set(key) <= harmless or ".." in key.split("/") or len(key.encode()) > 255:
                    dangerous.append(key)
    measured(figure=f"as entities: {len(dangerous)} dangerous ones accepted", limit=LIMIT, runs=COUNT * len(EntityKind))
    assert dangerous == []


async def test_an_unknown_hostile_playbook_name_is_refused(rig, tmp_path):
    """A playbook is found by a name of the catalogue and by nothing else."""
    for number, name in enumerate(names(COUNT, str(tmp_path / "mark"))):
        answer = await asyncio.to_thread(_ask_raw, rig, f"p{number}", playbook=name)
        assert answer.outcome is Outcome.REFUSED
    assert not (tmp_path / "mark").exists()
