"""T12: playbooks that hang, ignore TERM, double-fork, prompt or sit in uninterruptible sleep, on a disposable host."""

import os
import time

import pytest

from executor_host import ask, assert_nothing_left, executor_host, scopes, until
from ordertrainer.ground import missing_packages

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]

DEADLINE_S = 2.0
GRACE_S = 2.0
LIMIT = "stopped by deadline + 2 s, no survivors"
IGNORE_TERM = "trap '' TERM HUP INT QUIT; "
DAEMON = "setsid bash -c 'trap \"\" TERM HUP; exec -a left-behind sleep 300' </dev/null >/dev/null 2>&1 &"
DOUBLE_FORK = f"( trap '' TERM HUP; {DAEMON} ); "
# A vfork parent sleeps until its child lets go of its memory, and shows as D meanwhile.
VFORKS = "exec python3 -c \"import ctypes; ctypes.CDLL(None).vfork() or __import__('time').sleep(300)\""
SCRIPTS = {
    "hangs": "sleep 300",
    "ignores_term": IGNORE_TERM + "while :; do sleep 300; done",
    "double_forks": IGNORE_TERM + DOUBLE_FORK * 3 + "while :; do sleep 300; done",
    "prompts": "exec </dev/tty || exec <&0; read -p 'continue? ' answer; sleep 300",
    "vforks": VFORKS,
    "stops_itself": "kill -STOP $$; sleep 300",
    "forks_and_forks": IGNORE_TERM + "for i in $(seq 60); do " + DOUBLE_FORK + "done; sleep 300",
    "waits_for_a_frozen_disk": "echo x > /srv/data/frozen; sync /srv/data/frozen; sleep 300",
    "where": "cat /proc/self/cgroup",
}
SURVIVORS = "left-behind|sleep 300|vfork|continue"


@pytest.fixture(scope="module")
def host():
    """A host whose catalogue holds nothing but bad playbooks, and one good one."""
    with executor_host(SCRIPTS, dict.fromkeys(SCRIPTS, DEADLINE_S) | {"where": 10.0}) as host:
        yield host


def _timed(host, playbook: str) -> tuple[dict, float]:
    began = time.monotonic()
    finished = ask(host, playbook)
    return finished, time.monotonic() - began


@pytest.mark.parametrize("playbook", [name for name in SCRIPTS if name not in {"where", "waits_for_a_frozen_disk"}])
def test_a_playbook_that_will_not_end_is_ended(host, playbook, measured):
    """The answer comes by deadline + 2 s, no process of it is left, and the next repair runs."""
    finished, seconds = _timed(host, playbook)
    measured(figure=f"{playbook} {seconds:.1f} s", limit=LIMIT, runs=1)
    assert seconds < DEADLINE_S + GRACE_S
    assert finished["outcome"] == "timed_out"
    assert_nothing_left(host, SURVIVORS)
    assert ask(host, "where")["outcome"] == "succeeded"


def test_a_playbook_in_uninterruptible_sleep_is_reported_and_goes_when_it_can(host, measured):
    """Nothing can kill it while its disk is frozen: that is said in time, no repair joins it, and with the disk it is gone."""
    if host.exec(["fsfreeze", "--freeze", "/srv/data"]).returncode:
        pytest.skip("this kernel does not let a disposable host freeze its data volume")
    try:
        finished, seconds = _timed(host, "waits_for_a_frozen_disk")
        sleeping = host.exec(["ps", "-eo", "stat=,args="]).stdout
    finally:
        host.exec(["fsfreeze", "--unfreeze", "/srv/data"])
    measured(figure=f"uninterruptible: reported after {seconds:.1f} s, gone with the disk", limit=LIMIT, runs=1)
    assert any(line.startswith("D") for line in sleeping.splitlines()), "nothing was in uninterruptible sleep"
    assert seconds < DEADLINE_S + GRACE_S
    assert finished["outcome"] != "succeeded"
    until(lambda: not scopes(host))
    assert_nothing_left(host, SURVIVORS)
    assert ask(host, "where")["outcome"] == "succeeded"
