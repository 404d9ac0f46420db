import pytest

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure
from orderd.domain.values import (
    Action,
    Decision,
    DecisionRecord,
    Diagnosis,
    IncidentState,
    Reason,
    RepairOutcome,
    Source,
    Step,
)
from ordertrainer.drill.series import NS_PER_S
from ordertrainer.drill.verdict import Evidence, about, judge, open_incidents

TARGET = "unit:nginx.service"


def at(seconds):
    return Instant(mono_ns=int(seconds * NS_PER_S), utc_ns=0)


def decision(
    *,
    entity=TARGET,
    failure=Failure.SERVICE_DOWN,
    action=Action.REPAIR,
    state=IncidentState.RESOLVED,
    outcome=RepairOutcome.SUCCEEDED,
    at_s=10.1,
    n=1,
):
    """One decision with its steps; the playbook ends 0.4 s after the choice."""
    about = Entity.parse(entity)
    finished = [Step(decision_id=str(n), at=at(at_s + 0.4), state=IncidentState.VERIFYING, what="finished", outcome=outcome)]
    steps = [
        *(finished if action is Action.REPAIR else []),
        Step(decision_id=str(n), at=at(at_s + 2.5), state=state, what="verified"),
    ]
    said = Diagnosis(failure=failure, entity=about, probability=0.97, source=Source.MODEL)
    choice = Decision(
        decision_id=str(n),
        incident_id=entity,
        at=at(at_s),
        detected_at=at(at_s - 0.05),
        diagnosis=said,
        other_diagnosis=None,
        action=action,
        repair="service_start" if action is Action.REPAIR else "",
        reason=Reason.ALLOWED,
        detail="",
        candidates=(),
        model_version="1",
        provider="CPUExecutionProvider",
    )
    return DecisionRecord(decision=choice, steps=tuple(steps))


def evidence(**changes):
    values = {
        "fault": "service_kill",
        "target": TARGET,
        "failure": "service_down",
        "intensity": None,
        "decoy": False,
        "landed_ns": 10 * NS_PER_S,
    }
    return Evidence(**(values | {"healthy_ns": int(10.5 * NS_PER_S), "decisions": [decision()]} | changes))


def test_repaired_needs_both_words():
    """A verified repair of the target on a host the prober finds healthy is repaired, timed from the landing."""
    run = judge(evidence())
    assert (run.outcome, run.reason, run.touched_healthy) == ("repaired", "", False)
    assert run.diagnosis.source == "model"
    assert run.repair.name == "service_start"
    times = run.seconds
    assert (times.detected, times.decided, times.repaired, times.healthy) == (0.05, 0.1, 0.5, 0.5)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"healthy_ns": None}, "failed"),
        ({"decisions": []}, "failed"),
        ({"decisions": [decision(outcome=RepairOutcome.FAILED)]}, "failed"),
        ({"decisions": [decision(state=IncidentState.VERIFYING)]}, "failed"),
        ({"decisions": [decision(state=IncidentState.ESCALATED)], "healthy_ns": None}, "escalated"),
        ({"decisions": [decision(entity="unit:redis-server.service")]}, "failed"),
        ({"landed_ns": None}, "void"),
        ({"void": "no own clock"}, "void"),
    ],
    ids=["unhealthy", "silent", "playbook failed", "not verified", "a person", "another unit", "not landed", "impossible"],
)
def test_one_word_alone_is_not_a_repair(changes, outcome):
    """Whatever is missing of verified, healthy, on target and landed, the run is not a success, and says why."""
    run = judge(evidence(**changes))
    assert run.outcome == outcome
    assert run.reason


def test_void_run_has_no_durations_and_did_not_land():
    """Nothing is timed from a landing nobody saw."""
    run = judge(evidence(landed_ns=None))
    assert run.landed is False
    assert run.seconds.healthy is None


def test_repair_of_something_else_is_a_touched_healthy_thing():
    """A run in which another entity was repaired too counts as touched, even when the target was cured."""
    run = judge(evidence(decisions=[decision(), decision(entity="unit:redis-server.service", n=2, at_s=10.3)]))
    assert run.outcome == "repaired"
    assert run.touched_healthy is True
    assert run.touched == ["service_start on unit:redis-server.service (model: service_down 97%; )"]


def test_repair_of_what_the_fault_broke_besides_its_target_counts():
    """Names do not resolve because the name server hangs: whoever repairs the server has repaired it and touched nothing else."""
    server = "unit:dnsmasq.service"
    waits = decision(entity="resolver:system", failure=Failure.DNS_BROKEN, action=Action.WAIT, state=IncidentState.RESOLVED, n=1)
    run = judge(evidence(target="resolver:system", with_it=[server], decisions=[waits, decision(entity=server, n=2)]))
    assert (run.outcome, run.touched_healthy, run.repair.target) == ("repaired", False, server)
    run = judge(evidence(target="resolver:system", decisions=[waits, decision(entity=server, n=2)]))
    assert (run.outcome, run.touched_healthy) == ("failed", True)


def test_a_worker_of_the_process_that_was_started_is_the_faults_own():
    """A leak in a worker: whoever stops the worker has touched nothing healthy, though the fault started its parent."""
    worker = decision(entity="process:31:900", failure=Failure.MEMORY_LEAK)
    own = {"target": "process:30:899", "failure": "unknown", "decisions": [worker]}
    assert judge(evidence(**own, with_it=["process:31:900"])).touched_healthy is False
    assert judge(evidence(**own)).touched_healthy is True


def test_restarted_bystander_is_a_touched_healthy_thing():
    """A service that is another process than before counts, whoever restarted it."""
    run = judge(evidence(touched=["redis-server.service was restarted"]))
    assert (run.touched_healthy, run.touched) == (True, ["redis-server.service was restarted"])


def test_refused_repair_touched_nothing():
    """A repair that orderd-exec refused to run is not held against the host."""
    refused = decision(entity="unit:redis-server.service", outcome=RepairOutcome.REFUSED, state=IncidentState.ESCALATED, n=2)
    assert judge(evidence(decisions=[decision(), refused])).touched_healthy is False


def test_decoy_that_is_left_alone():
    """Waiting is right for a decoy; so is not noticing it."""
    waited = decision(action=Action.WAIT, state=IncidentState.CLOSED)
    assert judge(evidence(decoy=True, decisions=[waited])).outcome == "left_alone"
    assert judge(evidence(decoy=True, decisions=[])).outcome == "left_alone"


def test_decoy_that_is_repaired_fails_and_was_healthy():
    """A repair of a decoy is a failure and touches something healthy."""
    run = judge(evidence(decoy=True))
    assert (run.outcome, run.touched_healthy) == ("failed", True)


def test_telling_decision_is_the_cure():
    """After a first repair that did not help, diagnosis and times of repair are those of the one that did."""
    first = decision(outcome=RepairOutcome.FAILED, state=IncidentState.DIAGNOSED)
    cure = decision(n=2, at_s=13.0)
    run = judge(evidence(decisions=[first, cure], healthy_ns=14 * NS_PER_S))
    assert run.outcome == "repaired"
    assert (run.seconds.detected, run.seconds.decided) == (0.05, 3.0)


def test_incident_is_open_until_its_newest_decision_ends():
    """Only the newest decision of an incident tells whether it is over."""
    over = decision(state=IncidentState.DIAGNOSED), decision(n=2, at_s=12)
    assert open_incidents(over) == 0
    assert open_incidents(over[::-1]) == 1


def test_earlier_word_about_something_else_is_not_the_detection():
    """A decision about another failure of the target, made before the fault landed, does not date the detection."""
    noise = decision(action=Action.WAIT, failure=Failure.SERVICE_HUNG, state=IncidentState.CLOSED, at_s=7.0)
    assert judge(evidence(decisions=[noise, decision(n=2)])).seconds.detected == 0.05


def test_orderd_may_hear_of_it_before_the_last_good_answer_arrives():
    """A detection some milliseconds before the landing as probed counts as at once, not as a negative time."""
    assert judge(evidence(decisions=[decision(at_s=10.01)])).seconds.detected == 0.0


def test_what_has_no_name_and_was_not_noticed_is_not_seen():
    """A fault without a name that orderd did not notice is no failure of a known class, and no success either."""
    run = judge(evidence(failure="unknown", curable=False, decisions=[]))
    assert (run.outcome, run.landed, run.right_end) == ("not_seen", True, "escalated")
    assert run.reason


def test_a_known_failure_that_was_not_noticed_is_a_failure():
    """Not noticing what has a name is never excused."""
    assert judge(evidence(decisions=[])).outcome == "failed"


def test_a_person_is_the_right_end_where_no_repair_is():
    """What nobody can repair and a person was called for says that this was right; a curable one does not."""
    called = decision(action=Action.ESCALATE, state=IncidentState.ESCALATED)
    assert judge(evidence(curable=False, decisions=[called], healthy_ns=None)).right_end == "escalated"
    assert not judge(evidence(decisions=[called], healthy_ns=None)).right_end


def test_decisions_about_another_fault_are_not_this_ones():
    """Of two faults at once each run hears only what was not about the other one."""
    redis = decision(entity="unit:redis-server.service", n=2)
    assert about([decision(), redis], ["unit:redis-server.service"]) == [decision()]
