"""The real ansible-rulebook takes a list of rules, is sent what orderctl prints, and runs what it should.

One engine for all claims, because a Java machine starts for it. Its repairs are harmless playbooks under the names of the real
ones, which write down what they were told.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from orderd.ctl.screen import as_dict
from orderd.domain.faults import EntityKind
from orderd.domain.repairs import Op
from orderd.v1 import common_pb2, host_pb2

BIN = Path(sys.executable).parent
WITHIN_S = 120.0
TOKEN = "a-token-of-this-test"
pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="Java is not installed (Debian: default-jre-headless)")

WRITE_DOWN = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.raw: 'echo "{name} {{{{ orderd_target }}}} {{{{ told_by_inventory }}}}" >>{done}'
"""
EXPECTED = {
    "service_unmask_and_start masked.service yes",
    "service_start down.service yes",
    "service_kill_and_restart hung.service yes",
    "service_kill_and_restart unprobed.service yes",
    "mount_restore /srv/gone yes",
    "disk_reclaim_log_space /srv/full yes",
}


def rules():
    """Return a list in which order, missing signals, contracts and people matter."""
    from ordertrainer.rules.remedies import Listed
    from ordertrainer.rules.rule import Clause, Rule

    def rule(kind, answer, repair, *clauses):
        asked = tuple(Clause(signal=s, op=op, value=v, missing_holds=missing) for s, op, v, missing in clauses)
        return Listed(
            rule=Rule(kind=kind, clauses=asked, answer=1), answer=answer, repair=repair, support=1, judged=1, agrees=1.0
        )

    unit, mount = EntityKind.UNIT, EntityKind.MOUNT
    down = ("unit_active_ratio", Op.LT, 0.5, False)
    silent = ("probe_ok_ratio", Op.LT, 0.5, True)
    return [
        rule(unit, "service_masked", "service_unmask_and_start", ("unit_masked_ratio", Op.GE, 0.5, False), down),
        rule(unit, "service_down", "service_start", down),
        rule(unit, "service_hung", "service_kill_and_restart", ("unit_main_stopped_ratio", Op.GE, 0.5, False), silent),
        rule(mount, "mount_missing", "mount_restore", ("mount_used_ratio", Op.GE, float("inf"), True)),
        rule(
            mount,
            "disk_full",
            "disk_reclaim_log_space",
            ("mount_used_ratio", Op.GE, 0.2, False),
            ("cpu_user_ratio", Op.LT, 0.9, False),
        ),
        rule(EntityKind.CLOCK, "clock_stepped", "", ("clock_step_s", Op.GE, 2.0, False)),
    ]


def status(**entities):
    """Return what ``orderctl status --json`` prints of some entities."""
    rows = [
        host_pb2.EntityStatus(entity=common_pb2.Entity(kind=kind, key=key), signals=signals)
        for kind, some in entities.items()
        for key, signals in some.items()
    ]
    return as_dict(host_pb2.GetStatusResponse(hostname="host-a", entities=rows, signals={"cpu_user_ratio": 0.1}))


IN_ORDER = {"unit_masked_ratio": 0.0, "unit_active_ratio": 1.0, "unit_main_stopped_ratio": 0.0, "probe_ok_ratio": 1.0}
TROUBLE = status(
    unit={
        "masked.service": IN_ORDER | {"unit_masked_ratio": 1.0, "unit_active_ratio": 0.0},
        "down.service": IN_ORDER | {"unit_active_ratio": 0.0},
        "well.service": IN_ORDER,
        "hung.service": IN_ORDER | {"unit_main_stopped_ratio": 1.0, "probe_ok_ratio": 0.0},
        "slow.service": IN_ORDER | {"unit_main_stopped_ratio": 1.0},
        "unprobed.service": {"unit_masked_ratio": 0.0, "unit_active_ratio": 1.0, "unit_main_stopped_ratio": 0.75},
    },
    mount={
        "/srv/gone": {},
        "/srv/full": {"mount_used_ratio": 0.95, "mount_read_only_ratio": 0.0},
        "/srv/roomy": {"mount_used_ratio": 0.25, "mount_read_only_ratio": 0.0},
    },
    clock={"system": {"clock_step_s": 3600.0}},
)


def post(port, told, token=TOKEN):
    """Send a status as the rulebook's header says; return the HTTP status."""
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", json.dumps(told).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(holds, what):
    """Wait for something."""
    ends = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < ends, what()
        time.sleep(0.1)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Return what an engine did that was sent the same trouble twice: lines of playbooks, what it printed, HTTP answers."""
    from orderd.catalogue import load_repairs
    from ordertrainer.rules.rulebook import PORT, rulebook
    from ordertrainer.rules.rulebook import TOKEN as VARIABLE
    from ordertrainer.sim.catalogue import PLAYBOOKS

    folder, port = tmp_path_factory.mktemp("rulebook"), free_port()
    done, repairs = folder / "done", load_repairs(PLAYBOOKS / "repairs").repairs
    for name in repairs:
        (folder / "repairs" / name).mkdir(parents=True)
        (folder / "repairs" / name / "repair.yml").write_text(WRITE_DOWN.format(name=name, done=done), encoding="utf-8")
    text = rulebook(rules(), repairs, sources=PLAYBOOKS / "repairs", playbooks=folder / "repairs", title="What a test learned")
    (folder / "rules.yml").write_text(text.replace(str(PORT), str(port)), encoding="utf-8")
    localhost = {"ansible_connection": "local", "told_by_inventory": "yes"}
    (folder / "inventory.yml").write_text(json.dumps({"all": {"hosts": {"localhost": localhost}}}), encoding="utf-8")
    command = [BIN / "ansible-rulebook", "--rulebook", "rules.yml", "--inventory", "inventory.yml", "--env-vars", VARIABLE]
    env = os.environ | {
        VARIABLE: TOKEN,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(folder),
        "ANSIBLE_LOCALHOST_WARNING": "0",
    }
    with (folder / "out").open("wb") as out:
        engine = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=subprocess.STDOUT)
    printed = lambda: (folder / "out").read_text(encoding="utf-8", errors="replace")  # noqa: E731
    lines = lambda: done.read_text(encoding="utf-8").splitlines() if done.exists() else []  # noqa: E731
    try:
        until(lambda: answers(port) or engine.poll() is not None, printed)
        assert engine.poll() is None, printed()
        refused = post(port, TROUBLE, token="another")
        taken = [post(port, TROUBLE), post(port, TROUBLE)]
        until(lambda: len(lines()) >= len(EXPECTED) and "clock_stepped" in printed(), lambda: f"{lines()}\n{printed()}")
        time.sleep(1.0)
        yield SimpleNamespace(lines=lines(), printed=printed(), refused=refused, taken=taken)
    finally:
        engine.terminate()
        engine.wait(20)


def answers(port):
    """Tell whether somebody listens."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_right_repair_runs_on_the_right_entity(ran):
    """The first rule that holds decides, missing signals mean what the list says, and what is in order is left alone."""
    assert set(ran.lines) == EXPECTED


def test_a_status_that_is_sent_again_repairs_nothing_again(ran):
    """Each repair waits for its cooldown, by entity."""
    assert ran.taken == [200, 200]
    assert len(ran.lines) == len(EXPECTED)


def test_a_contract_that_does_not_hold_stops_a_repair(ran):
    """A mount that the list calls full and that is not: it is said, and nothing runs."""
    assert "disk_reclaim_log_space may not run" in ran.printed
    assert "/srv/roomy" in ran.printed


def test_a_person_is_called_in_words(ran):
    """With host, entity and reason."""
    assert "clock_stepped: call a person; on host-a clock system, because clock_step_s >= 2 s" in ran.printed


def test_who_has_no_token_is_not_heard(ran):
    """Whoever can post may have playbooks run."""
    assert ran.refused == 401
