"""The whole loop on a fake host, with the real catalogue."""

from fakes import DATA, DOWN, FULL, HUNG, MASKED, NGINX, REDIS, ROOMY, RUNNING
from orderd.domain.clock import Instant
from orderd.domain.faults import FAILURES, Entity, Failure
from orderd.domain.values import Action, Hold, IncidentState, Reason, Scores, Source
from orderd.errors import JournalError


def cure(scene, entity, state):
    return lambda: scene.host.state.__setitem__(entity, dict(state))


async def test_a_stopped_service_is_started_verified_and_resolved(scene):
    """One failure, one decision, one playbook, one terminal state."""
    await scene.ticks(3)
    scene.host.state[NGINX] = dict(DOWN)
    scene.executor.cures["service_start"] = cure(scene, NGINX, RUNNING)
    await scene.ticks(12)
    assert scene.playbooks == ["service_start"]
    assert scene.states() == [IncidentState.RESOLVED]
    assert [s.what for s in next(iter(scene.journal.records.values())).steps] == ["intent", "started", "finished", "verified"]


async def test_the_intent_is_durable_before_the_executor_is_asked(scene):
    """Nothing is touched that is not in the journal."""
    seen = []
    scene.executor.before_run = lambda request: seen.append(request.repair_id in scene.journal.records)
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    assert seen == [True]


async def test_no_repair_runs_while_the_journal_cannot_be_written(scene):
    """A journal that fails means: watch on, touch nothing, say so."""
    scene.journal.error = JournalError("disk full")
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(4)
    assert scene.playbooks == []
    assert scene.loop.journal_error == "disk full"
    scene.journal.error = None
    await scene.ticks(2)
    assert scene.playbooks == ["service_start"]
    assert scene.loop.journal_error == ""


async def test_a_repair_that_does_not_help_is_followed_by_a_person(scene):
    """The ladder has one rung for a stopped service: then it is escalated, once."""
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(80)
    assert scene.playbooks == ["service_start"]
    assert scene.decisions[-1].action is Action.ESCALATE
    assert scene.decisions[-1].reason is Reason.LADDER_EXHAUSTED
    assert scene.states()[-1] is IncidentState.ESCALATED
    assert len(scene.decisions) == 2


async def test_an_undo_follows_a_repair_that_did_not_help(scene):
    """restore_dropins has an undo: it runs when the service stays down."""
    broken = DOWN | {"unit_dropins_changed_ratio": 1.0, "unit_result_exit_ratio": 1.0}
    scene.host.state[NGINX] = dict(broken)
    await scene.ticks(60)
    modes = [(r.playbook, str(r.mode)) for r in scene.executor.requests]
    assert ("service_restore_dropins_and_start", "apply") in modes
    assert ("service_restore_dropins_and_start", "undo") in modes


async def test_a_held_service_is_left_alone_and_the_reason_recorded(scene):
    """A planned restart that was announced: decided to wait, once, and closed when it is over."""
    now = scene.clock.now()
    scene.loop.memory.hold(Hold(entity=NGINX, why="upgrade", by="root", at=now, until=now.mono_ns + 10**11))
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(6)
    scene.host.state[NGINX] = dict(RUNNING)
    await scene.ticks(12)
    assert scene.playbooks == []
    assert [(d.action, d.reason) for d in scene.decisions] == [(Action.WAIT, Reason.HELD)]
    assert scene.states() == [IncidentState.CLOSED]


async def test_observe_mode_decides_and_touches_nothing(observing):
    """The default of a new host."""
    observing.host.state[NGINX] = dict(MASKED)
    await observing.ticks(10)
    assert observing.playbooks == []
    assert [d.reason for d in observing.decisions] == [Reason.MODE_OBSERVE]


async def test_a_service_that_hangs_because_its_disk_is_full_waits_for_the_disk(scene):
    """Causes before consequences: the healthy service is not touched."""
    scene.host.state[DATA] = dict(FULL)
    scene.host.state[REDIS] = RUNNING | {"probe_ok_ratio": 0.0}
    freed = cure(scene, DATA, ROOMY)

    def both():
        freed()
        scene.host.state[REDIS] = dict(RUNNING)

    scene.executor.cures["disk_reclaim_log_space"] = both
    await scene.ticks(40)
    assert scene.playbooks == ["disk_reclaim_log_space"]


async def test_a_second_failure_waits_until_the_first_playbook_has_ended(scene):
    """One repair at a time on a host."""
    scene.host.state[NGINX] = dict(DOWN)
    scene.host.state[REDIS] = dict(DOWN)
    running = []
    scene.executor.before_run = lambda request: running.append(len(scene.executor.requests))
    scene.executor.cures["service_start"] = lambda: (
        cure(scene, NGINX, RUNNING)() if len(running) == 1 else cure(scene, REDIS, RUNNING)()
    )
    await scene.ticks(30)
    assert scene.playbooks == ["service_start", "service_start"]
    assert sorted(str(r.target) for r in scene.executor.requests) == [str(NGINX), str(REDIS)]


async def test_a_unit_systemd_is_working_on_is_left_to_systemd(scene):
    """A restart by hand passes through inactive; it is no failure."""
    scene.host.state[NGINX] = DOWN | {
        "unit_transition_ratio": 1.0,
        "unit_result_exit_ratio": 1.0,
        "unit_dropins_changed_ratio": 0.0,
    }
    await scene.ticks(4)
    assert scene.playbooks == []


def scores(entity, failure, probability):
    def answer(window):
        rows = []
        for e in window.entities:
            row = [0.0] * len(FAILURES)
            if e == entity:
                row[FAILURES.index(failure)] = probability
            row[0] = 1 - sum(row)
            rows.append(tuple(row))
        return Scores(failures=tuple(rows), wrong=probability)

    return answer


async def test_a_confident_model_decides_and_the_record_says_so(scene):
    """Source is the model's when it is sure; the rules' word is kept beside it."""
    scene.model.scores = scores(NGINX, Failure.SERVICE_HUNG, 0.97)
    scene.host.state[NGINX] = dict(HUNG)
    await scene.ticks(1)
    assert scene.decisions[0].diagnosis.source is Source.MODEL
    assert scene.decisions[0].other_diagnosis.source is Source.RULES
    assert scene.playbooks == ["service_kill_and_restart"]


async def test_an_unsure_model_leaves_the_decision_to_the_rules(scene):
    """Below confidence_min the floor decides."""
    scene.model.scores = scores(NGINX, Failure.SERVICE_DOWN, 0.6)
    scene.host.state[NGINX] = dict(HUNG)
    await scene.ticks(1)
    assert scene.decisions[0].diagnosis.source is Source.RULES
    assert scene.decisions[0].diagnosis.failure is Failure.SERVICE_HUNG


async def test_a_model_that_calls_a_healthy_service_down_never_restarts_it(scene):
    """What cannot be is not even told: the unit is active."""
    scene.model.scores = scores(REDIS, Failure.SERVICE_DOWN, 1.0)
    await scene.ticks(40, step_s=1.0)
    assert scene.playbooks == []
    assert scene.decisions == []


async def test_a_model_that_calls_a_slow_service_hung_never_restarts_it(scene):
    """Preconditions are facts: a wrong model finds no usable repair, waits, and asks a person once."""
    scene.model.scores = scores(REDIS, Failure.SERVICE_HUNG, 1.0)
    scene.host.state[REDIS] = RUNNING | {"probe_latency_s": 0.15}
    await scene.ticks(40, step_s=1.0)
    assert scene.playbooks == []
    assert [(d.action, d.reason) for d in scene.decisions] == [
        (Action.WAIT, Reason.NOT_YET),
        (Action.ESCALATE, Reason.NO_CANDIDATE),
    ]


async def test_a_failure_the_model_sees_coming_is_repaired_when_it_is_there(scene):
    """A disk that fills is diagnosed early; the repair runs once its precondition holds."""
    scene.model.scores = scores(DATA, Failure.DISK_FULL, 1.0)
    scene.host.state[DATA] = FULL | {"mount_used_ratio": 0.6}
    await scene.ticks(4)
    assert scene.playbooks == []
    scene.host.state[DATA] = dict(FULL)
    scene.executor.cures["disk_reclaim_log_space"] = cure(scene, DATA, ROOMY)
    await scene.ticks(2)
    assert scene.playbooks == ["disk_reclaim_log_space"]


async def test_one_odd_window_of_the_model_opens_nothing(scene):
    """A flicker shorter than MODEL_ALONE_S is ignored."""
    scene.model.scores = scores(REDIS, Failure.SERVICE_DOWN, 1.0)
    await scene.ticks(1)
    scene.model.scores = scores(REDIS, Failure.OK, 1.0)
    await scene.ticks(3)
    assert scene.decisions == []


async def test_names_that_fail_for_a_second_are_left_alone(scene):
    """By NAMES_S services show whether it is the names alone; then they are repaired."""
    resolver = Entity.parse("resolver:system")
    scene.host.state[resolver] = {"probe_ok_ratio": 0.0, "probe_latency_s": 0.001}
    await scene.ticks(2, step_s=0.7)
    scene.host.state[resolver] = {"probe_ok_ratio": 1.0, "probe_latency_s": 0.001}
    await scene.ticks(2, step_s=0.7)
    assert scene.decisions == []
    scene.host.state[resolver] = {"probe_ok_ratio": 0.0, "probe_latency_s": 0.001}
    await scene.ticks(5, step_s=0.7)
    assert scene.playbooks[:1] == ["resolver_restore"]


async def test_too_many_repairs_of_one_target_end_with_a_person(scene):
    """repairs_per_target_per_hour is a limit on the sum of all incidents."""
    scene.executor.cures["service_start"] = cure(scene, NGINX, RUNNING)
    for _ in range(5):
        scene.host.state[NGINX] = dict(DOWN)
        await scene.ticks(80, step_s=1.0)
        scene.host.state[NGINX] = dict(RUNNING)
        await scene.ticks(6, step_s=1.0)
    assert len(scene.playbooks) == 3
    assert scene.decisions[-1].reason is Reason.TARGET_RATE


def test_the_clock_of_records_is_not_the_clock_of_differences():
    """Differences come from the monotonic clock even when UTC jumps."""
    early, late = Instant(mono_ns=0, utc_ns=10**18), Instant(mono_ns=10**9, utc_ns=0)
    assert late.seconds_since(early) == 1.0


async def test_a_step_that_cannot_be_recorded_in_mid_repair_is_recorded_later(scene):
    """A journal that fails while a playbook runs loses no step, and the repair is judged all the same."""
    scene.host.state[NGINX] = dict(DOWN)
    scene.executor.before_run = lambda _request: setattr(scene.journal, "error", JournalError("disk full"))
    scene.executor.cures["service_start"] = cure(scene, NGINX, RUNNING)
    await scene.ticks(8)
    assert scene.loop.journal_error == "disk full"
    assert scene.states() == [IncidentState.REPAIRING]
    scene.journal.error = None
    await scene.ticks(12)
    assert scene.states() == [IncidentState.RESOLVED]
    assert [s.what for s in next(iter(scene.journal.records.values())).steps] == ["intent", "started", "finished", "verified"]
    assert scene.loop.journal_error == ""


async def test_a_defect_in_mid_repair_leaves_no_incident_stuck(scene):
    """Whatever breaks while a repair runs, the target is judged, the incident ends, and the next repair may start."""
    scene.host.state[NGINX] = dict(DOWN)
    scene.executor.before_run = lambda _request: {}["defect"]
    await scene.ticks(80)
    assert scene.states()[-1] is IncidentState.ESCALATED
    assert scene.loop.open_incidents == 0
    scene.executor.before_run = lambda _request: None
    scene.host.state[REDIS] = dict(DOWN)
    scene.executor.cures["service_start"] = cure(scene, REDIS, RUNNING)
    await scene.ticks(12)
    assert scene.states()[-1] is IncidentState.RESOLVED


async def test_a_repair_that_helped_while_the_journal_failed_is_resolved_when_it_is_back(scene):
    """The target was watched meanwhile: no verdict is lost, none is turned round, and the symptom was seen in time."""
    scene.host.state[NGINX] = dict(DOWN)
    scene.executor.cures["service_start"] = cure(scene, NGINX, RUNNING)
    scene.executor.before_run = lambda _request: setattr(scene.journal, "error", JournalError("disk full"))
    await scene.ticks(60)
    first_seen = scene.clock.now()
    scene.host.state[REDIS] = dict(DOWN)
    await scene.ticks(20)
    scene.journal.error = None
    scene.executor.before_run = lambda _request: None
    await scene.ticks(4)
    assert scene.journal.records[scene.decisions[0].decision_id].state is IncidentState.RESOLVED
    assert scene.decisions[1].detected_at.seconds_since(first_seen) <= 1.0
