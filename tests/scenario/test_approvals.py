"""A repair that needs a person's word, and repairs by hand."""

import pytest

from fakes import DOWN, NGINX, REDIS, RUNNING
from orderd.domain.faults import Entity, Failure
from orderd.domain.standing import Authority
from orderd.domain.values import Action, IncidentState, Reason
from orderd.errors import JournalError, StateError


def cure(scene, entity=NGINX):
    scene.executor.cures["service_start"] = lambda: scene.host.state.__setitem__(entity, dict(RUNNING))


async def question(scene):
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    (approval,) = scene.view.status().approvals
    return approval.decision_id


async def test_mode_approve_asks_once_and_touches_nothing(asking):
    """One question, one notice, one decision to wait, however long it stands."""
    await question(asking)
    await asking.ticks(20)
    assert asking.playbooks == []
    assert [(d.action, d.reason) for d in asking.decisions] == [(Action.WAIT, Reason.MODE_APPROVE)]
    assert [event for event, _ in asking.sink.said] == ["approval"]


async def test_an_approval_runs_the_repair_under_a_decision_of_its_own(asking):
    """The waiting decision is approved, a second one of the same incident repairs, and the incident ends once."""
    cure(asking)
    waiting = await question(asking)
    asking.view.approve(waiting, "go on", "alice")
    await asking.ticks(12)
    first, second = asking.decisions
    assert asking.playbooks == ["service_start"]
    assert (second.action, second.reason, second.incident_id) == (Action.REPAIR, Reason.APPROVED, first.incident_id)
    assert "alice" in second.detail
    assert asking.words(0) == ["intent", "approved"]
    assert asking.words(1) == ["intent", "started", "finished", "verified"]
    assert asking.view.status().approvals == ()


async def test_a_rejection_calls_a_person_and_runs_nothing(asking):
    """The reason is rejected, with the person's words."""
    waiting = await question(asking)
    asking.view.reject(waiting, "not on a Friday", "bob")
    await asking.ticks(3)
    assert asking.playbooks == []
    assert asking.decisions[-1].reason is Reason.REJECTED
    assert "not on a Friday" in asking.decisions[-1].detail
    assert asking.states()[-1] is IncidentState.ESCALATED
    assert asking.words(0) == ["intent", "rejected"]


async def test_a_question_nobody_answers_expires_and_calls_a_person(make_scene):
    """Step expired, then escalated with approval_expired."""
    scene = make_scene(decision={"mode": "approve", "approval_s": 5.0})
    waiting = await question(scene)
    await scene.ticks(12)
    assert scene.words(0) == ["intent", "expired"]
    assert scene.decisions[-1].reason is Reason.APPROVAL_EXPIRED
    assert scene.states()[-1] is IncidentState.ESCALATED
    with pytest.raises(StateError):
        scene.view.approve(waiting, "", "alice")
    assert scene.playbooks == []


async def test_an_answer_counts_once(asking):
    """A second answer is refused, and says so."""
    cure(asking)
    waiting = await question(asking)
    asking.view.approve(waiting, "", "alice")
    with pytest.raises(StateError) as refused:
        asking.view.reject(waiting, "no", "bob")
    assert refused.value.reason == "answered"


async def test_validate_only_changes_nothing(asking):
    """Everything is checked; the question still waits."""
    waiting = await question(asking)
    asking.view.approve(waiting, "", "alice", validate_only=True)
    await asking.ticks(2)
    assert asking.playbooks == []
    assert [a.decision_id for a in asking.view.status().approvals] == [waiting]


async def test_an_approval_does_not_overrule_a_hold(asking):
    """Who announced a change is waited for; then the approved repair runs."""
    cure(asking)
    waiting = await question(asking)
    asking.view.hold(NGINX, 10.0, "upgrade", "carol")
    asking.view.approve(waiting, "", "alice")
    await asking.ticks(4)
    assert asking.playbooks == []
    await asking.ticks(20)
    assert asking.playbooks == ["service_start"]


async def test_an_answer_that_cannot_be_made_durable_does_not_count(asking):
    """The caller is told, and nothing runs."""
    waiting = await question(asking)
    asking.journal.error = JournalError("disk full")
    with pytest.raises(JournalError):
        asking.view.approve(waiting, "", "alice")
    asking.journal.error = None
    await asking.ticks(3)
    assert asking.playbooks == []
    assert [a.decision_id for a in asking.view.status().approvals] == [waiting]


async def test_a_pause_stops_repairs_and_its_end_lets_them_run(scene):
    """The reason is paused, by whom; after resume the same incident is repaired."""
    cure(scene)
    scene.view.pause("incident bridge", "alice")
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(4)
    assert scene.playbooks == []
    assert scene.reasons == ["paused"]
    assert scene.view.resume("alice")
    await scene.ticks(10)
    assert scene.playbooks == ["service_start"]
    assert scene.states()[-1] is IncidentState.RESOLVED


async def test_a_repair_by_hand_is_recorded_judged_and_ended(observing):
    """Reason by_hand, who and why; verified like any other."""
    cure(observing)
    observing.host.state[NGINX] = dict(DOWN)
    await observing.ticks(2)
    decision_id = observing.view.run_repair("service_start", NGINX, "on call", "alice")
    await observing.ticks(10)
    record = observing.journal.get(decision_id)
    assert observing.playbooks == ["service_start"]
    assert (record.decision.reason, record.state) == (Reason.BY_HAND, IncidentState.RESOLVED)
    assert "alice" in record.decision.detail


async def test_a_repair_by_hand_where_orderd_sees_nothing_wrong_ends_as_well(scene):
    """It is refused by its preconditions: a running service is not started."""
    await scene.ticks(2)
    with pytest.raises(StateError, match="precondition"):
        scene.view.run_repair("service_start", NGINX, "", "alice")
    assert scene.playbooks == []


async def test_by_hand_is_refused_while_paused_and_for_what_is_not_there(scene):
    """People's word stands above a person's wish; a wrong name is said."""
    scene.host.state[NGINX] = dict(DOWN)
    scene.view.pause("freeze", "bob")
    await scene.ticks(2)
    with pytest.raises(StateError) as refused:
        scene.view.run_repair("service_start", NGINX, "", "alice")
    assert refused.value.reason == "paused"
    with pytest.raises(LookupError):
        scene.view.run_repair("make_coffee", NGINX, "", "alice")
    with pytest.raises(LookupError):
        scene.view.run_repair("service_start", Entity.parse("unit:cups.service"), "", "alice")
    with pytest.raises(ValueError, match="takes a mount"):
        scene.view.run_repair("disk_reclaim_log_space", NGINX, "", "alice")


async def test_by_hand_with_validate_only_runs_nothing(scene):
    """An empty id, no decision, no incident."""
    scene.view.pause("freeze", "bob")
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    scene.view.resume("bob")
    before = len(scene.decisions)
    assert scene.view.run_repair("service_start", NGINX, "", "alice", validate_only=True) == ""
    assert (scene.playbooks, len(scene.decisions)) == ([], before)


async def test_authority_a_person_grants_is_used_and_taken_back(make_scene):
    """Mode earned asks; a grant lets it run; without it, it asks again."""
    scene = make_scene(decision={"mode": "earned"})
    waiting = await question(scene)
    assert scene.reasons == ["not_earned"]
    cure(scene)
    scene.view.set_authority(Failure.SERVICE_DOWN, "service_start", Authority.GRANTED_BY_PERSON, "trusted", "alice")
    await scene.ticks(12)
    assert scene.playbooks == ["service_start"]
    assert scene.decisions[-1].reason is Reason.ALLOWED
    scene.view.set_authority(Failure.SERVICE_DOWN, "service_start", None, "", "alice")
    scene.clock.advance(60)
    scene.host.state[REDIS] = dict(DOWN)
    await scene.ticks(2)
    assert scene.decisions[-1].reason is Reason.NOT_EARNED
    assert waiting


async def test_a_rating_counts_once_for_the_scorecard(scene):
    """The same word as verification's adds nothing; another one does."""
    cure(scene)
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(12)
    decision = scene.decisions[0]
    scene.view.rate(decision.decision_id, good=True, note="", by="alice")
    ((score, _),) = scene.view.scorecard()
    assert (score.right, score.wrong) == (1, 0)
    scene.view.rate(decision.decision_id, good=False, note="it was the config", by="alice")
    ((score, _),) = scene.view.scorecard()
    assert (score.right, score.wrong) == (1, 1)


async def test_an_approval_outlives_an_executor_that_is_busy(asking):
    """Refused twice before anything was touched: the same yes runs the repair the third time, and nobody is asked again."""
    cure(asking)
    waiting = await question(asking)
    asking.executor.refusals = ["busy", "rate_limited"]
    asking.view.approve(waiting, "go on", "alice")
    await asking.ticks(30)
    assert asking.playbooks == ["service_start"] * 3
    assert [str(d.reason) for d in asking.decisions] == ["mode_approve", "approved", "approved", "approved"]
    assert [event for event, _ in asking.sink.said] == ["approval", "repaired"]
    assert asking.states()[-1] is IncidentState.RESOLVED


async def test_an_approval_that_was_refused_as_busy_outlives_a_restart(asking):
    """A kill between the refusal and the next try changes nothing: the yes still stands."""
    cure(asking)
    waiting = await question(asking)
    asking.executor.refusals = ["busy"]
    asking.view.approve(waiting, "go on", "alice")
    await asking.ticks(1)
    assert asking.playbooks == ["service_start"]
    await asking.restart()
    await asking.ticks(20)
    assert asking.playbooks == ["service_start"] * 2
    assert asking.decisions[-1].reason is Reason.APPROVED
    assert [event for event, _ in asking.sink.said] == ["approval", "repaired"]


async def test_an_approved_repair_that_is_refused_for_ever_ends_with_a_person(asking):
    """A yes is tried as often as any other repair, then a person is called."""
    waiting = await question(asking)
    asking.executor.refusals = ["busy"] * 50
    asking.view.approve(waiting, "go on", "alice")
    await asking.ticks(160)
    assert len(asking.playbooks) == 6
    assert asking.decisions[-1].reason is Reason.EXECUTOR_REFUSES
    assert asking.states()[-1] is IncidentState.ESCALATED


async def test_a_repair_that_touched_the_host_has_used_up_its_approval(asking):
    """It ran and did not help: its yes is worth nothing any more, after a restart neither."""
    waiting = await question(asking)
    asking.view.approve(waiting, "go on", "alice")
    await asking.ticks(2)
    await asking.restart()
    await asking.ticks(60)
    assert asking.playbooks == ["service_start"]
    assert asking.loop.memory.approval(waiting) is None
