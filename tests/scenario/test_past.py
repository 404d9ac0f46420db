"""Decisions explained and decided again, from what was recorded."""

import asyncio

import msgspec
import pytest

from fakes import DOWN, HUNG, NGINX, RUNNING
from orderd.config import Config
from orderd.domain.faults import FAILURES, Failure
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS
from orderd.domain.values import ModelInfo, Reason, Scores
from orderd.errors import InferenceError, StateError
from orderd.loop.replay import Bench, replay

ACTIVE = ENTITY_INDEX["unit_active_ratio"]
STOPPED = ENTITY_INDEX["unit_main_stopped_ratio"]


def reads_one_signal(window):
    """A model that calls a unit hung exactly when its processes are stopped."""
    rows = []
    for index, _entity in enumerate(window.entities):
        stopped = window.rows[index * 8 * len(ENTITY_SIGNALS) + STOPPED]
        row = [0.0] * len(FAILURES)
        row[FAILURES.index(Failure.SERVICE_HUNG)] = 0.97 if stopped >= 0.5 else 0.01
        row[0] = 1 - sum(row)
        rows.append(tuple(row))
    return Scores(failures=tuple(rows), wrong=0.9)


def loaded(scene, scores=reads_one_signal):
    scene.model.scores = scores
    scene.model.info = ModelInfo(loaded=True, version="7.1", provider="CPUExecutionProvider")


async def hung(scene, **signals):
    loaded(scene)
    scene.executor.cures["service_kill_and_restart"] = lambda: scene.host.state.__setitem__(NGINX, dict(RUNNING))
    scene.host.state[NGINX] = HUNG | signals
    await scene.ticks(12)
    return scene.decisions[0].decision_id


async def test_every_kind_of_decision_comes_out_the_same_when_nothing_changed(scene):
    """Repairs, waits, calls: replayed with the same model, catalogue and configuration, without any difference."""
    await hung(scene)
    scene.view.hold(NGINX, 30.0, "upgrade", "alice")
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(5)
    scene.view.release(NGINX, "alice")
    await scene.ticks(100)
    reasons = {*scene.reasons}
    assert {"allowed", "held", "ladder_exhausted"} <= reasons
    for decision in scene.decisions:
        again = await scene.view.replay(decision.decision_id)
        assert again.differences == (), decision.reason


async def test_another_model_decides_otherwise_and_the_difference_is_told(scene):
    """A model that sees a crash loop leaves it to another playbook, whose precondition does not hold."""
    decision_id = await hung(scene, unit_restarts_per_s=0.1)

    def another(window):
        rows = []
        for entity in window.entities:
            row = [1e-6] * len(FAILURES)
            row[FAILURES.index(Failure.SERVICE_CRASH_LOOP)] = 0.99 if entity == NGINX else 1e-6
            row[0] = 1 - sum(row[1:])
            rows.append(tuple(row))
        return Scores(failures=tuple(rows), wrong=1.0)

    loaded(scene, another)
    told = {d.field: (d.recorded, d.replayed) for d in (await scene.view.replay(decision_id)).differences}
    assert told["diagnosis.failure"] == ("service_hung", "service_crash_loop")
    assert told["action"][0] == "repair"
    assert told["action"][1] != "repair"


async def test_a_stricter_configuration_decides_otherwise(scene):
    """What happened stays; the limits are those of now."""
    decision_id = await hung(scene)
    record, evidence = scene.journal.get(decision_id), scene.journal.evidence(decision_id)
    config = msgspec.convert({"decision": {"mode": "approve"}}, Config)
    classify = scene.model.classify
    bench = Bench(classify=classify, info=scene.model.info, config=config, repairs=scene.repairs)
    again = await replay(record, evidence, bench)
    assert (again.replayed.action, again.replayed.reason) == ("wait", Reason.MODE_APPROVE)


async def test_by_hand_is_replayed_as_by_hand(observing):
    """A person's order stays one, whatever the mode says."""
    observing.host.state[NGINX] = dict(DOWN)
    await observing.ticks(2)
    decision_id = observing.view.run_repair("service_start", NGINX, "", "alice")
    again = await observing.view.replay(decision_id)
    assert (again.replayed.action, again.replayed.reason) == ("repair", Reason.BY_HAND)


async def test_an_explanation_names_the_signal_that_mattered(scene):
    """Occlusion: without it the model would not have said so; the others weigh nothing."""
    decision_id = await hung(scene)
    told = await scene.view.explain(decision_id, 3)
    assert len(told.signals) == 3
    assert (told.signals[0].entity, told.signals[0].signal) == (NGINX, "unit_main_stopped_ratio")
    assert told.signals[0].probability_without == pytest.approx(0.01)
    assert told.probability == pytest.approx(0.97)
    assert told.signals[1].probability_without == pytest.approx(0.97)
    assert told.model_version == "7.1"
    text = " ".join(told.sentences)
    assert "service_hung of unit:nginx.service" in text
    assert "Decided to repair it with service_kill_and_restart" in text
    assert "verified" in text


async def test_an_explanation_says_why_not_each_other_candidate(scene):
    """Every catalogued repair for it that was not chosen, with its reason."""
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(60)
    last = scene.decisions[-1]
    told = await scene.view.explain(last.decision_id, 8)
    assert any(s.startswith("Not service_start") and "already tried" in s for s in told.sentences)


async def test_a_decision_by_rules_is_explained_by_rules_alone(scene):
    """No model is asked: the network and the model may be down."""
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    told = await scene.view.explain(scene.decisions[0].decision_id, 8)
    assert {w.signal for w in told.signals} >= {"unit_active_ratio"}
    assert all(w.probability_without == 0.0 for w in told.signals)
    assert told.model_version == ""


async def test_without_a_model_the_sentences_say_so(scene):
    """What the record holds is told all the same."""
    decision_id = await hung(scene)
    scene.model.scores = None
    told = await scene.view.explain(decision_id, 8)
    assert told.signals == ()
    assert "no model answers" in told.sentences[-1]


async def test_evidence_that_was_dropped_is_said(scene):
    """A stable code, not a guess."""
    decision_id = await hung(scene)
    scene.journal.evidences[decision_id] = None
    for ask in (scene.view.explain(decision_id, 8), scene.view.replay(decision_id)):
        with pytest.raises(StateError) as refused:
            await ask
        assert refused.value.reason == "evidence_dropped"
    with pytest.raises(LookupError):
        await scene.view.replay("d-nothing")


async def test_an_explanation_asks_one_question_at_a_time(scene):
    """Ticks find the model with at most one question of an explanation before theirs, and too many explanations are refused."""
    decision_id = await hung(scene)
    asked = {"now": 0, "most": 0}

    async def slow(window):
        asked["now"] += 1
        asked["most"] = max(asked["most"], asked["now"])
        await asyncio.sleep(0)
        asked["now"] -= 1
        return reads_one_signal(window)

    scene.model.classify = slow
    results = await asyncio.gather(*(scene.view.explain(decision_id, 3) for _ in range(6)), return_exceptions=True)
    assert asked["most"] == 1
    assert sorted(type(r).__name__ for r in results) == ["Explanation"] * 4 + ["StateError"] * 2


async def test_a_model_that_is_behind_is_asked_again(scene):
    """A tick came first: the question is repeated, not given up."""
    decision_id = await hung(scene)
    failures = iter([True, True])

    async def sometimes(window):
        if next(failures, False):
            raise InferenceError("behind")
        return reads_one_signal(window)

    scene.model.classify = sometimes
    assert (await scene.view.explain(decision_id, 1)).signals
