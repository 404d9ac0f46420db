"""Maintenance windows: days, midnight, time zones, the days on which clocks change, and clocks that were set."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards_desk import DISK, OTHER, UNIT, Host, config
from orderd.config.schema import WindowConfig
from orderd.decision.guard import rule
from orderd.decision.windows import WallClock, ends, open_windows
from orderd.domain.clock import Instant
from orderd.domain.values import Mode, Reason


def window(start="22:00", end="23:00", **more):
    return msgspec.convert({"name": "w", "start": start, "end": end} | more, WindowConfig)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def is_open(one, text):
    return ends(one, utc(text)) is not None


@pytest.mark.parametrize(
    ("text", "expected"), [("2026-06-10T21:59:59", False), ("2026-06-10T22:00", True), ("2026-06-10T23:00", False)]
)
def test_a_window_holds_its_start_and_not_its_end(text, expected):
    """From 22:00 to 23:00 is an hour."""
    assert is_open(window(), text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2026-06-12T23:30", True), ("2026-06-13T01:59", True), ("2026-06-13T02:00", False), ("2026-06-13T23:30", False)],
)
def test_a_window_over_midnight_belongs_to_the_day_it_begins_on(text, expected):
    """2026-06-12 is a Friday: Friday's window ends on Saturday morning."""
    assert is_open(window("23:00", "02:00", days=["fri"]), text) is expected


@pytest.mark.parametrize(
    ("text", "expected"), [("2026-06-10T20:30", True), ("2026-06-10T22:30", False), ("2026-01-10T21:30", True)]
)
def test_times_are_read_in_the_windows_own_zone(text, expected):
    """22:30 in Berlin is 20:30 UTC in summer and 21:30 UTC in winter."""
    assert is_open(window(timezone="Europe/Berlin"), text) is expected


def test_a_window_within_the_hour_that_does_not_exist_is_not_left_out():
    """On 2026-03-29 Berlin has no 02:00 to 03:00."""
    assert is_open(window("02:15", "02:45", timezone="Europe/Berlin"), "2026-03-29T01:00")


def test_a_window_within_the_hour_that_exists_twice_is_open_both_times():
    """On 2026-10-25 Berlin has 02:00 to 03:00 twice."""
    one = window("02:00", "03:00", timezone="Europe/Berlin")
    assert is_open(one, "2026-10-25T00:30")
    assert is_open(one, "2026-10-25T01:30")
    assert not is_open(one, "2026-10-25T02:30")


@given(st.integers(0, 2 * 366 * 24 * 4), st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"]))
def test_a_window_is_open_whenever_its_own_wall_clock_says_so(quarters, zone):
    """No change of clocks makes a window shorter than it reads."""
    from zoneinfo import ZoneInfo

    moment = datetime.fromtimestamp(1_767_225_600 + quarters * 900, tz=UTC)
    wall = f"{moment.astimezone(ZoneInfo(zone)):%H:%M}"
    if "01:30" <= wall < "03:30":
        assert ends(window("01:30", "03:30", timezone=zone), moment) is not None
    if wall >= "22:15" or wall < "04:45":
        assert ends(window("22:15", "04:45", timezone=zone), moment) is not None


def test_a_window_with_units_is_about_those_alone():
    """Without units it is about everything on the host."""
    moments = (utc("2026-06-10T22:30"),)
    only = window(units=["a.service"], mode="approve")
    assert [w.mode for w in open_windows([only], UNIT, moments)] == [Mode.APPROVE]
    assert open_windows([only], OTHER, moments) == ()
    assert open_windows([only], DISK, moments) == ()
    assert open_windows([window()], DISK, moments) != ()


def instant(second, utc_s):
    return Instant(mono_ns=second * 10**9, utc_ns=utc_s * 10**9)


def test_a_clock_that_jumps_leaves_the_time_before_believable_for_a_day():
    """Which of the two was wrong, nobody knows yet."""
    wall = WallClock()
    assert len(wall.moments(instant(0, 1_780_000_000))) == 1
    both = wall.moments(instant(10, 1_780_003_610))
    assert [int(m.timestamp()) for m in both] == [1_780_003_610, 1_780_000_010]
    assert len(wall.moments(instant(10 + 86_401, 1_780_003_610 + 86_401))) == 1


def test_a_clock_that_is_slewed_has_not_jumped():
    """Half a second at a time is what time synchronisation does."""
    wall = WallClock()
    for second in range(200):
        assert len(wall.moments(instant(second * 1000, 1_780_000_000 + second * 1000 + second // 2))) == 1


@pytest.mark.parametrize("utc_s", [10**15, -(10**13), 253_402_300_799])
def test_a_clock_that_shows_no_calendar_day_leaves_the_time_before(utc_s):
    """The year 30 million, one before the first, and the last second of the calendar are survived."""
    wall = WallClock()
    before = wall.moments(instant(0, 1_780_000_000))
    after = wall.moments(instant(1, utc_s))
    assert [int(m.timestamp()) for m in after] == [int(before[0].timestamp()) + 1]
    assert open_windows([window("00:00", "23:59")], UNIT, after)


@pytest.mark.parametrize("jump_s", [3600 * 2, -3600 * 2, 10 * 31_536_000, -10 * 31_536_000, -1_780_000_000])
def test_a_clock_that_jumps_out_of_a_window_does_not_unlock_the_host(jump_s):
    """A window that was open a moment ago stays open, whatever the clock says now."""
    minute = {"start": "20:00", "end": "21:00", "name": "w"}
    host = Host(settings=config(windows=[minute]))
    moment = datetime.fromtimestamp(host.now.utc_ns / 1e9, tz=UTC)
    host.second += (20 * 3600 + 600 - (moment.hour * 3600 + moment.minute * 60 + moment.second)) % 86_400
    start = host.repairs["service_start"]
    assert rule(host.facts(), start).reason is Reason.WINDOW
    host.jump_s, host.second = jump_s, host.second + 5
    assert rule(host.facts(), start).reason is Reason.WINDOW
    host.second += 3600
    assert rule(host.facts(), start).reason is not Reason.WINDOW
