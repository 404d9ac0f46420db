"""Areas against scikit-learn's."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from ordertrainer.evaluation.ranking import Ranking


@pytest.fixture
def drawn():
    """Return scores with many ties, truths and groups."""
    rng = np.random.default_rng(3)
    truth = rng.random(400) < 0.2
    return np.round(rng.normal(truth * 1.0, 1.0), 1), truth, rng.integers(0, 7, 400)


def test_areas_are_those_of_scikit_learn(drawn):
    """With ties."""
    said, truth, _ = drawn
    assert Ranking(said, truth).auc() == pytest.approx(roc_auc_score(truth, said))
    assert Ranking(said, truth).average_precision() == pytest.approx(average_precision_score(truth, said))


def test_a_group_that_counts_twice_is_as_if_it_were_there_twice(drawn):
    """Weights of the bootstrap are repetitions."""
    said, truth, group = drawn
    times = np.array([0, 2, 1, 3, 0, 1, 1])
    again = np.repeat(np.arange(400), times[group])
    ranking = Ranking(said, truth, group)
    assert ranking.auc(times) == pytest.approx(roc_auc_score(truth[again], said[again]))
    assert ranking.average_precision(times) == pytest.approx(average_precision_score(truth[again], said[again]))


@pytest.mark.parametrize("truth", [np.zeros(5, bool), np.ones(5, bool)])
def test_one_kind_of_sample_ranks_nothing(truth):
    """No area without something to tell apart."""
    assert math.isnan(Ranking(np.arange(5.0), truth).auc())


def test_no_samples_are_no_area():
    """Nor is there an error."""
    empty = Ranking(np.zeros(0), np.zeros(0, bool))
    assert math.isnan(empty.auc())
    assert math.isnan(empty.average_precision())
