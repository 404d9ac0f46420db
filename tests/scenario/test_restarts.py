"""orderd is killed at every step of a repair, and started again: each incident ends exactly once, nothing runs twice."""

import asyncio

import pytest

from fakes import DOWN, NGINX, REDIS, RUNNING
from orderd.decision import Aftermath
from orderd.domain.values import IncidentState, Reason
from orderd.executor.messages import Mode, RunningRepair

BROKEN = DOWN | {"unit_dropins_changed_ratio": 1.0, "unit_result_exit_ratio": 1.0}


def cure(scene, entity=NGINX):
    return lambda: scene.host.state.__setitem__(entity, dict(RUNNING))


def ends(scene):
    """Return how many terminal states each incident has."""
    counts = {}
    for record in scene.journal.records.values():
        ended = sum(step.state.terminal for step in record.steps)
        counts[record.decision.incident_id] = counts.get(record.decision.incident_id, 0) + ended
    return counts


@pytest.mark.parametrize("ticks", range(1, 9))
async def test_killed_at_any_tick_of_a_repair_that_helps_it_ends_once(scene, ticks):
    """Whatever was written last: one playbook, one terminal state, and no lock is left."""
    scene.executor.cures["service_start"] = cure(scene)
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(ticks)
    await scene.restart()
    await scene.ticks(14)
    assert scene.playbooks == ["service_start"]
    assert set(ends(scene).values()) == {1}
    assert scene.loop.memory.unfinished() == ()


async def test_a_repair_that_still_runs_is_waited_for_and_not_begun_again(scene):
    """The executor says that it runs: its target stays locked until it has ended, then the signals judge."""
    never = asyncio.Event()
    scene.executor.wait_for = never
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    decision_id = scene.decisions[0].decision_id
    target = str(NGINX)
    scene.executor.under_way = (
        RunningRepair(repair_id=decision_id, playbook="service_start", target=target, mode=Mode.APPLY, remaining_s=10.0),
    )
    await scene.restart()
    await scene.ticks(6)
    assert scene.playbooks == ["service_start"]
    assert scene.states() == [IncidentState.REPAIRING]
    scene.executor.under_way = ()
    cure(scene)()
    await asyncio.sleep(0.3)
    await scene.ticks(12)
    assert scene.playbooks == ["service_start"]
    assert scene.states() == [IncidentState.RESOLVED]
    assert scene.words(0) == ["intent", "started", "recovered", "verified"]


async def test_an_interrupted_repair_whose_target_is_still_ill_is_undone(scene):
    """It has an undo, and the signals say no: taken back, then the ladder goes on to a person."""
    never = asyncio.Event()
    scene.executor.wait_for = never
    scene.host.state[NGINX] = dict(BROKEN)
    await scene.ticks(3)
    assert scene.playbooks == ["service_restore_dropins_and_start"]
    await scene.restart()
    scene.executor.wait_for = None
    await scene.ticks(40)
    assert [(r.playbook, str(r.mode)) for r in scene.executor.requests] == [
        ("service_restore_dropins_and_start", "apply"),
        ("service_restore_dropins_and_start", "undo"),
    ]
    assert "undone" in scene.words(0)
    assert scene.states()[-1] is IncidentState.ESCALATED


async def test_an_interrupted_repair_without_an_undo_says_why_there_is_none(scene):
    """The reason is in the record."""
    never = asyncio.Event()
    scene.executor.wait_for = never
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    await scene.restart()
    await scene.ticks(20)
    steps = scene.journal.records[scene.decisions[0].decision_id].steps
    assert "no undo: the configuration declares that the service runs" in steps[-1].detail


async def test_an_undo_that_was_interrupted_is_asked_for_once_more(scene):
    """Not judged again, not forgotten."""
    scene.host.state[NGINX] = dict(BROKEN)
    await scene.ticks(4)
    never = asyncio.Event()
    scene.executor.wait_for = never
    await scene.ticks(40)
    assert [str(r.mode) for r in scene.executor.requests] == ["apply", "undo"]
    scene.executor.wait_for = None
    await scene.restart()
    await scene.ticks(6)
    assert [str(r.mode) for r in scene.executor.requests] == ["apply", "undo", "undo"]
    assert scene.words(0).count("unverified") == 1
    assert set(ends(scene).values()) == {1}


async def test_a_question_outlives_a_restart(asking):
    """The same decision waits, nobody is asked twice, and the answer counts."""
    asking.host.state[NGINX] = dict(DOWN)
    await asking.ticks(2)
    waiting = asking.decisions[0].decision_id
    await asking.restart()
    await asking.ticks(4)
    assert len(asking.decisions) == 1
    asking.executor.cures["service_start"] = cure(asking)
    asking.view.approve(waiting, "", "alice")
    await asking.ticks(14)
    assert asking.playbooks == ["service_start"]
    assert set(ends(asking).values()) == {1}


async def test_after_a_reboot_the_question_is_asked_anew_under_the_same_decision(asking):
    """A reboot drops the answer's ground; the incident stays one."""
    asking.host.state[NGINX] = dict(DOWN)
    await asking.ticks(2)
    waiting = asking.decisions[0].decision_id
    asking.boot_id = "boot-2"
    await asking.restart()
    await asking.ticks(4)
    assert [a.decision_id for a in asking.view.status().approvals] == [waiting]


async def test_a_symptom_that_went_away_meanwhile_closes_its_incident(observing):
    """Waiting before, healthy after: closed once."""
    observing.host.state[NGINX] = dict(DOWN)
    await observing.ticks(2)
    observing.host.state[NGINX] = dict(RUNNING)
    await observing.restart()
    await observing.ticks(10)
    assert observing.states() == [IncidentState.CLOSED]
    assert observing.words(0) == ["intent", "recovered", "closed"]


async def test_a_repair_that_left_the_catalogue_closes_its_incident(scene):
    """Nothing is left to judge it by; the record says so."""
    never = asyncio.Event()
    scene.executor.wait_for = never
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    scene.repairs = {name: r for name, r in scene.repairs.items() if name != "service_start"}
    await scene.restart()
    assert scene.states() == [IncidentState.CLOSED]
    assert "no longer in the catalogue" in scene.journal.records[scene.decisions[0].decision_id].steps[-1].detail


async def test_holds_and_pauses_outlive_a_restart(scene):
    """What people ordered still counts."""
    await scene.ticks(1)
    scene.view.hold(REDIS, 600.0, "upgrade", "alice")
    scene.view.pause("freeze", "bob")
    await scene.restart()
    status = scene.view.status()
    assert [(h.entity, h.by) for h in status.holds] == [(REDIS, "alice")]
    assert status.pause.by == "bob"


@pytest.mark.parametrize("jump_s", [-1.7e9, -3600.0, 3600.0, 3.2e8, -3.2e8])
async def test_a_clock_that_jumps_in_mid_repair_starts_nothing(scene, jump_s):
    """Differences are monotonic: the repair is judged as ever, and the next start remembers its rates."""
    going = asyncio.Event()
    scene.executor.wait_for = going
    scene.executor.cures["service_start"] = cure(scene)
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    scene.clock.utc_offset_ns += int(jump_s * 1e9)
    going.set()
    await scene.ticks(12)
    assert scene.states() == [IncidentState.RESOLVED]
    await scene.restart()
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    assert scene.playbooks == ["service_start"]
    assert scene.decisions[-1].reason is Reason.COOLDOWN


async def test_a_kill_between_the_verdict_and_the_guards_memory_of_it_loses_neither(scene):
    """The journal says verified, the guard was not told: after the restart it counts, and the target is free."""
    scene.executor.cures["service_start"] = cure(scene)
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    scene.loop.memory.ended = lambda *_: Aftermath()
    await scene.ticks(10)
    assert scene.states() == [IncidentState.RESOLVED]
    assert len(scene.loop.memory.unfinished()) == 1
    await scene.restart()
    assert scene.loop.memory.unfinished() == ()
    ((score, _),) = scene.view.scorecard()
    assert (score.right, score.wrong) == (1, 0)
