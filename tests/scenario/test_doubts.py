"""When nobody can name what is wrong: a person, never a repair."""

from fakes import DOWN, NGINX, REDIS, RUNNING
from orderd.domain.faults import FAILURES, Failure
from orderd.domain.values import IncidentState, Reason, Scores, Source


def says(entity=None, failure=Failure.OK, probability=0.0, *, ok=1.0, wrong=0.0):
    """Return a model that gives one entity one probability and the others ``ok``."""

    def answer(window):
        rows = []
        for e in window.entities:
            row = [0.0] * len(FAILURES)
            if e == entity:
                row[FAILURES.index(failure)] += probability
            else:
                row[1] += 1.0 - ok
            row[0] += 1.0 - sum(row)
            rows.append(tuple(row))
        return Scores(failures=tuple(rows), wrong=wrong)

    return answer


async def test_a_failure_nobody_can_name_calls_a_person_once(scene):
    """P(anything wrong) stands for decision.unknown_s: one incident, reason unknown_failure, nothing is touched."""
    scene.model.scores = says(REDIS, Failure.SERVICE_HUNG, 0.4, ok=0.98, wrong=0.99)
    await scene.ticks(40, step_s=1.0)
    assert scene.playbooks == []
    assert scene.reasons == ["unknown_failure"]
    decision = scene.decisions[0]
    assert (decision.diagnosis.failure, decision.diagnosis.entity) == (Failure.UNKNOWN, REDIS)
    assert [event for event, _ in scene.sink.said] == ["escalated"]


async def test_a_short_doubt_calls_nobody(scene):
    """Less than decision.unknown_s is nothing."""
    for _ in range(5):
        scene.model.scores = says(wrong=0.99)
        await scene.ticks(15, step_s=1.0)
        scene.model.scores = says(wrong=0.1)
        await scene.ticks(2, step_s=1.0)
    assert scene.decisions == []


async def test_a_doubt_below_the_limit_calls_nobody(scene):
    """decision.unknown_min is a limit."""
    scene.model.scores = says(wrong=0.94)
    await scene.ticks(60, step_s=1.0)
    assert scene.decisions == []


async def test_the_worst_entity_that_changes_every_second_is_one_incident(scene):
    """The subject stays the same while the trouble stands."""
    for count in range(60):
        scene.model.scores = says((NGINX, REDIS)[count % 2], Failure.SERVICE_HUNG, 0.4, ok=0.99, wrong=0.99)
        await scene.ticks(1, step_s=1.0)
    assert scene.reasons == ["unknown_failure"]


async def test_a_diagnosis_too_unsure_to_act_on_calls_a_person(scene):
    """Below confidence_min for decision.unknown_s, and the rules see nothing: low_confidence, no repair."""
    scene.model.scores = says(REDIS, Failure.SERVICE_HUNG, 0.7, wrong=0.9)
    scene.host.state[REDIS] = RUNNING | {"probe_latency_s": 0.15}
    await scene.ticks(40, step_s=1.0)
    assert scene.playbooks == []
    assert scene.reasons == ["low_confidence"]
    assert scene.decisions[0].diagnosis.failure is Failure.SERVICE_HUNG


async def test_a_host_that_was_just_repaired_is_not_doubted(scene):
    """The window still shows what was: no false alarm after a repair."""
    scene.executor.cures["service_start"] = lambda: scene.host.state.__setitem__(NGINX, dict(RUNNING))
    scene.host.state[NGINX] = dict(DOWN)
    scene.model.scores = says(wrong=0.99)
    await scene.ticks(50, step_s=1.0)
    assert scene.playbooks == ["service_start"]
    assert "unknown_failure" not in scene.reasons


async def test_what_gets_a_name_later_is_repaired(scene):
    """The rules name what a person was called for: a new incident, its repair, and no alert that stands for ever."""
    scene.model.scores = says(NGINX, Failure.SERVICE_HUNG, 0.4, ok=0.99, wrong=0.99)
    await scene.ticks(30, step_s=1.0)
    assert scene.reasons == ["unknown_failure"]
    scene.executor.cures["service_start"] = lambda: scene.host.state.__setitem__(NGINX, dict(RUNNING))
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(10, step_s=0.5)
    assert scene.playbooks == ["service_start"]
    assert scene.decisions[-1].reason is Reason.ALLOWED
    assert scene.states()[-1] is IncidentState.RESOLVED
    assert scene.decisions[0].incident_id in scene.sink.resolved


BLOCKED = {"process_count": 120.0, "process_blocked_ratio": 0.2}


async def test_a_host_plainly_in_trouble_calls_a_person_whatever_the_model_says(scene):
    """24 processes that cannot be interrupted, for 16 s: one incident on the host, no repair, with a model that sees nothing."""
    scene.model.scores = says()
    scene.host.load = BLOCKED
    await scene.ticks(15, step_s=1.0)
    assert scene.decisions == []
    await scene.ticks(5, step_s=1.0)
    scene.model.scores = says(REDIS, Failure.SERVICE_HUNG, 0.4, ok=0.98, wrong=0.99)  # who is sure later calls nobody again
    await scene.ticks(60, step_s=1.0)
    assert scene.playbooks == []
    assert scene.reasons == ["unknown_failure"]
    said = scene.decisions[0].diagnosis
    assert (said.failure, str(said.entity), said.source) == (Failure.UNKNOWN, "host:system", Source.RULES)
    assert "24 processes wait" in said.evidence


async def test_a_host_in_trouble_that_had_a_name_is_not_doubted(scene):
    """What waits because a service is down goes with it: it must stand for its time without any name."""
    scene.executor.cures["service_start"] = lambda: scene.host.state.__setitem__(NGINX, dict(RUNNING))
    scene.host.load = BLOCKED
    await scene.ticks(10, step_s=1.0)
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(12, step_s=1.0)
    assert scene.playbooks == ["service_start"]
    assert scene.reasons == ["allowed"]
    await scene.ticks(20, step_s=1.0)
    assert scene.reasons == ["allowed", "unknown_failure"]


async def test_without_a_model_nothing_is_doubted(scene):
    """Rules see plain facts or nothing."""
    await scene.ticks(60, step_s=1.0)
    assert scene.decisions == []
