"""Branches of trees as rules."""

import math

import numpy as np
import pytest

from orderd.domain.repairs import Op
from ordertrainer.rules.grow import LEAVES, _fitted, _rules, grow, tightest
from ordertrainer.rules.rule import IN_ORDER, Clause


@pytest.fixture
def noisy(units):
    """Return units whose signals have few values, some of them missing, and answers that follow from three of them."""
    rng = np.random.default_rng(3)
    columns = {
        name: np.where(rng.random(600) < 0.15, np.nan, rng.integers(0, 11, 600) / 10)
        for name in ("probe_latency_s", "unit_restarts_per_s", "unit_main_stopped_ratio", "pressure_cpu_ratio")
    }
    latency, restarts = columns["probe_latency_s"], columns["unit_restarts_per_s"]
    said = np.where(np.isnan(latency), 3, np.where(latency >= 0.7, 1, np.where(restarts < 0.3, 2, 0)))
    return units(**columns), said


def test_the_rules_of_a_tree_say_what_the_tree_says(noisy):
    """On each entity at most one branch holds, and it ends as the tree does: rounding and missing signals change nothing."""
    facts, said = noisy
    from sklearn.tree import DecisionTreeClassifier

    rules = list(_rules(facts, said, _fitted(facts, said, LEAVES, 0)))
    tree = DecisionTreeClassifier(criterion="entropy", max_leaf_nodes=LEAVES, min_samples_leaf=6, random_state=0)
    predicted = tree.fit(facts.values, said).predict(facts.values)
    holds = np.stack([rule.hold(facts) for rule in rules])
    assert holds.sum(0).max() == 1
    answers = np.where(holds.any(0), np.array([rule.answer for rule in rules])[holds.argmax(0)], IN_ORDER)
    assert (answers == predicted).all()
    assert {rule.answer for rule in rules} == {1, 2, 3}


def test_thresholds_are_round(noisy):
    """Between two tenths lies a tenth, and not the middle that scikit-learn stores."""
    values = {clause.value for rule in grow(*noisy, 0) for clause in rule.clauses if not math.isinf(clause.value)}
    assert values
    assert all(round(value * 10, 6) == round(value * 10) for value in values)


def test_who_says_nothing_has_no_rules(units):
    """A kind of entity that is always in order."""
    assert grow(units(probe_latency_s=[0.1, 0.9] * 20), np.zeros(40, np.int64), 0) == []


def test_what_is_too_fine_to_be_read_is_no_rule(units):
    """Two values that differ in the fifth digit are not divided by a number of two digits, and nothing breaks."""
    facts = units(probe_latency_s=[0.48210, 0.48214] * 20)
    rules = grow(facts, np.array([0, 1] * 20), 0)
    assert all(rule.hold(facts).all() or not rule.hold(facts).any() for rule in rules)


def test_of_comparisons_of_one_signal_the_tightest_remains():
    """A branch may ask the same signal again and again."""

    def at_least(value, *, missing_holds=False):
        return Clause(signal="mount_used_ratio", op=Op.GE, value=value, missing_holds=missing_holds)

    below = Clause(signal="mount_used_ratio", op=Op.LT, value=0.9)
    assert tightest((at_least(0.2, missing_holds=True), below, at_least(0.5))) == (at_least(0.5), below)


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        (Clause(signal="unit_masked_ratio", op=Op.GE, value=0.5), "unit_masked_ratio is 1"),
        (Clause(signal="unit_active_ratio", op=Op.LT, value=0.5), "unit_active_ratio is 0"),
        (
            Clause(signal="mount_used_ratio", op=Op.GE, value=0.95, missing_holds=True),
            "mount_used_ratio >= 95 % (or not measured)",
        ),
        (Clause(signal="probe_ok_ratio", op=Op.GE, value=math.inf, missing_holds=True), "probe_ok_ratio is not measured"),
        (Clause(signal="probe_ok_ratio", op=Op.LT, value=math.inf), "probe_ok_ratio is measured"),
    ],
)
def test_a_comparison_is_told_in_words(clause, words):
    """As somebody would say it."""
    assert str(clause) == words
