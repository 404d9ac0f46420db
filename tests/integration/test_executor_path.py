"""The executor and the zygote as real processes, Ansible for real; without systemd, so without scopes."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import time
from pathlib import Path

import pytest

from orderd.catalogue import manifest
from orderd.errors import ExecutorError, RepairRefusedError
from orderd.executor.channel import Channel
from orderd.executor.client import ExecutorClient
from orderd.executor.messages import JOB_REPLIES, Accepted, Finished, Go, Job, JobDone, Mode, Outcome, RepairRequest, Started
from orderd.executor.rig import Rig

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the zygote mounts a tmpfs for every repair: run as root")

PLAY = """\
- name: Test
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
"""
_ids = itertools.count()


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    rig = Rig(root=tmp_path_factory.mktemp("rig"))
    mark = rig.root / "mark"
    touch = f"{{cmd: touch {mark}, creates: {mark}}}"
    rig.add_repair("touches", PLAY + f"    - name: Touch\n      ansible.builtin.command: {touch}\n")
    rig.add_repair("fails", PLAY + "    - name: Fail\n      ansible.builtin.fail: {msg: because}\n")
    rig.add_repair("broken", "- hosts: localhost\n  tasks: 7\n")
    rig.add_repair("sleeps", PLAY + "    - name: Sleep\n      ansible.builtin.command: sleep 60\n", deadline_s=1)
    rig.add_repair("prompts", PLAY + "    - name: Ask\n      ansible.builtin.command: sh -c 'read answer'\n")
    rig.add_repair("changed_later", PLAY + "    - name: Nothing\n      ansible.builtin.command: /bin/true\n")
    where = "{{ lookup('env', 'ANSIBLE_LOCAL_TEMP') }}"
    rig.add_repair("tells_where", PLAY + f'    - name: Where\n      ansible.builtin.debug:\n        msg: "{where}"\n')
    with rig:
        yield rig


def _request(playbook: str, **changes) -> RepairRequest:
    wanted = {"repair_id": f"test-{next(_ids)}", "target": "resolver:system", "deadline_s": 10.0, "mode": Mode.APPLY}
    return RepairRequest(playbook=playbook, **(wanted | changes))


def _run(rig: Rig, playbook: str, **changes) -> Finished:
    return asyncio.run(rig.client.repair(_request(playbook, **changes)))


def _refusal(rig: Rig, playbook: str, **changes) -> str:
    with pytest.raises(RepairRefusedError) as refused:
        _run(rig, playbook, **changes)
    return refused.value.code


def _wait_until_gone(path: Path) -> None:
    give_up = time.monotonic() + 3
    while path.exists() and time.monotonic() < give_up:
        time.sleep(0.02)


def test_a_repair_changes_the_host_once_and_says_so(rig):
    """The first run changes something and says so; the second changes nothing and says that."""
    first, second = _run(rig, "touches"), _run(rig, "touches")
    assert (rig.root / "mark").exists()
    assert [(run.outcome, run.rc, run.changed) for run in (first, second)] == [
        (Outcome.SUCCEEDED, 0, True),
        (Outcome.SUCCEEDED, 0, False),
    ]
    assert first.tasks[0].name == "Touch"


def test_check_mode_touches_nothing(rig):
    """Check mode says what would change and changes nothing."""
    (rig.root / "mark").unlink(missing_ok=True)
    assert _run(rig, "touches", mode=Mode.CHECK).outcome is Outcome.SUCCEEDED
    assert not (rig.root / "mark").exists()


def test_a_failed_task_is_a_failed_repair_with_its_message(rig):
    """A repair never hides that a task failed."""
    finished = _run(rig, "fails")
    assert (finished.outcome, finished.code, finished.rc) == (Outcome.FAILED, "task_failed", 2)
    assert "because" in finished.detail


def test_a_playbook_that_does_not_parse_fails_with_ansibles_words(rig):
    """What Ansible prints is the detail when no task ever ran."""
    finished = _run(rig, "broken")
    assert (finished.outcome, finished.code) == (Outcome.FAILED, "playbook_error")
    assert "ERROR" in finished.detail


def test_messages_arrive_in_order(rig):
    """A client sees accepted, started, finished."""
    events = []
    asyncio.run(rig.client.repair(_request("touches"), events.append))
    assert [type(event) for event in events] == [Accepted, Started, Finished]


def test_a_repair_that_hangs_is_gone_by_its_deadline(rig):
    """The contract's deadline holds although the request asked for more."""
    began = time.monotonic()
    finished = _run(rig, "sleeps", deadline_s=30.0)
    assert (finished.outcome, finished.code) == (Outcome.TIMED_OUT, "deadline")
    assert time.monotonic() - began < 1 + 2


def test_a_prompt_is_answered_with_end_of_file(rig):
    """Nothing in a repair can wait for a person: standard input is empty."""
    began = time.monotonic()
    assert _run(rig, "prompts").outcome is Outcome.FAILED
    assert time.monotonic() - began < 5


def test_a_workspace_is_its_own_tmpfs_and_leaves_nothing(rig):
    """Ansible's temporary files lie in the repair's tmpfs, which is unmounted and removed afterwards."""
    request = _request("tells_where")
    finished = asyncio.run(rig.client.repair(request))
    workspace = rig.work_dir / request.repair_id
    assert finished.tasks[0].msg == f"{workspace}/tmp"
    _wait_until_gone(workspace)
    assert not workspace.exists()
    assert str(workspace) not in Path("/proc/mounts").read_text()


def test_a_changed_playbook_is_refused(rig):
    """The bytes that run are the bytes that were hashed when the executor started."""
    playbook = rig.repairs / "changed_later" / "repair.yml"
    playbook.write_text(playbook.read_text() + "# one byte more\n")
    assert _refusal(rig, "changed_later") == "hash_mismatch"


@pytest.mark.parametrize(
    ("playbook", "changes", "code"),
    [
        ("nowhere", {}, "unknown_playbook"),
        ("touches", {"target": "unit:ssh.service"}, "target_not_allowed"),
        ("touches", {"target": "resolver:{{ lookup('pipe', 'id') }}"}, "target_not_allowed"),
        ("touches", {"mode": Mode.UNDO}, "no_undo"),
    ],
)
def test_a_request_that_is_not_allowed_is_refused_with_its_code(rig, playbook, changes, code):
    """Every refusal carries a stable reason code, and nothing ran."""
    assert _refusal(rig, playbook, **changes) == code


def test_a_repair_id_runs_once(rig):
    """The same id and mode never start twice, whoever asks."""
    _run(rig, "touches", repair_id="once")
    assert _refusal(rig, "touches", repair_id="once") == "already_run"


def test_one_repair_at_a_time(rig):
    """A second request during a repair is refused as busy, at once."""

    async def two() -> str:
        first = asyncio.create_task(rig.client.repair(_request("sleeps")))
        await asyncio.sleep(0.3)
        with pytest.raises(RepairRefusedError) as refused:
            await rig.client.repair(_request("touches"))
        await first
        return refused.value.code

    assert asyncio.run(two()) == "busy"


def test_a_dead_zygote_is_said_and_a_new_one_is_used(tmp_path):
    """Without the zygote a repair is refused with its own code; the executor itself stays up."""
    rig = Rig(root=tmp_path)
    rig.add_repair("nothing", PLAY + "    - name: Nothing\n      ansible.builtin.command: /bin/true\n")
    with rig:
        rig.processes[0].send_signal(signal.SIGKILL)
        rig.processes[0].wait()
        assert _refusal(rig, "nothing") == "zygote_unavailable"
        assert not asyncio.run(rig.client.wake()).zygote


def test_nobody_at_the_socket_is_an_error_that_names_it(tmp_path):
    """An unreachable executor is an ExecutorError, never a refusal."""
    client = ExecutorClient(str(tmp_path / "none.sock"))
    with pytest.raises(ExecutorError, match=r"none\.sock"):
        asyncio.run(client.wake())


def test_observe_mode_touches_nothing_but_checks(tmp_path):
    """The executor's own reading of the mode holds, whatever orderd asks for."""
    rig = Rig(root=tmp_path, config='[decision]\nmode = "observe"\n')
    rig.add_repair("nothing", PLAY + "    - name: Nothing\n      ansible.builtin.command: /bin/true\n")
    with rig:
        assert _refusal(rig, "nothing") == "not_armed"
        assert _run(rig, "nothing", mode=Mode.CHECK).outcome is Outcome.SUCCEEDED


def test_an_idle_executor_leaves_and_its_rate_limit_stays(tmp_path):
    """Leaving and coming back does not refill the bucket."""
    rig = Rig(root=tmp_path, executor_config="repairs_per_minute = 1\n", idle_s=0.5)
    rig.add_repair("nothing", PLAY + "    - name: Nothing\n      ansible.builtin.command: /bin/true\n")
    with rig:
        _run(rig, "nothing")
        assert rig.processes[1].wait(timeout=5) == 0
        rig.restart_executor()
        assert _refusal(rig, "nothing") == "rate_limited"


HOSTILE = (
    "{{ lookup('pipe', 'touch MARK') }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{{ 7 * 7 }}",
    "{# comment #}",
    "$(touch MARK)",
    "`touch MARK`",
    "; touch MARK",
    "| touch MARK",
    "\n- name: more\n  command: touch MARK",
    "a: b",
    "- a",
    "!!python/object/apply:os.system [touch MARK]",
    "!unsafe x",
    "!vault |",
    "&anchor",
    "*alias",
    "'",
    '"',
    "\\",
    "\\u0041",
    "%(x)s",
    "yes",
    "null",
    "0x10",
    "1e3",
    "~",
    "",
    " ",
    "\t",
    "\r\n",
    "\x1b[31m",
    "\u202egnp.exe",
    "\u2028",
    "\U0001f600",
    "../../etc/passwd",
    "--check",
    "@/etc/passwd",
    "omit",
    "a" * 4000,
)


def test_hostile_values_reach_a_task_as_they_are(rig, tmp_path):
    """Whatever a value looks like, it is neither templated nor executed on its way into a module."""
    mark, out = tmp_path / "mark", tmp_path / "out.json"
    values = tuple(value.replace("MARK", str(mark)) for value in HOSTILE)
    source = tmp_path / "catalogue" / "writes"
    source.mkdir(parents=True)
    content = "{{ hostile | to_json }}"
    task = f"    - name: Write\n      ansible.builtin.copy:\n        dest: {out}\n        content: '{content}'\n"
    (source / "repair.yml").write_text(PLAY + task)
    files = manifest.Manifest.of(source.parent).for_repair("writes")
    job = Job(
        job_id="hostile",
        work_dir=str(rig.work_dir),
        source_dir=str(source.parent),
        files=files,
        playbook="writes/repair.yml",
        variables={"hostile": values},
        check=False,
        tmpfs_bytes=16 << 20,
    )

    async def run() -> JobDone:
        channel = await Channel.connect(str(rig.root / "zygote.sock"))
        with contextlib.closing(channel):
            await channel.send(job)
            await channel.receive(JOB_REPLIES)
            await channel.send(Go())
            return await channel.receive(JOB_REPLIES)

    done = asyncio.run(run())
    assert done.rc == 0, done.detail
    assert tuple(json.loads(out.read_text())) == values
    assert not mark.exists()
