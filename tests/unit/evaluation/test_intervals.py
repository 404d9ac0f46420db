"""Intervals against published numbers."""

import math

import numpy as np
import pytest

from ordertrainer.evaluation.intervals import bootstrapped, median, rate, share, words


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (1, 29, 0.0061, 0.1718)],
)
def test_shares_have_wilsons_interval(hits, of, low, high):
    """The values are those of Newcombe 1998, table I, and the textbook's for 0 and 10 of 10."""
    score = share(hits, of)
    assert (score.value, score.of) == (hits / of, of)
    assert (score.low, score.high) == pytest.approx((low, high), abs=2e-4)


@pytest.mark.parametrize(("events", "low", "high"), [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (10, 4.7954, 18.3904)])
def test_rates_have_garwoods_interval(events, low, high):
    """The values are those of the chi-squared table; twice the hours are half the rate."""
    once, twice = rate(events, 1.0), rate(events, 2.0)
    assert (once.low, once.high) == pytest.approx((low, high), abs=2e-4)
    assert (twice.low, twice.high) == pytest.approx((low / 2, high / 2), abs=2e-4)


def test_no_hours_are_no_rate():
    """Nothing is said about what nobody watched."""
    assert math.isnan(rate(0, 0.0).value)
    assert words(rate(0, 0.0)) == "-"


def test_a_bootstrap_over_groups_is_as_wide_as_groups_differ():
    """Ten groups of a hundred equal values say no more than ten values."""
    values = np.arange(10.0)
    score = bootstrapped(lambda times: float((times * values).sum() / times.sum()), 10)
    spread = values.std() / math.sqrt(10)
    assert score.value == 4.5
    assert (score.high - score.low) / 2 == pytest.approx(1.96 * spread, rel=0.2)


def test_one_group_has_no_interval():
    """A single run, drawn again, is itself: that is no knowledge about others."""
    score = bootstrapped(lambda _times: 0.7, 1)
    assert score.value == 0.7
    assert math.isnan(score.low)
    assert words(score) == "0.700"


def test_the_interval_of_a_median_holds_it():
    """Of skewed values, too."""
    score = median([1.0, 1.0, 2.0, 3.0, 90.0])
    assert score.low <= score.value == 2.0 <= score.high
