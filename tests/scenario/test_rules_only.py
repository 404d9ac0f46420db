"""A failure class that only the rules know goes the whole way like any other."""

import pytest

from fakes import DATA, DOWN, NGINX, RUNNING
from founding import whole_catalogue
from orderd.domain.faults import FAILURES, Failure
from orderd.domain.signals import ENTITY_INDEX
from orderd.domain.values import Action, IncidentState, ModelInfo, Reason, Scores, Source
from orderd.executor.messages import Finished, Outcome, Task
from orderd.wire import decision_from_wire, decision_to_wire

MOUNTED = {
    "mount_used_ratio": 0.3,
    "mount_inodes_used_ratio": 0.1,
    "mount_fill_ratio_per_s": 0.0,
    "mount_read_only_ratio": 0.0,
    "mount_stuck_s": 0.0,
}
READ_ONLY = MOUNTED | {"mount_read_only_ratio": 1.0, "mount_used_ratio": 0.6}
REPAIR = "mount_remount_read_write"


@pytest.fixture
def repairs():
    return whole_catalogue()


def sure_of_something_else(window):
    """A model that is sure that a mount is full when it is read-only, and of nothing else."""
    rows = []
    for index, entity in enumerate(window.entities):
        row = [0.0] * len(FAILURES)
        wrong = entity == DATA and window.now(index, ENTITY_INDEX["mount_read_only_ratio"]) >= 1
        row[FAILURES.index(Failure.DISK_FULL) if wrong else 0] = 1.0
        rows.append(tuple(row))
    return Scores(failures=tuple(rows), wrong=0.5)


def read_only(scene):
    scene.model.scores = sure_of_something_else
    scene.model.info = ModelInfo(loaded=True, version="7.1", provider="CPUExecutionProvider")
    scene.executor.cures[REPAIR] = lambda: scene.host.state.__setitem__(DATA, dict(MOUNTED))
    scene.host.state[DATA] = dict(READ_ONLY)


async def test_it_is_named_by_its_rule_repaired_and_verified(scene):
    """The model, sure of another class, decides nothing here; what it said stands beside."""
    read_only(scene)
    await scene.ticks(16)
    (decision,) = scene.decisions
    assert (decision.diagnosis.failure, decision.diagnosis.source) == (Failure.MOUNT_READ_ONLY, Source.RULES)
    assert decision.other_diagnosis.failure is Failure.DISK_FULL
    assert scene.playbooks == [REPAIR]
    assert scene.states() == [IncidentState.RESOLVED]


async def test_it_is_asked_about_approved_and_counted(asking):
    """Approval, budget and scorecard know the class."""
    read_only(asking)
    await asking.ticks(6)
    (approval,) = asking.view.status().approvals
    assert approval.repair == REPAIR
    asking.view.approve(approval.decision_id, "go on", "alice")
    await asking.ticks(16)
    assert asking.decisions[-1].reason is Reason.APPROVED
    assert asking.states()[-1] is IncidentState.RESOLVED
    assert [(s.failure, s.repair) for s, _mode in asking.view.scorecard()] == [(Failure.MOUNT_READ_ONLY, REPAIR)]


async def test_it_is_explained_replayed_and_sent(scene):
    """By its rule: the signals without which the rule would not have seen it; decided again it comes out the same."""
    read_only(scene)
    await scene.ticks(16)
    decision_id = scene.decisions[0].decision_id
    explanation = await scene.view.explain(decision_id, 5)
    assert [w.signal for w in explanation.signals] == ["mount_read_only_ratio"]
    assert explanation.probability == 1.0
    assert (await scene.view.replay(decision_id)).differences == ()
    record = scene.journal.get(decision_id)
    assert decision_from_wire(decision_to_wire(record)) == record


async def test_it_ends_with_a_person_when_nothing_helps(scene):
    """Every rung, judged, then the end of the ladder."""
    read_only(scene)
    scene.executor.cures.clear()
    await scene.ticks(120)
    assert scene.playbooks == [REPAIR, "mount_check_and_remount"]
    assert (scene.decisions[-1].action, scene.decisions[-1].reason) == (Action.ESCALATE, Reason.LADDER_EXHAUSTED)


SLOW = RUNNING | {"probe_latency_s": 0.3}
SLUGGISH = RUNNING | {"probe_latency_s": 0.15}
"""Not slow enough to be called so, and not well."""


async def slow_after_a_restart(scene):
    """Let a service be slow; a restart makes it sluggish, which is not enough."""
    scene.executor.cures["service_restart"] = lambda: scene.host.state.__setitem__(NGINX, dict(SLUGGISH))
    scene.executor.cures["service_roll_back_config"] = lambda: scene.host.state.__setitem__(NGINX, dict(RUNNING))
    scene.host.state[NGINX] = dict(SLOW)
    for _ in range(60):
        await scene.ticks(1)
        if scene.decisions and scene.words()[-1] == "unverified":
            return
    pytest.fail("the restart was not judged")


async def test_a_symptom_that_pauses_after_a_repair_that_did_not_help_is_the_same_incident(scene):
    """Slow again nine seconds later, it gets the next repair, and not the one that has just been tried, nor its cooldown."""
    await slow_after_a_restart(scene)
    await scene.ticks(8)
    scene.host.state[NGINX] = dict(SLOW)
    await scene.ticks(22)
    assert scene.playbooks == ["service_restart", "service_roll_back_config"]
    assert len({decision.incident_id for decision in scene.decisions}) == 1


async def test_what_is_never_quite_well_is_closed_all_the_same(scene):
    """After 15 s without the symptom and 3 more, and not never because nobody proved that it is well."""
    await slow_after_a_restart(scene)
    await scene.ticks(34)
    assert scene.states()[-1] is IncidentState.DIAGNOSED
    await scene.ticks(4)
    assert scene.states()[-1] is IncidentState.CLOSED
    assert scene.playbooks == ["service_restart"]


async def test_what_becomes_well_after_a_repair_that_did_not_help_is_closed_at_once(scene):
    """Within 3 s, as ever; what breaks a moment later is news."""
    await slow_after_a_restart(scene)
    scene.host.state[NGINX] = dict(RUNNING)
    await scene.ticks(8)
    assert scene.states()[-1] is IncidentState.CLOSED
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    assert scene.playbooks == ["service_restart", "service_start"]
    assert len({decision.incident_id for decision in scene.decisions}) == 2


class Looks:
    """An executor whose repairs look and find another cause, but for one that helps."""

    def __init__(self, scene, helps):
        self._scene, self._helps, self._plain = scene, helps, scene.executor.repair

    async def __call__(self, request, on_event=lambda _event: None):
        done = await self._plain(request, on_event)
        if request.playbook in {self._helps, "service_start"}:
            return done
        task = Task(name="look", status="ok", changed=False, msg="not the case: something else is wrong")
        return Finished(repair_id=done.repair_id, outcome=Outcome.SUCCEEDED, tasks=(task,))


async def test_a_repair_that_finds_another_cause_costs_nothing_but_the_look(scene):
    """The next rung follows at once, and what only looked has neither helped nor failed: nothing is counted, nobody is denied."""
    helps = "service_roll_back_config"
    scene.executor.repair = Looks(scene, helps)
    scene.executor.cures[helps] = lambda: scene.host.state.__setitem__(NGINX, dict(RUNNING))
    for _ in range(3):
        scene.host.state[NGINX] = dict(DOWN)
        await scene.ticks(80)
        assert scene.states()[-1] is IncidentState.RESOLVED
        scene.clock.advance(4000)
    looked = ["service_evict_port_squatter", "service_restore_removed_file", "service_restore_file_access"]
    assert scene.playbooks[:5] == ["service_start", *looked, helps]
    counted = {score.repair: score.wrong for score, _mode in scene.view.scorecard()}
    assert not set(looked) & set(counted)
    assert not {denial.repair for denial in scene.view.status().denials} & set(looked)
    words = [step.what for r in scene.journal.records.values() if r.decision.repair in looked for step in r.steps]
    assert "not the case: something else is wrong" in [
        step.detail for r in scene.journal.records.values() if r.decision.repair in looked for step in r.steps
    ]
    assert "verified" not in words
