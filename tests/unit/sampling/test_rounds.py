import pytest

from orderd.sampling.rounds import next_round_s


@pytest.mark.parametrize(
    ("began_s", "least_s", "due_s"),
    [
        (10.0, 0.0, 10.5),
        (10.0004, 0.0, 10.5),
        (10.3, 0.0, 10.5),
        (10.5, 0.0, 11.0),
        (12.6, 0.0, 13.0),
        (10.49, 0.02, 11.0),
        (10.47, 0.02, 10.5),
    ],
)
def test_rounds_keep_the_phase_of_the_first(began_s, least_s, due_s):
    """However late a round begins, the next one is due in phase; one that is nearer than the least distance is left out."""
    assert next_round_s(10.0, began_s, 0.5, least_s) == pytest.approx(due_s)


def test_a_round_is_never_further_away_than_a_period_and_the_least_distance():
    """Whenever a round begins, the next one comes within a period, but for one that would have come too soon."""
    for step in range(2000):
        began_s = 100.0 + step * 0.00137
        wait_s = next_round_s(100.0, began_s, 0.5, 0.02) - began_s
        assert 0.02 - 1e-9 <= wait_s <= 0.52 + 1e-9
