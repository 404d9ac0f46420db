"""Confidence: promises that are kept on other hosts, class by class, and followed on one."""

import math
from dataclasses import replace

import numpy as np
import pytest

from orderd.domain.faults import FAILURES
from ordertrainer.confidence.adaptive import follow, followed
from ordertrainer.confidence.conformal import calibrated, coverage, runs_needed, sets
from ordertrainer.confidence.temperature import fitted, tempered
from ordertrainer.confidence.threshold import judged, wrong_min
from ordertrainer.confidence.verdicts import Verdicts, named_classes, numbered, verdicts_of
from ordertrainer.evaluation.predictions import Predictions
from ordertrainer.imitation.toy import toy_examples

C = len(FAILURES)
ALPHA = 0.1


def drawn(seed, runs, windows=12, *, sharp=2.0, drift=0.0, classes=(0, 1, 2)):
    """Return verdicts of a diagnoser whose doubt is a property of the run: its windows say nearly the same."""
    rng = np.random.default_rng(seed)
    run = np.repeat(np.arange(runs), windows)
    truth = rng.choice(classes, runs)[run]
    doubt = rng.normal(drift, 1.0, runs)[run] + rng.normal(0.0, 0.1, len(run))
    logits = np.zeros((len(run), C))
    logits[np.arange(len(run)), truth] = sharp - doubt
    logits[:, 3:] = -30.0
    said = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Verdicts(
        said=said.astype(np.float32),
        possible=np.ones(said.shape, bool),
        truth=truth,
        run=run,
        host=np.zeros(len(run), np.int64),
    )


def test_sets_hold_the_truth_of_new_runs_as_often_as_promised():
    """Over many calibrations of forty runs, nine new runs in ten, for each class; no more than a little more."""
    held = [
        coverage(sets(new, calibrated(drawn(seed, 60), ALPHA), ALPHA), new)["classes"]
        for seed in range(25)
        for new in [drawn(seed + 999, 60)]
    ]
    for failure in (str(FAILURES[c]) for c in range(3)):
        mean = np.mean([each[failure].value for each in held])
        assert 0.88 < mean < 0.97, failure


def test_windows_of_a_run_are_no_evidence_of_their_own():
    """One run that lasted for an hour and went badly is one run of forty: what is drawn are runs."""
    short = drawn(1, 40, windows=1, classes=(1,))
    long = replace(short, said=np.where(short.run[:, None] == 0, np.eye(C, dtype=np.float32)[2], short.said))
    place = np.append(np.zeros(2000, np.int64), np.arange(1, 40))
    once, often = (calibrated(each, ALPHA)[1] for each in (long, long.where(place)))
    assert (once.runs, often.runs) == (40, 40)
    assert often.quantile(ALPHA) == once.quantile(ALPHA) < 0.99


def test_a_class_with_few_runs_borrows_from_all_failures():
    """And says so; healthy entities, of which everybody is sure, lend nothing."""
    verdicts = drawn(2, 300, windows=3, classes=(0,) * 12 + (1, 1, 2))
    certain = replace(verdicts, said=np.where(verdicts.truth[:, None] == 0, np.eye(C, dtype=np.float32)[0], verdicts.said))
    rare = certain.where((certain.truth != 2) | (certain.run < 60))
    scales = calibrated(rare, ALPHA)
    assert scales[2].pooled
    assert not scales[1].pooled
    assert scales[0].quantile(ALPHA) == 0.0
    assert scales[2].quantile(ALPHA) == pytest.approx(scales[1].quantile(ALPHA), abs=0.1)
    assert runs_needed(ALPHA) == 9


def test_too_few_runs_promise_nothing():
    """The quantile is infinite: every possible class is in every set, and no impossible one."""
    verdicts = drawn(3, 5)
    scales = calibrated(verdicts, ALPHA)
    assert scales[1].quantile(ALPHA) == math.inf
    impossible = replace(verdicts, possible=np.broadcast_to(np.arange(C) != 1, verdicts.said.shape))
    held = sets(impossible, scales, ALPHA)
    assert held[:, 2].all()
    assert not held[:, 1].any()


def test_a_model_that_always_says_ok_keeps_no_promise_by_the_healthy_majority():
    """Failing entities get sets that hold their failure, although thirty healthy ones stand beside each."""
    run = np.repeat(np.arange(40), 31)
    truth = np.tile(np.append(1, np.zeros(30, np.int64)), 40)
    said = np.zeros((len(run), C), np.float32)
    said[:, 0], said[:, 1] = 0.97, 0.03
    verdicts = Verdicts(said=said, possible=np.ones(said.shape, bool), truth=truth, run=run, host=np.zeros(len(run), np.int64))
    half = verdicts.where(run < 20)
    held = coverage(sets(verdicts.where(run >= 20), calibrated(half, ALPHA), ALPHA), verdicts.where(run >= 20))
    assert held["failing"].value > 0.89


def test_a_level_follows_a_host_that_drifts():
    """A host of which the model knows half as much: fixed sets break their promise, moved ones come back to it."""
    scales, host = calibrated(drawn(5, 80, classes=(1, 2)), ALPHA), drawn(6, 300, drift=1.2, classes=(1, 2))
    told = followed(host, follow(host, scales, ALPHA))
    assert told["fixed"]["failing"].value < 0.75
    assert told["adaptive_later_half"]["failing"].value == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("drift", [-3.0, 0.0, 3.0])
def test_what_is_missed_stays_within_the_bound_whatever_the_host_does(drift):
    """(1 + gamma) / (gamma T), the proposition of Gibbs and Candes, for any stream."""
    gamma, runs = 0.1, 200
    host = drawn(7, runs, windows=1, drift=drift, classes=(1, 2))
    moved = follow(host, calibrated(drawn(5, 80, classes=(1, 2)), ALPHA), ALPHA, gamma).moved
    missed = 1.0 - moved[np.arange(len(host)), host.truth].mean()
    assert abs(missed - ALPHA) <= (1 + gamma) / (gamma * runs)


def test_a_level_that_does_not_move_is_the_fixed_one():
    """With gamma 0 both are the same."""
    scales, host = calibrated(drawn(5, 80), ALPHA), drawn(6, 40)
    told = follow(host, scales, ALPHA, 0.0)
    np.testing.assert_array_equal(told.fixed, told.moved)


def test_a_level_knows_nothing_of_the_run_it_is_met_with():
    """Another truth of the last run changes no set before it, and none of its own."""
    scales, host = calibrated(drawn(5, 80), ALPHA), drawn(6, 40)
    other = replace(host, truth=np.where(host.run == 39, (host.truth + 1) % 3, host.truth))
    np.testing.assert_array_equal(follow(host, scales, ALPHA).moved, follow(other, scales, ALPHA).moved)


def test_the_temperature_is_the_one_that_was_put_in():
    """Probabilities of a model that is twice too sure are mended by 2; what cannot be stays so."""
    rng = np.random.default_rng(8)
    logits = np.concatenate([rng.normal(0.0, 2.0, (4000, 4)), np.full((4000, C - 4), -np.inf)], axis=1)
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(C, p=each) for each in true])
    sure = np.exp(2 * logits) / np.exp(2 * logits).sum(axis=1, keepdims=True)
    run = np.arange(4000)
    verdicts = Verdicts(said=sure.astype(np.float32), possible=true > 0, truth=truth, run=run, host=run * 0)
    found = fitted(verdicts)
    assert found == pytest.approx(2.0, abs=0.1)
    np.testing.assert_allclose(tempered(verdicts.said, 2.0), true, atol=1e-3)
    assert fitted(verdicts, inside=1.5) == pytest.approx(2.0, abs=0.1)
    assert fitted(verdicts, inside=4.0) == pytest.approx(1.25, abs=0.02)  # five in all is the bound of training


@pytest.fixture(scope="module")
def examples():
    """Return toy drills."""
    return toy_examples(seed=4, runs=60)


def test_calm_stretches_exceed_the_threshold_as_rarely_as_promised(examples):
    """Of new calm stretches, by their largest value; far more windows would."""
    rng = np.random.default_rng(1)
    said = rng.random(len(examples)).astype(np.float32)
    least = wrong_min(said, examples, beta=0.1)
    told = judged(rng.random(len(examples)).astype(np.float32), examples, least)
    assert told["calm_stretches_above"].low <= 0.1 <= told["calm_stretches_above"].high
    assert told["calm_stretches_above"].of == 60
    assert least > np.quantile(said[examples.wrong == 0], 0.98)


def test_the_truth_is_noticed_at_once(examples):
    """A model that knows whether something is wrong needs no time and cries wolf never."""
    told = judged(examples.wrong, examples, wrong_min(examples.wrong, examples, beta=0.1))
    assert told["failing_runs_noticed"].value == 1.0
    assert told["seconds_until_noticed"].value == 0.0
    assert told["calm_stretches_above"].value == 0.0


def test_too_few_calm_stretches_give_no_threshold(examples):
    """One false alarm in a thousand cannot be promised after sixty."""
    assert wrong_min(examples.wrong, examples, beta=0.001) == math.inf


def test_nothing_is_promised_of_what_a_model_cannot_name(examples):
    """A class that never got any probability is in no set, and its entities are in no figure."""
    failure = np.zeros((*examples.kind.shape, C), np.float32)
    failure[..., 0], failure[..., 1] = 0.9, 0.1
    said = Predictions(failure=failure, wrong=examples.wrong)
    verdicts = verdicts_of(said, examples, named_classes(said))
    assert set(verdicts.truth.tolist()) == {0, 1}
    held = sets(verdicts, calibrated(verdicts, ALPHA), ALPHA)
    assert not held[:, 2:].any()


def test_runs_are_numbered_in_the_order_in_which_they_come():
    """Not in that of their names: a stream has a direction."""
    assert numbered(np.array(["b", "b", "a", "c", "a"])).tolist() == [0, 0, 1, 2, 1]
