"""Thresholds that people can read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordertrainer.rules.words import DIGITS, FLAGS, amount, threshold


@pytest.mark.parametrize(
    ("below", "above", "found"),
    [
        (0.93, 0.97, 0.95),
        (0.2, 0.8, 0.5),
        (0.002, 0.31, 0.2),
        (3.2, 4.7, 4.0),
        (-70.0, -3.0, -50.0),
        (0.9, 0.95, 0.95),
        (11.0, 4000.0, 2000.0),
    ],
)
def test_a_threshold_is_the_roundest_number_between_two_values(below, above, found):
    """Nobody asks why it is 0.9473."""
    assert threshold("mount_used_ratio", below, above) == found


def test_a_flag_is_divided_where_contracts_divide_it():
    """At one half, whatever lies between 0 and 1."""
    assert "unit_masked_ratio" in FLAGS
    assert threshold("unit_masked_ratio", 0.0, 1.0) == 0.5


@given(st.tuples(st.floats(-1e4, 1e4, width=32), st.floats(-1e4, 1e4, width=32)).filter(lambda two: two[0] != two[1]))
def test_a_threshold_divides_what_it_was_made_for_or_is_short(two):
    """It lies between the two values, unless that took more digits than people read."""
    below, above = sorted(float(f"{value:.6g}") for value in two)
    found = threshold("probe_latency_s", below, above)
    short = len(f"{abs(found):.10e}".partition("e")[0].replace(".", "").rstrip("0")) <= DIGITS
    assert below < found <= above or (short and abs(found - (below + above) / 2) <= 0.051 * abs(below + above) / 2)
    assert short


@pytest.mark.parametrize(
    ("signal", "value", "words"),
    [
        ("mount_used_ratio", 0.95, "95 %"),
        ("mount_fill_ratio_per_s", 0.004, "0.4 %/s"),
        ("probe_latency_s", 0.45, "0.45 s"),
        ("process_cpu_user_cores", 1.1, "1.1 cores"),
        ("unit_restarts_per_s", 0.15, "0.15 /s"),
        ("process_threads_count", 40.0, "40"),
    ],
)
def test_a_value_is_told_with_its_unit(signal, value, words):
    """Shares as per cent, everything else in the unit of its name."""
    assert amount(signal, value) == words
