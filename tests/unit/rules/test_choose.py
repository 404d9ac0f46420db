"""A short list out of many branches."""

import numpy as np
import pytest

from orderd.domain.faults import EntityKind
from orderd.domain.repairs import Op
from ordertrainer.rules.choose import Budget, distilled, seen_by_trees, shortened
from ordertrainer.rules.rule import Clause, Rule, answers, decided

UNIT = EntityKind.UNIT
MASKED, DOWN, SLOW = 2, 1, 3


@pytest.fixture
def taught(units):
    """Return 900 units, and what somebody says of them whose rules are known; one in fifty answers is wrong."""
    rng = np.random.default_rng(8)
    active, masked = rng.random(900) < 0.7, rng.random(900) < 0.3
    latency = np.where(active, rng.choice([0.01, 0.02, 0.6, 0.9], 900), np.nan)
    said = np.where(masked & ~active, MASKED, np.where(~active, DOWN, np.where(latency > 0.5, SLOW, 0)))
    wrong = rng.random(900) < 0.02
    facts = units(
        unit_active_ratio=active.astype(float),
        unit_masked_ratio=masked.astype(float),
        probe_latency_s=latency,
        pressure_io_ratio=rng.random(900),
        pressure_memory_ratio=rng.random(900),
    )
    return facts, np.where(wrong, 0, said), said


def test_known_rules_are_found_again(taught):
    """Three answers, three rules, and what was noise is in none of them."""
    facts, noisy, said = taught
    rules = distilled({UNIT: facts}, {UNIT: noisy}, seed=0, budget=Budget())
    assert (answers(rules, facts) == said).mean() > 0.995
    assert {rule.answer for rule in rules} == {MASKED, DOWN, SLOW}
    assert len(rules) <= 4
    assert {clause.signal for rule in rules for clause in rule.clauses} <= {
        "unit_active_ratio",
        "unit_masked_ratio",
        "probe_latency_s",
    }


def test_a_list_is_never_longer_than_allowed(taught):
    """The rules that say most come first."""
    facts, noisy, _ = taught
    rules = distilled({UNIT: facts}, {UNIT: noisy}, seed=0, budget=Budget(rules=1))
    assert len(rules) == 1
    assert rules[0].answer == SLOW


def test_a_rule_that_is_often_wrong_is_left_out(units):
    """A coin that falls on one side in seven of ten throws is no rule."""
    rng = np.random.default_rng(5)
    shown = rng.random(2000) < 0.3
    said = np.where(shown & (rng.random(2000) < 0.7), DOWN, 0)
    facts = units(unit_failed_ratio=shown.astype(float))
    assert distilled({UNIT: facts}, {UNIT: said}, seed=0, budget=Budget()) == []
    assert distilled({UNIT: facts}, {UNIT: said}, seed=0, budget=Budget(agrees_min=0.6)) != []


def test_a_comparison_that_says_nothing_is_dropped(units):
    """What every masked unit shows anyway is not asked for."""
    facts = units(unit_masked_ratio=[1.0] * 20 + [0.0] * 20, probe_latency_s=[0.1, 0.4] * 20)
    masked = Clause(signal="unit_masked_ratio", op=Op.GE, value=0.5, missing_holds=True)
    late = Clause(signal="probe_latency_s", op=Op.GE, value=0.2)
    rule = Rule(kind=UNIT, clauses=(late, masked), answer=MASKED)
    short = shortened(rule, facts, np.array([MASKED] * 20 + [0] * 20))
    assert short.clauses == (Clause(signal="unit_masked_ratio", op=Op.GE, value=0.5),)


def test_what_is_seldom_is_divided_like_everything_else(units):
    """Of three incidents of each answer two are for trees and one for choosing, whatever the seed; no incident is torn apart."""
    said = np.repeat([0, DOWN, MASKED, SLOW], [60, 6, 6, 6])
    facts = units(probe_latency_s=np.zeros(78), incident=np.arange(78) // 2)
    for seed in range(5):
        grows = seen_by_trees({UNIT: facts}, {UNIT: said}, seed)[UNIT]
        assert (grows[::2] == grows[1::2]).all()
        assert [int(grows[said == answer].sum()) for answer in (DOWN, MASKED, SLOW)] == [4, 4, 4]


def test_a_flag_is_a_better_reason_than_a_missing_signal(units):
    """What has no age does not run: that it does not run is what people want to read."""
    active = np.array([1.0] * 20 + [0.0] * 20)
    facts = units(unit_active_ratio=active, unit_active_s=np.where(active > 0, 900.0, np.nan))
    ageless = Clause(signal="unit_active_s", op=Op.GE, value=np.inf, missing_holds=True)
    short = shortened(Rule(kind=UNIT, clauses=(ageless,), answer=DOWN), facts, np.where(active > 0, 0, DOWN))
    assert short.clauses == (Clause(signal="unit_active_ratio", op=Op.LT, value=0.5),)


def test_the_first_rule_that_holds_decides(units):
    """Order matters."""
    facts = units(unit_masked_ratio=[1.0, 0.0, 1.0], unit_active_ratio=[0.0, 0.0, 1.0])
    masked = Rule(kind=UNIT, clauses=(Clause(signal="unit_masked_ratio", op=Op.GE, value=0.5),), answer=MASKED)
    down = Rule(kind=UNIT, clauses=(Clause(signal="unit_active_ratio", op=Op.LT, value=0.5),), answer=DOWN)
    assert answers([masked, down], facts).tolist() == [MASKED, DOWN, MASKED]
    assert answers([down, masked], facts).tolist() == [DOWN, DOWN, MASKED]
    assert decided([masked], facts).tolist() == [0, -1, 0]
