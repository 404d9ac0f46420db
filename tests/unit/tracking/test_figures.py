"""A line of history as metrics, settings as parameters: in the form MLflow takes, whatever stands in them."""

import math

import pytest

from ordertrainer.tracking.figures import metrics, params, step_of, tags


def test_every_number_becomes_a_metric_of_its_step():
    """Nested ones too; what is no number, or none of JSON, is left out."""
    line = {"iteration": 4, "worth": 0.5, "why": "words", "lost": math.nan, "none": None}
    line |= {"suites": {"training mix": {"settled": 1}}}
    assert metrics(line, 1_700_000_000_123) == [
        {"key": "worth", "value": 0.5, "timestamp": 1_700_000_000_123, "step": 4},
        {"key": "suites.training mix.settled", "value": 1.0, "timestamp": 1_700_000_000_123, "step": 4},
    ]


@pytest.mark.parametrize(("line", "step"), [({"epoch": 3}, 3), ({"iteration": 0}, 0)])
def test_the_step_is_the_epoch_or_the_iteration(line, step):
    """As trainings call it."""
    assert step_of(line) == step


def test_a_line_without_a_step_is_an_error_of_ours():
    """Two lines of one step would overwrite each other in every chart."""
    with pytest.raises(KeyError, match="epoch, iteration"):
        step_of({"worth": 1.0})


def test_keys_hold_only_what_every_store_takes():
    """Others are written as an underline."""
    assert list(params({"a:b": {"c+d": 1, "e/f.g-h": 2}})) == ["a_b.c_d", "a_b.e/f.g-h"]


def test_values_are_cut_to_what_every_store_takes():
    """A server would refuse all of the call for one that is too long."""
    assert len(params({"long": "x" * 9000})["long"]) == 500
    assert len(tags({"long": "x" * 9000})["long"]) == 5000
