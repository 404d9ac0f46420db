import math

from orderd.sampling.collector import Rate, Sums


def test_rate_is_missing_the_first_time_and_after_a_reset(manual_clock):
    """A rate needs two readings of one counter: none at first, none across a reset."""
    rate = Rate()
    assert math.isnan(rate.per_s(100, manual_clock.now()))
    manual_clock.advance(2)
    assert rate.per_s(110, manual_clock.now()) == 5
    manual_clock.advance(2)
    assert math.isnan(rate.per_s(3, manual_clock.now()))
    manual_clock.advance(1)
    assert rate.per_s(4, manual_clock.now()) == 1


def test_rate_ignores_the_wall_clock(manual_clock):
    """A step of the wall clock changes no rate."""
    rate = Rate()
    rate.per_s(0, manual_clock.now())
    manual_clock.advance(1)
    manual_clock.jump(-10 * 365 * 86400)
    assert rate.per_s(7, manual_clock.now()) == 7


def test_sums_count_only_devices_seen_both_times(manual_clock):
    """A device that appears brings its whole past with it; it counts from its second reading on."""
    sums = Sums()
    assert all(math.isnan(v) for v in sums.per_s({"a": (100, 1)}, manual_clock.now(), 2))
    manual_clock.advance(2)
    assert sums.per_s({"a": (120, 3), "b": (10**9, 10**9)}, manual_clock.now(), 2) == (10, 1)
    manual_clock.advance(1)
    assert sums.per_s({"b": (10**9 + 5, 10**9)}, manual_clock.now(), 2) == (5, 0)


def test_sums_leave_out_a_device_whose_counter_went_back(manual_clock):
    """A replaced device under an old name yields no negative rate."""
    sums = Sums()
    sums.per_s({"a": (100,), "b": (0,)}, manual_clock.now(), 1)
    manual_clock.advance(1)
    assert sums.per_s({"a": (0,), "b": (3,)}, manual_clock.now(), 1) == (3,)
