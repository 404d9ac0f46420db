"""Scores of foreign series: blocks that keep things together, peers that do not look ahead, events that are found once."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.model_selection import KFold

from ordertrainer.evaluation.external.blocks import BLOCKS, divide, events
from ordertrainer.evaluation.external.peers import CLASSIFIERS, crossed, persistence
from ordertrainer.evaluation.external.scores import by_chance, score, thresholds
from ordertrainer.evaluation.external.series import Series
from ordertrainer.evaluation.external.surprise import codes, surprise
from ordertrainer.evaluation.ranking import Ranking
from ordertrainer.nets.next_sample import NextNet
from ordertrainer.nets.order import Shape


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


def made(values, truth, offsets=None, names=("any",)):
    """Return a series."""
    truth = np.asarray(truth, bool).reshape(len(values), -1)
    return Series(
        name="foreign.npz",
        values=np.asarray(values, np.float32),
        channels=("?",) * np.shape(values)[1],
        truth=truth,
        label_names=names,
        offsets=np.array([0, len(values)] if offsets is None else offsets),
        period_s=2.0,
        remarks=(),
    )


def spells(count, length, every):
    """Return [count]: true for ``length`` samples out of ``every``."""
    return np.arange(count) % every >= every - length


@pytest.fixture
def wandering():
    """Return a series that knows nothing of its labels but is its own neighbour: a random walk."""
    rng = np.random.default_rng(5)
    return made(rng.normal(size=(4000, 4)).cumsum(axis=0), spells(4000, 100, 400))


@pytest.fixture
def plain():
    """Return a series whose first channel jumps while something is wrong."""
    rng = np.random.default_rng(6)
    truth = spells(4000, 100, 400)
    values = rng.normal(size=(4000, 3))
    values[truth, 0] += 4.0
    return made(values, truth)


def test_no_event_is_on_two_sides_of_a_border():
    """There are about BLOCKS blocks, and each event lies in one of them, though even borders would cut some."""
    series = made(np.zeros((4000, 1)), spells(4000, 100, 370))
    blocks = divide(series)
    assert BLOCKS / 2 <= blocks.count <= BLOCKS
    assert series.wrong[:: 4000 // BLOCKS].any()
    for event in events(series, blocks):
        assert len(set(blocks.block[event.start - 1 : event.end].tolist())) == 1


def test_what_is_learned_for_a_fold_is_a_window_away_from_it(plain):
    """No sample of the fold, and none whose window shares a sample with one of the fold's."""
    blocks = divide(plain)
    for fold in range(blocks.folds):
        learned = np.flatnonzero(blocks.outside(fold))
        judged = np.flatnonzero(blocks.fold == fold)
        assert np.abs(learned[:, None] - judged[[0, -1]]).min() > 64
        assert blocks.outside(fold).any()


def test_several_runs_are_left_out_as_wholes():
    """A run is one experiment: half of it in training would be half of the answer."""
    series = made(np.zeros((600, 1)), spells(600, 30, 200), offsets=[0, 200, 400, 600])
    blocks = divide(series)
    assert blocks.folds == 3
    assert [len(set(blocks.fold[a : a + 200].tolist())) for a in (0, 200, 400)] == [1, 1, 1]


def test_events_end_with_their_run():
    """Two runs that end and begin wrong are two events."""
    series = made(np.zeros((40, 1)), np.arange(40) % 20 >= 10, offsets=[0, 20, 40])
    joined = made(np.zeros((40, 1)), (np.arange(40) >= 10) & (np.arange(40) < 30), offsets=[0, 20, 40])
    assert [(e.start, e.end) for e in events(series, divide(series))] == [(10, 20), (30, 40)]
    assert [(e.start, e.end) for e in events(joined, divide(joined))] == [(10, 20), (20, 30)]


def test_a_walk_that_means_nothing_cannot_be_learned(wandering):
    """By blocks there is nothing to know; by a random split the same trees look nearly perfect. That is the leak."""
    said = crossed(wandering, divide(wandering), "extra trees", seed=0)
    assert Ranking(said, wandering.wrong).auc() < 0.7
    leaked = np.zeros(4000)
    for learned, judged in KFold(5, shuffle=True, random_state=0).split(wandering.values):
        trees = CLASSIFIERS["extra trees"](0).fit(wandering.values[learned], wandering.wrong[learned])
        leaked[judged] = trees.predict_proba(wandering.values[judged])[:, 1]
    assert Ranking(leaked, wandering.wrong).auc() > 0.9


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_what_is_plain_is_learned(plain, name):
    """Both classifiers find a channel that jumps."""
    assert Ranking(crossed(plain, divide(plain), name, seed=0), plain.wrong).auc() > 0.97


def test_nothing_is_learned_from_one_event():
    """Whatever fold holds it leaves none for the others."""
    assert (
        crossed(
            made(np.zeros((500, 1)), np.arange(500) >= 400),
            divide(made(np.zeros((500, 1)), np.arange(500) >= 400)),
            "extra trees",
            0,
        )
        is None
    )


def test_persistence_does_not_look_ahead(plain):
    """Another future leaves every earlier score as it was."""
    values = plain.values.copy()
    values[2500:] = 9.0
    before, after = persistence(plain), persistence(replace(plain, values=values))
    np.testing.assert_array_equal(before[:2500], after[:2500])
    assert after[2500] > before[2500]


def test_persistence_takes_no_step_over_the_border_of_a_run(plain):
    """Where a run begins nothing is surprising yet."""
    series = replace(plain, offsets=np.array([0, 1000, 4000]))
    assert persistence(series)[1000] == 0.0


def test_the_truth_finds_every_event_at_once(plain):
    """An oracle scores full marks and never cries wolf."""
    blocks = divide(plain)
    found = score(plain.wrong.astype(float), plain, blocks, events(plain, blocks), far=0.01)
    own = found["labels"]["any"]
    assert found["auc"].value == found["average_precision"].value == 1.0
    assert (own["samples_found"].value, own["events_found"].value, own["onset_delay_s"].value) == (1.0, 1.0, 0.0)
    assert found["false_alarms"]["share"].value == 0.0
    assert found["false_alarms"]["per_hour"].value == 0.0


def test_one_sample_of_an_event_is_one_sample(plain):
    """No point adjustment: the event is found, late, and a hundredth of its samples."""
    blocks, said = divide(plain), np.zeros(len(plain))
    happened = events(plain, blocks)
    said[[event.start + 30 for event in happened]] = 1.0
    own = score(said, plain, blocks, happened, far=0.01)["labels"]["any"]
    assert own["samples_found"].value == pytest.approx(0.01)
    assert own["events_found"].value == 1.0
    assert own["onset_delay_s"].value == 60.0  # of two seconds a sample
    assert own["auc"].value < 0.51


def test_chance_finds_as_much_as_it_cries_wolf(plain):
    """At one per cent of false alarms chance finds one per cent of the samples."""
    blocks = divide(plain)
    found = score(np.random.default_rng(0).random(len(plain)), plain, blocks, events(plain, blocks), far=0.01)
    assert found["false_alarms"]["share"].value == pytest.approx(0.01, abs=0.006)
    assert found["labels"]["any"]["samples_found"].value == pytest.approx(0.01, abs=0.02)
    assert found["auc"].low < 0.5 < found["auc"].high


def test_who_cries_wolf_often_enough_finds_every_event(plain):
    """Alarms every fifty samples find each event of a hundred, and as many where nothing is wrong: that is told beside it."""
    alarm = np.arange(len(plain)) % 50 == 7
    assert by_chance(alarm, plain, [100]) == 1.0
    assert by_chance(alarm, plain, [25]) == pytest.approx(0.5, abs=0.02)
    assert math.isnan(by_chance(alarm, plain, [301]))
    blocks = divide(plain)
    own = score(np.where(alarm, 1.0, 0.0), plain, blocks, events(plain, blocks), far=0.03)["labels"]["any"]
    assert own["events_found"].value == own["events_found_by_chance"] == 1.0


def test_one_block_that_is_wrong_has_no_interval(plain):
    """Drawing the others again says nothing about it."""
    series = replace(plain, truth=plain.truth & (np.arange(len(plain)) < 400)[:, None])
    blocks = divide(series)
    own = score(np.random.default_rng(0).random(len(plain)), series, blocks, events(series, blocks), far=0.01)["labels"]["any"]
    assert math.isfinite(own["auc"].value)
    assert math.isnan(own["auc"].low)
    assert math.isnan(own["samples_found"].low)


def test_a_threshold_is_taken_from_other_folds(plain):
    """What is wrong with one fold does not move its own threshold."""
    blocks = divide(plain)
    said = np.random.default_rng(0).random(len(plain))
    raised = np.where(blocks.fold == 0, said + 5.0, said)
    before, after = (thresholds(each, ~plain.wrong, blocks, 0.01) for each in (said, raised))
    assert after[0] == before[0]
    assert (after[1:] > before[1:]).all()


def test_a_series_without_anything_wrong_has_no_areas(plain):
    """But false alarms it has."""
    series = replace(plain, truth=np.zeros((4000, 1), bool))
    blocks = divide(series)
    found = score(np.random.default_rng(0).random(4000), series, blocks, events(series, blocks), far=0.01)
    assert math.isnan(found["auc"].value)
    assert found["labels"]["any"]["events"] == 0
    assert found["false_alarms"]["per_hour"].value > 0


def test_surprise_is_where_a_channel_does_what_it_never_did():
    """Untrained weights know that what stood still goes on standing still: a jump costs bits, a border of runs none."""
    values = np.full((300, 2), 5.0)
    values[200:, 1] = 9.0
    values[:, 0] += np.arange(300) % 2
    series = made(values, np.arange(300) >= 200, offsets=[0, 100, 300])
    torch.manual_seed(0)
    said = surprise(series, NextNet(Shape(width=16, hidden=16, layers=1, heads=2)).eval())
    assert said[[0, 100]].tolist() == [0.0, 0.0]
    assert said.argmax() == 200


def test_codes_are_shares_as_they_are_and_ranges_else():
    """A share of a half is the middle, whatever the series reaches; what is missing stays so, a constant is no error."""
    values = np.array([[0.2, 10.0, 7.0, np.nan], [0.5, 20.0, 7.0, np.nan], [np.nan, 15.0, 7.0, np.nan]], np.float32)
    found = codes(values)
    np.testing.assert_array_equal(found[:, 0], [51.0, 128.0, np.nan])
    np.testing.assert_array_equal(found[:, 1], [0.0, 255.0, 128.0])
    assert np.isfinite(found[:, 2]).all()
    assert np.isnan(found[:, 3]).all()
