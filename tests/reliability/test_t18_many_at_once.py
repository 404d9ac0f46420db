"""T18: a hundred triggers at once; power loss and an upgrade in mid-repair: one repair at a time, one terminal state."""

import asyncio
import os
import threading
import time
from pathlib import Path

import msgspec
import pytest

from fakes import DOWN, RUNNING, Scene
from founding import founding_repairs
from installed_host import decided_after, decisions, installed_host, is_active, orderctl, shell, unfinished, wait
from orderd.config import Config
from orderd.domain.faults import Entity
from orderd.errors import ExecutorError, RepairRefusedError
from orderd.executor.messages import Mode, Outcome, RepairRequest
from orderd.executor.rig import Rig
from ordertrainer.drill.install import build_bundle, install_orderd
from ordertrainer.ground import missing_packages

COUNT = 100
LIMIT = "one repair at a time, one terminal state"
ROOT = Path(__file__).parents[2]
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
PLAY = """\
- name: Test
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Alone
      ansible.builtin.shell: mkdir LOCK && sleep 0.3 && rmdir LOCK
"""
CAN_BOOT = pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}")


@AS_ROOT
async def test_a_hundred_requests_at_once_run_one_repair_at_a_time(tmp_path, measured):
    """The executor takes one and sends the others away, for ten seconds of asking again: whatever runs, runs alone and once."""
    rig = Rig(root=tmp_path / "rig")
    rig.root.mkdir()
    rig.add_repair("alone", PLAY.replace("LOCK", str(tmp_path / "lock")))
    ended, sent_away = [], []
    give_up = time.monotonic() + 10

    async def ask(number):
        asked = RepairRequest(repair_id=f"r{number}", playbook="alone", target="resolver:system", deadline_s=10, mode=Mode.APPLY)
        while time.monotonic() < give_up:
            try:
                ended.append((await rig.client.repair(asked)).outcome)
            except RepairRefusedError as error:
                sent_away.append(error.code)
                await asyncio.sleep(0.2)
            except ExecutorError:  # eight connections at a time are served; the kernel turns the rest away
                sent_away.append("busy")
                await asyncio.sleep(0.2)
            else:
                return

    with rig:
        await asyncio.gather(*(ask(number) for number in range(COUNT)))
    together = sum(outcome is not Outcome.SUCCEEDED for outcome in ended)
    measured(
        figure=f"{COUNT} asking at once: {len(ended)} ran, {together} of them beside another, {len(sent_away)} times sent away",
        limit=LIMIT,
        runs=COUNT,
    )
    assert together == 0
    assert set(sent_away) == {"busy"}
    assert len(ended) >= 5


async def test_a_hundred_failures_at_once_end_once_each(measured):
    """A hundred services fail in one sample: no two repairs of one thing, never more at once than configured, one end each."""
    config = msgspec.convert({"decision": {"mode": "auto", "repairs_per_host_per_hour": 1000}}, Config)
    scene = Scene(founding_repairs(), config)
    units = [Entity.parse(f"unit:app{number}.service") for number in range(COUNT)]
    scene.host.state |= {unit: dict(RUNNING) for unit in units}
    await scene.ticks(3)
    running, most, real = set(), 0, scene.executor.repair

    async def repair(request, on_event=lambda _event: None):
        nonlocal most
        assert request.target not in running
        running.add(request.target)
        most = max(most, len(running))
        await asyncio.sleep(0)
        finished = await real(request, on_event)
        scene.host.state[Entity.parse(request.target)] = dict(RUNNING)
        running.discard(request.target)
        return finished

    scene.executor.repair = repair
    scene.host.state |= {unit: dict(DOWN) for unit in units}
    for _ in range(400):
        await scene.ticks(2)
        if not scene.loop.open_incidents:
            break
    ends = [sum(step.state.terminal for step in record.steps) for record in scene.journal.records.values()]
    incidents = {record.decision.incident_id for record in scene.journal.records.values()}
    ended = {r.decision.incident_id for r in scene.journal.records.values() if r.state.terminal}
    targets = [request.target for request in scene.executor.requests]
    measured(
        figure=f"{COUNT} failures: {len(targets)} repairs, at most {most} at once (disjoint contracts), {len(ended)} ends",
        limit=LIMIT,
        runs=COUNT,
    )
    assert sorted(set(targets)) == sorted(targets)
    assert most <= config.decision.repairs_at_once
    assert len(incidents) == len(ended) == COUNT
    assert max(ends) == 1


@pytest.fixture(scope="module")
def host():
    """A host with orderd on it."""
    with installed_host() as host:
        yield host


def _break_and_wait_for_the_repair(host, service: str) -> set[str]:
    """Mask a service, whose repair takes longest, and return the decisions known before, as soon as its repair runs."""
    known = {d["id"] for d in decisions(host)}
    shell(host, f"systemctl mask --now {service}")
    wait(
        lambda: "orderd-repair" in shell(host, "systemctl list-units --no-legend --plain 'orderd-repair-*.scope'"), 10, "a repair"
    )
    return known


def _assert_one_end(host, known: set[str], service: str) -> list[dict]:
    wait(lambda: decided_after(host, known) and not unfinished(decided_after(host, known)), 20, "every incident has ended")
    found = decided_after(host, known)
    for decision in found:
        assert sum(step["state"] in {"resolved", "escalated", "closed"} for step in decision["steps"]) <= 1
    started = shell(
        host, "journalctl -o cat --no-pager _PID=1 | grep -o 'Started orderd-repair-[A-Za-z0-9_-]*.scope' | sort | uniq -d"
    )
    assert started == "", "a repair was started twice"
    wait(lambda: is_active(host, service), 20, f"{service} runs")
    return found


@pytest.mark.drill
@AS_ROOT
@CAN_BOOT
def test_power_lost_in_mid_repair_leaves_one_end(host, measured):
    """After the next boot the incident has ended once, the service runs, and nothing was done twice."""
    known = _break_and_wait_for_the_repair(host, "nginx.service")
    host.power_cycle()
    wait(lambda: orderctl(host, "status"), 60, "orderd answers after the boot")
    found = _assert_one_end(host, known, "nginx.service")
    measured(figure=f"power loss: {len(found)} decisions, one end each", limit=LIMIT, runs=1)


@pytest.mark.drill
@AS_ROOT
@CAN_BOOT
def test_an_upgrade_in_mid_repair_leaves_one_end(host, measured):
    """The fleet's own playbook replaces every program while a repair runs."""
    bundle = build_bundle()
    known = _break_and_wait_for_the_repair(host, "redis-server.service")
    upgrade = threading.Thread(target=install_orderd, args=(host, bundle))
    upgrade.start()
    time.sleep(0.1)
    upgrade.join(timeout=120)
    wait(lambda: orderctl(host, "status"), 30, "orderd answers after the upgrade")
    found = _assert_one_end(host, known, "redis-server.service")
    measured(figure=f"upgrade: {len(found)} decisions, one end each", limit=LIMIT, runs=1)
