"""Signs without a name: each stands for 16 s, and is one that a healthy host does not show."""

import math

import pytest

from orderd.diagnosis import nameless
from orderd.domain.clock import Instant
from orderd.domain.signals import HOST_SIGNALS
from orderd.domain.values import Sample
from orderd.domain.window import History

CALM = {"process_count": 60.0, "process_blocked_ratio": 0.02, "memory_used_ratio": 0.5, "pressure_memory_ratio": 0.0}
SIGNS = {
    "blocked": ({"process_blocked_ratio": 0.2}, "12 processes wait"),
    "swarming": ({"process_count": 260.0}, "260 processes where a minute ago there were 60"),
    "without memory": ({"memory_used_ratio": 0.93}, "93% of the memory is taken, 50% a minute ago"),
    "thrashing": ({"pressure_memory_ratio": 0.4}, "40% of the time"),
}


def after(*phases):
    """Return the last window of a host; each phase is what it shows and for how many seconds."""
    history, second = History(), 0
    for shown, seconds in phases:
        for _ in range(seconds):
            second += 1
            host = tuple((CALM | shown).get(signal.name, math.nan) for signal in HOST_SIGNALS)
            at = Instant(mono_ns=second * 10**9, utc_ns=0)
            window = history.add(Sample(at=at, cause="timer", host=host, entities=()))
    return window


@pytest.mark.parametrize(("shown", "words"), SIGNS.values(), ids=SIGNS)
def test_a_sign_counts_once_it_has_stood(shown, words):
    """16 s, in every slot: 10 s are too short, and so is 20 s with a calm second in it."""
    assert words in nameless(after(({}, 80), (shown, 18)))
    assert nameless(after(({}, 80), (shown, 10))) == ""
    assert nameless(after(({}, 80), (shown, 16), ({}, 1), (shown, 1))) == ""


def test_a_calm_host_and_one_without_signals_show_nothing():
    """What cannot be measured is no sign."""
    assert nameless(after(({}, 90))) == ""
    assert nameless(after((dict.fromkeys(CALM, math.nan), 90))) == ""


def test_a_large_host_is_measured_by_itself():
    """A hundred and fifty more among a thousand is a morning, and so are 24 that wait; nobody knows of a minute ago at first.

    A database lives with nine tenths of the memory.
    """
    assert nameless(after(({"process_count": 1000.0}, 80), ({"process_count": 1200.0}, 18))) == ""
    assert nameless(after(({"process_count": 1200.0}, 18))) == ""
    assert nameless(after(({"memory_used_ratio": 0.92}, 80))) == ""
    assert nameless(after(({"memory_used_ratio": 0.92}, 18))) == ""
