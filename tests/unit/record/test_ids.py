"""DecisionIds."""

import pytest

from orderd.record import DecisionIds
from orderd.record.ids import tick_of

HOUR = 3600.0
YEAR = 365.25 * 24 * HOUR


def test_ids_sort_in_the_order_they_were_given_out(manual_clock):
    """Ids of one kind, many within one millisecond, sort as text in the order of their making."""
    ids = DecisionIds(manual_clock)
    made = []
    for i in range(200):
        made.append(ids.decision())
        manual_clock.advance(0.0001 * (i % 30))
    assert made == sorted(set(made))


@pytest.mark.parametrize("jump_s", [-HOUR, HOUR, -10 * YEAR, 10 * YEAR, -60 * YEAR])
def test_a_jump_of_the_wall_clock_leaves_ids_in_order(manual_clock, jump_s):
    """Ids made after the wall clock jumped sort after those made before, and stay near the time orderd believes in."""
    ids = DecisionIds(manual_clock)
    before = ids.decision()
    manual_clock.jump(jump_s)
    manual_clock.advance(1.0)
    after = ids.decision()
    assert before < after
    assert tick_of(after) - tick_of(before) == 1000


def test_ids_after_a_restart_sort_after_the_journal_even_when_the_clock_went_back(manual_clock):
    """A daemon that starts in the past goes on after the newest id of the journal."""
    newest = DecisionIds(manual_clock).decision()
    manual_clock.jump(-10 * YEAR)
    assert DecisionIds(manual_clock, after=newest).decision() > newest


def test_ids_of_cloned_hosts_differ(manual_clock):
    """Two hosts with the same clock make different ids."""
    made = {DecisionIds(manual_clock).decision() for _ in range(20)}
    assert len(made) > 18


def test_decisions_and_incidents_never_share_an_id(manual_clock):
    """The first letter tells what an id is of."""
    ids = DecisionIds(manual_clock)
    assert (ids.decision()[0], ids.incident()[0]) == ("d", "i")


def test_a_strange_newest_id_is_refused(manual_clock):
    """An id of another shape raises instead of putting new ids in a wrong place."""
    with pytest.raises(ValueError, match="not a decision"):
        DecisionIds(manual_clock, after="whatever")
