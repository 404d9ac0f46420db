"""Repairs in scopes of a real systemd, on a disposable host: whatever a playbook does, nothing of it outlives its repair."""

import os
import time

import pytest

from executor_host import ask, ask_in_background, assert_nothing_left, executor_host, until
from ordertrainer.ground import missing_packages

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]

IGNORE_TERM = "trap '' TERM; "
DOUBLE_FORK = "( trap '' TERM; setsid bash -c 'trap \"\" TERM; exec -a left-behind sleep 300' </dev/null >/dev/null 2>&1 & ) "
SCRIPTS = {
    "where": "cat /proc/self/cgroup",
    "hangs": IGNORE_TERM + DOUBLE_FORK + "; while :; do sleep 300; done",
    "leaves_a_daemon": DOUBLE_FORK,
    "takes_a_second": "sleep 1",
    "eats_the_workspace": "cat /dev/zero > $TMPDIR/zero",
}


@pytest.fixture(scope="module")
def host():
    """A host with the executor and the zygote as units, and a catalogue of playbooks that misbehave."""
    with executor_host(SCRIPTS, {"hangs": 2}) as host:
        yield host


def test_a_task_runs_inside_the_scope_of_its_repair(host):
    """Where a module runs is the scope named after the repair, in orderd's own slice."""
    finished = ask(host, "where")
    assert finished["outcome"] == "succeeded"
    assert f"orderd-repair-{finished['repair_id']}.scope" in finished["tasks"][0]["msg"]


def test_a_repair_that_ignores_term_and_double_forks_is_gone_by_its_deadline(host):
    """Two seconds after its deadline no process, scope or workspace of it is left."""
    began = time.monotonic()
    finished = ask(host, "hangs")
    assert time.monotonic() - began < 2 + 2
    assert (finished["outcome"], finished["code"]) == ("timed_out", "deadline")
    assert_nothing_left(host)


def test_a_daemon_left_behind_is_gone_when_the_repair_is_reported(host):
    """A repair that succeeded leaves no process of its own either."""
    assert ask(host, "leaves_a_daemon")["outcome"] == "succeeded"
    assert_nothing_left(host)


def test_a_repair_that_fills_its_workspace_fills_nothing_else(host):
    """The workspace is bounded: the task fails, the host's memory and disks do not fill."""
    assert ask(host, "eats_the_workspace")["outcome"] == "failed"
    assert_nothing_left(host)


def test_an_executor_killed_in_mid_repair_leaves_nothing_behind(host):
    """The next executor ends what the killed one had started, before it takes anything on."""
    ask_in_background(host, "hangs")
    host.exec(["systemctl", "kill", "--signal=KILL", "orderd-exec.service"], check=True)
    assert ask(host, "where")["outcome"] == "succeeded"
    assert_nothing_left(host)


def test_a_zygote_killed_in_mid_repair_is_back_and_cleans_up(host):
    """The running repair ends by itself; the next zygote removes its workspace."""
    ask_in_background(host, "takes_a_second")
    host.exec(["systemctl", "kill", "--signal=KILL", "--kill-who=main", "orderd-zygote.service"], check=True)
    until(lambda: '"succeeded"' in host.exec(["cat", "/run/asked"]).stdout)
    assert ask(host, "where")["outcome"] == "succeeded"
    assert_nothing_left(host)
