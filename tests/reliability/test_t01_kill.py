"""T1: kill -9 of orderd, of the executor, of the zygote and of the repair itself at every step of a repair, on a disposable host.

A service is killed, and a random moment later one of the programs that should repair it. The moments cover the half second in
which a repair is detected, decided, started, run and verified. What is acknowledged is heard by a watcher outside the host.
"""

import contextlib
import os
import random
import time
from collections import Counter

import pytest

from installed_host import (
    decided_after,
    decisions,
    installed_host,
    is_active,
    main_pid,
    reconfigure,
    shell,
    unfinished,
    wait,
    widened,
)
from ordertrainer.drill.watcher import Watcher
from ordertrainer.ground import missing_packages

pytestmark = [
    pytest.mark.drill,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]

SEED = int(os.environ.get("ORDERD_SEED", "1"))
SERVICES = ("nginx.service", "redis-server.service", "drill-worker.service")
VICTIMS = ("orderd.service", "orderd-exec.service", "orderd-zygote.service", "repair")
TERMINAL_WITHIN_S = 10.0
KILL_WITHIN_S = 0.6
"""A repair takes about 0.3 s from the fault to its verification's first look, 2 s to its end."""
LIMIT = "no acknowledged decision lost, no repair run twice, no orphan, one terminal state within 10 s"


@pytest.fixture(scope="module")
def host():
    """A host whose budgets are wide enough for a hundred repairs in minutes."""
    with installed_host() as host:
        reconfigure(host, widened)
        yield host


def _kill(host, victim: str) -> bool:
    """Kill a program, or every process of the repair that runs; tell whether there was one."""
    if victim == "repair":
        return host.exec(["systemctl", "kill", "--signal=KILL", "orderd-repair-*.scope"]).returncode == 0
    pid = main_pid(host, victim)
    return bool(pid) and host.exec(["kill", "-KILL", str(pid)]).returncode == 0


def _settle(host, known: set[str], service: str) -> float:
    """Wait for the end of every incident; return the seconds it took. What is still broken is mended by hand."""
    began = time.monotonic()

    def settled() -> bool:
        found = decided_after(host, known)
        return bool(found) and not unfinished(found)

    seconds = TERMINAL_WITHIN_S * 3
    with contextlib.suppress(AssertionError):
        seconds = wait(settled, TERMINAL_WITHIN_S * 3, "a terminal state")
    if not is_active(host, service):
        shell(host, f"systemctl reset-failed {service}; systemctl start {service}")
        wait(lambda: is_active(host, service), 20, f"{service} runs")
    return max(seconds, time.monotonic() - began if seconds >= TERMINAL_WITHIN_S * 3 else seconds)


def _story(found: list[dict], broken_ns: int) -> str:
    """Return what happened when, in seconds since the service was killed, for whoever reads a failure."""

    def at(instant: dict) -> str:
        return f"{(int(instant['monoNs']) - broken_ns) / 1e9:.1f} s"

    return " | ".join(
        f"seen {at(d['detectedAt'])}, decided {at(d['decidedAt'])} {d['reason']} {d.get('repair', '')}: "
        + ", ".join(f"{at(step['at'])} {step['what']} ({step.get('detail', '')[:60]})" for step in d["steps"])
        for d in found
    )


def _times_started(host) -> Counter:
    """Return how often systemd says that it started the scope of each repair."""
    log = shell(host, "journalctl -o cat --no-pager _PID=1 | grep -o 'Started orderd-repair-[A-Za-z0-9_-]*.scope' || true")
    return Counter(log.split("\n")[:-1])


def _orphans(host) -> str:
    """Return what is left of repairs where none runs: scopes and processes in them."""
    scopes = shell(host, "systemctl list-units --no-legend --plain 'orderd-repair-*.scope'")
    return scopes + shell(host, "grep -l orderd-repair- /proc/[0-9]*/cgroup 2>/dev/null || true")


def test_no_kill_at_any_step_costs_a_decision_a_second_run_or_an_orphan(host, measured, size):
    """After every kill the incident ends once and soon; all that was said to be decided is in the journal."""
    chance = random.Random(SEED)
    kills, late, slowest, repaired, hit = size(100, 1000), [], 0.0, 0, Counter()
    with Watcher(host) as watcher:
        watcher.await_serving(30)
        for number in range(kills):
            service, victim = SERVICES[number % len(SERVICES)], VICTIMS[chance.randrange(len(VICTIMS))]
            known = {d["id"] for d in decisions(host)}
            broken_ns = time.monotonic_ns()
            shell(host, f"systemctl kill --signal=KILL {service}")
            time.sleep(chance.uniform(0.0, KILL_WITHIN_S))
            hit[victim] += _kill(host, victim)
            seconds = _settle(host, known, service)
            slowest, found = max(slowest, seconds), decided_after(host, known)
            if seconds > TERMINAL_WITHIN_S:
                late.append(f"{victim} killed while {service} was down, {seconds:.1f} s: {_story(found, broken_ns)}")
            repaired += any(d["state"] == "resolved" for d in found)
        wait(lambda: not _orphans(host), 10, "nothing is left of any repair")
        heard = watcher.decisions(0)
    every = {d["id"]: d for d in decisions(host, 10_000)}
    lost = [one.record.decision.decision_id for one in heard if one.record.decision.decision_id not in every]
    lost += [
        one.record.decision.decision_id
        for one in heard
        if len(one.record.steps) > len(every.get(one.record.decision.decision_id, {}).get("steps", one.record.steps))
    ]
    twice = [name for name, count in _times_started(host).items() if count > 1]
    open_still = unfinished(list(every.values()))
    ended_twice = [
        d["id"] for d in every.values() if sum(s["state"] in {"resolved", "escalated", "closed"} for s in d["steps"]) > 1
    ]
    measured(
        figure=f"{sum(hit.values())} kills ({', '.join(f'{v} {n}' for v, n in sorted(hit.items()))}), seed {SEED}: "
        f"{len(lost)} lost, {len(twice)} run twice, {len(open_still)} open, slowest end {slowest:.1f} s, {repaired} repaired",
        limit=LIMIT,
        runs=kills,
    )
    assert lost == []
    assert twice == []
    assert open_still == []
    assert ended_twice == []
    assert late == []
    assert len(heard) >= kills // 2, "the watcher heard too little for this to mean anything"
