"""Evaluation numbers on hand-made verdicts."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ordertrainer.evaluation.baselines import fit_baselines
from ordertrainer.evaluation.predictions import Predictions, all_ok, by_rule_diagnoser
from ordertrainer.evaluation.scores import Judge, auc, calibration_error, score
from ordertrainer.imitation.toy import ONSET_S, RUN_S, toy_examples


@pytest.fixture(scope="module")
def examples():
    """Return toy drills."""
    return toy_examples(seed=4, runs=27)


def oracle(examples):
    """Return predictions that are right everywhere."""
    failure = all_ok(examples)
    n, e = np.nonzero(examples.failure > 0)
    failure[n, e, 0] = 0.0
    failure[n, e, examples.failure[n, e]] = 1.0
    return Predictions(failure=failure, wrong=examples.wrong.copy())


def test_the_truth_scores_full_marks(examples):
    """An oracle gets 1 everywhere and no false alarm."""
    scores = score(oracle(examples), examples)
    assert scores["macro_f1"] == scores["right_entity"] == scores["first_sample"] == scores["wrong_auc"] == 1.0
    assert scores["named_runs"]["right_first"] == 1.0
    assert scores["named_runs"]["seconds_median"] == 0.0
    assert scores["false_alarms"]["quiet"]["alarms"] == 0
    assert scores["calibration_error"] == pytest.approx(0.0)


def test_silence_scores_nothing(examples):
    """Who never names a failure has no recall, although most verdicts are right."""
    scores = score(Predictions(failure=all_ok(examples), wrong=np.zeros(len(examples), np.float32)), examples)
    assert scores["macro_f1"] == 0.0
    assert scores["named_runs"]["right_first"] == 0.0
    assert scores["wrong_auc"] == 0.5


def test_naming_a_failure_once_does_not_count_for_its_neighbours(examples):
    """No point adjustment: one right second in a run is one right second."""
    said = oracle(examples)
    failing = np.flatnonzero(examples.wrong)
    late = failing[np.append(True, examples.run_id[failing][1:] == examples.run_id[failing][:-1])]
    said.failure[late] = all_ok(examples)[late]
    scores = score(said, examples)
    assert scores["macro_f1"] < 2 / (1 + (RUN_S - ONSET_S)) + 0.1


def test_an_unbroken_alarm_counts_once_and_a_broken_one_twice(examples):
    """Alarms are series, since one series is one repair."""
    quiet = np.flatnonzero((examples.run_id == examples.run_id[0]) & (examples.wrong == 0))[:8]
    said = oracle(examples)
    entity = int(np.flatnonzero(examples.kind[quiet[0]] == 0)[0])
    for n in quiet[[1, 2, 3, 6]]:
        said.failure[n, entity] = 0.0
        said.failure[n, entity, 1] = 1.0
    assert score(said, examples)["false_alarms"]["quiet"]["alarms"] == 2


def test_an_unsure_alarm_is_none(examples):
    """Below the confidence orderd acts on, nothing would be repaired."""
    said = oracle(examples)
    quiet = np.flatnonzero(examples.wrong == 0)[0]
    said.failure[quiet, 0, 0], said.failure[quiet, 0, 1] = 0.3, 0.7
    assert score(said, examples)["false_alarms"]["quiet"]["alarms"] == 0
    assert score(said, examples, Judge(confidence_min=0.6))["false_alarms"]["quiet"]["alarms"] == 1


def test_hours_are_time_not_windows(examples):
    """Windows a tenth of a second apart add up to a tenth of the time."""
    dense = replace(examples, at_s=examples.at_s / 10)
    once, tenth = (score(oracle(e), e)["false_alarms"]["quiet"]["hours"] for e in (examples, dense))
    assert tenth == pytest.approx(once / 10)


def test_too_sure_a_model_has_a_calibration_error(examples):
    """Right half of the time and certain all of the time is an error of a half."""
    said = oracle(examples)
    n, e = np.nonzero(examples.failure > 0)
    half = slice(0, len(n) // 2 * 2, 2)
    said.failure[n[half], e[half]] = np.roll(said.failure[n[half], e[half]], 1, axis=-1)
    assert calibration_error(said, examples) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("said", "area"), [([0.1, 0.2, 0.8, 0.9], 1.0), ([0.9, 0.8, 0.2, 0.1], 0.0), ([0.5] * 4, 0.5), ([0.1, 0.9, 0.5, 0.9], 0.625)]
)
def test_area_under_the_curve_counts_ties_half(said, area):
    """Ranks agree with counting pairs by hand."""
    assert auc(np.array(said, np.float32), np.array([0, 0, 1, 1], np.float32)) == pytest.approx(area)


def test_area_without_both_classes_is_no_number():
    """A set without quiet windows has no area."""
    assert math.isnan(auc(np.ones(3, np.float32), np.ones(3, np.float32)))


def test_rules_are_asked_with_the_window_they_would_see(examples):
    """The rules name plain toy failures on the right entity."""
    scores = score(by_rule_diagnoser(examples), examples)
    assert scores["classes"]["service_masked"]["recall"] > 0.9
    assert scores["false_alarms"]["quiet"]["alarms"] == 0


def test_baselines_learn_plain_failures(examples):
    """Both baselines fit toy drills and answer only classes the kind can have."""
    unseen = toy_examples(seed=5, runs=18, name="unseen")
    for baseline in fit_baselines(examples, seed=0):
        said = baseline.predict(unseen)
        assert score(said, unseen)["macro_f1"] > 0.8, baseline.name
        assert (said.failure[unseen.kind == 1][:, 1] == 0).all()
