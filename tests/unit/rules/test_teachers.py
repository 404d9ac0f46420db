"""Who is asked, and what becomes of the answers."""

import numpy as np
import pytest
import torch

from orderd.catalogue import load_repairs
from orderd.diagnosis.model import by_model
from orderd.domain.faults import KINDS, EntityKind, Failure
from orderd.domain.values import Scores
from orderd.inference.manifest import read_package
from orderd.inference.session import Model
from ordertrainer.imitation.views import window_of
from ordertrainer.nets.policy import PolicyNet, PolicyShape
from ordertrainer.rules.cli import CURRENT
from ordertrainer.rules.rule import PERSON
from ordertrainer.rules.teachers import ELSEWHERE, FAILURES_NAMED, OrderdsRules, OrderModel, Policy
from ordertrainer.rules.windows import take
from ordertrainer.sim.catalogue import PLAYBOOKS


def hush(_share):
    """Want to know nothing."""


@pytest.fixture(scope="module")
def few(examples):
    """Return some windows of all kinds of trouble."""
    return take(examples, np.arange(len(examples)) % 23 == 0)


@pytest.fixture(scope="module")
def policy(playbooks):
    """Return a policy that was never trained: what it says follows from contracts alone."""
    torch.manual_seed(0)
    return Policy(PolicyNet(PolicyShape(width=16, hidden=16, layers=1, heads=2)).eval(), playbooks)


def test_a_model_says_what_orderd_would_take_from_it(few):
    """Not its likeliest class: what orderd's own code makes of its probabilities."""
    model = Model(read_package(CURRENT), provider="cpu")
    said = OrderModel(model, 0.8).ask(few, hush)
    assert ((said == ELSEWHERE) == ~few.present).all()
    named = 0
    for number in range(len(few)):
        window = window_of(few, number)
        answer = model.classify(window.kinds.tobytes(), window.host.tobytes(), window.rows.tobytes())
        scores = Scores(failures=tuple(map(tuple, answer.failure.tolist())), wrong=answer.wrong)
        sure = {d.entity: d.failure for d in by_model(window, scores) if d.probability >= 0.8}
        here = said[number][few.present[number]]
        assert [FAILURES_NAMED[place] for place in here] == [sure.get(entity, Failure.OK) for entity in window.entities]
        named += len(sure)
    assert named > 10
    assert not (OrderModel(model, 1.1).ask(few, hush) > 0).any()


def test_the_rules_speak_the_words_of_who_they_are_held_against(few):
    """As failures, or as the repair that the contracts put first."""
    repairs = load_repairs(PLAYBOOKS / "repairs").repairs
    as_failures = OrderdsRules(FAILURES_NAMED, repairs).ask(few, hush)
    words = ("wait", *repairs, PERSON)
    as_repairs = OrderdsRules(words, repairs).ask(few, hush)
    pairs = {
        (FAILURES_NAMED[failure], words[repair])
        for failure, repair in zip(as_failures[few.present], as_repairs[few.present], strict=True)
    }
    assert ("service_masked", "service_unmask_and_start") in pairs
    assert ("clock_stepped", PERSON) in pairs
    assert ("ok", "wait") in pairs
    assert all((failure == "ok") == (repair == "wait") for failure, repair in pairs)


def test_a_policy_is_asked_about_one_entity_at_a_time(policy, playbooks, few):
    """Only of repairs that may be tried there, and never for what it takes to be in order."""
    said = policy.ask(few, hush)
    assert ((said == ELSEWHERE) == ~few.present).all()
    assert (said >= 0).any()
    for number, entity in np.argwhere((said > 0) & (said < len(policy.says) - 1)):
        repair = playbooks.repairs[policy.says[said[number, entity]]]
        assert repair.target is KINDS[few.kind[number, entity]]
        assert repair.preconditions.holds(tuple(few.rows[number, entity, 0].tolist()))


def test_what_a_policy_says_of_an_entity_does_not_depend_on_what_it_may_do_to_others(policy, few):
    """Two masked services each get an answer, although a policy does one thing after another."""
    masked = take(few, (few.fault == str(Failure.SERVICE_MASKED)) & (few.wrong > 0))
    units = masked.kind == KINDS.index(EntityKind.UNIT)
    rows = masked.rows.copy()
    ill = rows[masked.failure > 0][0]
    rows[units & masked.present] = ill
    twice = type(masked)(**{f: getattr(masked, f) for f in masked.__slots__} | {"rows": rows})
    said = policy.ask(twice, hush)
    counts = [len(row[there]) for row, there in zip(said, units & masked.present, strict=True)]
    assert max(counts) > 1
    assert all(len(set(row[there])) == 1 for row, there in zip(said, units & masked.present, strict=True))


def test_a_call_is_made_for_what_the_policy_takes_for_ill(policy):
    """Not for everything else that is on the host."""
    wait = policy._playbooks.world.no_repair
    chosen = torch.tensor([[wait + 2, wait + 2, wait, 0]])
    answers = policy._in_words(chosen, torch.tensor([[0.1, 0.9, 0.1, 0.9]]))
    assert [policy.says[place] for place in answers[0]] == [PERSON, "wait", "wait", policy.says[1]]


def test_missing_signals_are_no_answer(few):
    """A window of nothing but missing values: whoever is asked says something of each entity there is, and breaks nothing."""
    rows = np.full_like(few.rows, np.nan)
    blank = type(few)(**{f: getattr(few, f) for f in few.__slots__} | {"rows": rows})
    said = OrderdsRules(FAILURES_NAMED, {}).ask(blank, hush)
    assert set(np.unique(said[few.present])) <= {0, FAILURES_NAMED.index("mount_missing")}
