"""Earned autonomy: granted and withdrawn by the stated numbers, overruled by a person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards_desk import DOWN, Host, at, config
from orderd.config.schema import AutonomyConfig
from orderd.decision.facts import Ending
from orderd.decision.guard import rule
from orderd.decision.kept import KeptInMemory, Saver
from orderd.decision.scorecard import Overrule, Scorecard, wilson_lower
from orderd.domain.faults import Failure
from orderd.domain.standing import Authority
from orderd.domain.values import Action, Mode, Reason

LIMITS = AutonomyConfig()
KEY = (Failure.SERVICE_DOWN, "service_start")


def card(limits=LIMITS):
    return Scorecard(limits, Saver(KeptInMemory()), {}, {})


def after(outcomes, limits=LIMITS):
    scores = card(limits)
    for right in outcomes:
        scores.outcome(*KEY, right=right)
    return scores.score(*KEY)


@pytest.mark.parametrize(
    ("right", "count", "lower"), [(0, 0, 0.0), (10, 10, 0.7225), (9, 10, 0.5958), (19, 20, 0.7639), (0, 10, 0.0), (1, 1, 0.2065)]
)
def test_the_lower_end_is_wilsons(right, count, lower):
    """Against values from the published formula."""
    assert wilson_lower(right, count) == pytest.approx(lower, abs=1e-4)


def test_ten_right_ones_in_a_row_earn_authority():
    """Nine do not: the stated number is ten."""
    assert after([True] * 9).authority is Authority.SHADOW
    assert after([True] * 10).authority is Authority.EARNED


def test_one_wrong_one_early_has_to_be_made_up_for():
    """Nine of ten have a lower end of 0.60; the bar is 0.70."""
    assert after([False] + [True] * 9).authority is Authority.SHADOW
    assert after([False] + [True] * 14).authority is Authority.EARNED


def test_the_second_wrong_one_withdraws_it():
    """One is a chance event, two are a pattern; the words say so."""
    assert after([True] * 10 + [False]).authority is Authority.EARNED
    lost = after([True] * 10 + [False, False])
    assert (lost.authority, "2 wrong" in lost.why) == (Authority.WITHDRAWN, True)


def test_what_was_withdrawn_is_earned_again_by_the_same_numbers():
    """Once the wrong ones have left the window."""
    assert after([True] * 10 + [False, False] + [True] * 18).authority is Authority.WITHDRAWN
    assert after([True] * 10 + [False, False] + [True] * 19).authority is Authority.EARNED


@given(st.lists(st.booleans(), max_size=120))
def test_no_authority_with_as_many_wrong_ones_as_withdraw_it(outcomes):
    """Whatever the order, the newest window decides, and it is bounded."""
    score = after(outcomes)
    wrong = LIMITS.window - sum(score.recent) - (LIMITS.window - len(score.recent))
    assert len(score.recent) <= LIMITS.window
    assert score.right + score.wrong == len(outcomes)
    if score.authority is Authority.EARNED:
        assert wrong < LIMITS.wrong_max
        assert len(outcomes) >= LIMITS.outcomes_min


@pytest.mark.parametrize(
    ("ending", "right", "wrong"),
    [
        (Ending.VERIFIED, 1, 0),
        (Ending.UNVERIFIED, 0, 1),
        (Ending.COLLATERAL, 0, 1),
        (Ending.VOID, 0, 0),
        (Ending.INTERRUPTED, 0, 0),
    ],
)
def test_outcomes_are_counted_as_verification_saw_them(ending, right, wrong):
    """Verified with a side effect is wrong; what nobody judged is nothing."""
    host = Host()
    host.repair(ending)
    found = [(s.right, s.wrong) for s, _ in host.memory.scorecard()]
    assert found == ([(right, wrong)] if right + wrong else [])


def test_what_a_person_ran_by_hand_does_not_count():
    """It says nothing about orderd's own judgement."""
    host = Host()
    host.repair(Ending.VERIFIED, by_hand=True)
    assert host.memory.scorecard() == ()


def test_a_rejection_counts_as_wrong():
    """A person said that it should not run."""
    host = Host(settings=config(mode="approve"))
    waiting = host.decision(action=Action.WAIT, reason=Reason.MODE_APPROVE)
    host.memory.ask(waiting, "service_start", host.now)
    host.memory.answer(waiting.decision_id, yes=False, why="no", by="alice", now=host.now)
    assert [(s.right, s.wrong) for s, _ in host.memory.scorecard()] == [(0, 1)]


@pytest.mark.parametrize(
    ("good", "counted", "outcomes"), [(True, None, (1, 0)), (False, None, (0, 1)), (False, True, (0, 1)), (True, True, None)]
)
def test_a_rating_counts_unless_the_same_counts_already(good, counted, outcomes):
    """A verified repair that a person calls good was right once, not twice."""
    host = Host()
    host.memory.rated(*KEY, good=good, counted=counted)
    assert [(s.right, s.wrong) for s, _ in host.memory.scorecard()] == ([outcomes] if outcomes else [])


def test_in_mode_earned_the_tenth_right_one_lets_the_next_run_and_two_wrong_ones_stop_it():
    """The whole way through memory, facts and guard, told to people at each turn."""
    host = Host(settings=config(mode="earned", repairs_per_target_per_hour=1000, masking={"repairs": 100}))
    start = host.repairs["service_start"]
    ruled = []
    for ending in [Ending.VERIFIED] * 10 + [Ending.UNVERIFIED, Ending.VERIFIED, Ending.UNVERIFIED]:
        host.second += 60
        ruled.append(rule(host.facts(), start).reason)
        _, aftermath = host.repair(ending)
    assert ruled == [Reason.NOT_EARNED] * 10 + [Reason.ALLOWED] * 3
    assert aftermath.withdrawn is not None
    host.second += 60
    assert rule(host.facts(), start).reason is Reason.NOT_EARNED


def word(authority):
    return Overrule(failure=KEY[0], repair=KEY[1], authority=authority, why="I watched it", by="bob", at=at())


def test_a_person_stands_above_the_numbers_until_giving_them_back_their_word():
    """Grant, deny, and None."""
    host = Host(settings=config(mode="earned"))
    key = {"failure": KEY[0], "repair": KEY[1]}
    score, mode = host.memory.set_authority(word(Authority.GRANTED_BY_PERSON), **key)
    assert (score.authority, mode, "bob" in score.why) == (Authority.GRANTED_BY_PERSON, Mode.EARNED, True)
    assert rule(host.facts(), host.repairs[KEY[1]]).allowed
    host.restart()
    assert rule(host.facts(), host.repairs[KEY[1]]).allowed
    host.memory.set_authority(word(Authority.DENIED_BY_PERSON), **key)
    assert rule(host.facts(), host.repairs[KEY[1]]).reason is Reason.NOT_EARNED
    score, _ = host.memory.set_authority(None, **key)
    assert score.authority is Authority.SHADOW


def test_a_trial_run_of_an_overrule_changes_nothing():
    """validate_only answers what it would be."""
    host = Host()
    score, _ = host.memory.set_authority(word(Authority.GRANTED_BY_PERSON), failure=KEY[0], repair=KEY[1], validate_only=True)
    assert (score.authority, host.memory.scorecard()) == (Authority.GRANTED_BY_PERSON, ())


def test_only_a_persons_authority_can_be_set_and_only_for_what_is_catalogued():
    """Nobody declares a playbook to have earned what it has not."""
    memory = Host().memory
    with pytest.raises(ValueError, match="granted_by_person"):
        memory.set_authority(word(Authority.EARNED), failure=KEY[0], repair=KEY[1])
    with pytest.raises(LookupError):
        memory.set_authority(word(Authority.GRANTED_BY_PERSON), failure=Failure.DISK_FULL, repair=KEY[1])


def test_the_scorecard_survives_a_restart():
    """With its numbers, its newest outcomes and its authority."""
    host = Host()
    for _ in range(3):
        host.repair(Ending.VERIFIED)
    before = host.memory.scorecard()
    host.restart()
    assert host.memory.scorecard() == before


def test_a_score_is_in_the_facts_of_the_next_decision():
    """So that the record shows by what authority a repair ran."""
    host = Host()
    host.repair(Ending.VERIFIED)
    assert "1 of the last 1 right" in host.facts(DOWN).permit("service_start").why
