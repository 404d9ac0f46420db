"""Numbers, times and names as people read and write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderd.ctl.words import clean, clock_time, duration, entity_name, offset, parse_duration, parse_target


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("2m", 120), ("1h", 3600), ("1h30m", 5400), ("1d2h3m4s", 93784), ("0.5s", 0.5), (" 2m ", 120)],
)
def test_durations_people_write_are_understood(text, seconds):
    """Numbers with units, largest first."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "2x", "-2m", "m2", "0s", "30m1h", "2 m", "1e9s", "infs"])
def test_what_is_no_duration_is_refused_with_examples(text):
    """A bare number, zero, another order or other units raise and show how to write it."""
    with pytest.raises(ValueError, match="90s, 2m, 1h"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0 ms"),
        (0.0012, "1.2 ms"),
        (0.0504, "50.4 ms"),
        (0.951, "0.95 s"),
        (9.99, "9.99 s"),
        (12.7, "12 s"),
        (118, "1 m 58 s"),
        (3600, "1 h"),
        (5400, "1 h 30 m"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_have_the_precision_a_person_wants(seconds, said):
    """Two units at most, none of them zero."""
    assert duration(seconds) == said


@given(st.integers(60, 10_000_000))
def test_whole_durations_are_read_back_within_their_precision(seconds):
    """What is shown, written without spaces, is at most one second of its smaller unit off."""
    shown = parse_duration(duration(seconds).replace(" ", ""))
    assert shown <= seconds < shown + 3600


def test_times_relative_to_the_detection_carry_their_sign():
    """Milliseconds near the detection, minutes later."""
    assert [offset(s) for s in (0.0524, -0.2, 63.0)] == ["+0.052 s", "-0.200 s", "+1 m 3 s"]


def test_the_date_is_shown_only_when_it_is_not_today():
    """Today needs no date, yesterday does."""
    now = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
    today, yesterday = (int((now - timedelta(hours=h)).timestamp() * 1e9) for h in (1, 4))
    assert clock_time(today, now, UTC) == "02:00:00"
    assert clock_time(yesterday, now, UTC) == "2026-11-20 23:00:00"


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        ("nginx", "unit:nginx.service"),
        ("nginx.service", "unit:nginx.service"),
        ("fstrim.timer", "unit:fstrim.timer"),
        ("app@1", "unit:app@1.service"),
        ("/var/log", "mount:/var/log"),
        ("resolver:system", "resolver:system"),
    ],
)
def test_names_people_type_become_entities(text, entity):
    """A bare name is a service, a path is a mount, kind:key is taken as it is."""
    assert str(parse_target(text)) == entity


@pytest.mark.parametrize("text", ["", "a b", "$(reboot)", "/../etc", "unit:", "process:x", "{{7*7}}"])
def test_what_cannot_be_a_name_is_refused(text):
    """Nothing that could not be watched leaves the terminal."""
    with pytest.raises(ValueError, match="not a valid"):
        parse_target(text)


@given(st.text(max_size=60))
def test_nothing_printed_can_command_a_terminal(text):
    """After cleaning there is no escape, no control character and no mark of text direction left."""
    assert clean(text).isprintable()


def test_escapes_are_made_visible():
    """The reader sees that something odd is there."""
    assert clean("a\x1b[31mb\u202ec") == "a\\x1b[31mb\\u202ec"


def test_entities_are_named_as_people_say_them():
    """Units and mounts by name, processes by number, the one resolver by its kind."""
    named = [entity_name(*pair) for pair in [("unit", "a.service"), ("mount", "/"), ("process", "12:34"), ("resolver", "system")]]
    assert named == ["a.service", "/", "process 12", "resolver"]
