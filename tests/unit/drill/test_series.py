from hypothesis import example, given
from hypothesis import strategies as st

from ordertrainer.drill.series import NS_PER_S, Probe, Series, answered, thinned

MS = NS_PER_S // 1000


def probes(pattern, every_ms=50, took_ms=2):
    """One probe a character, good where it is '+'."""
    return Series(
        [Probe(start_ns=i * every_ms * MS, end_ns=(i * every_ms + took_ms) * MS, ok=c == "+") for i, c in enumerate(pattern)]
    )


def broken(probe):
    return not probe.ok


def test_fault_counts_from_the_last_moment_of_health():
    """A fault has landed when the last good probe before the first bad one ended, not when the bad one was noticed."""
    assert probes("+++--").turned(0, broken) == (2 * 50 + 2) * MS


def test_fault_is_not_dated_before_the_injection():
    """A break whose last good probe lies before the moment asked about counts from that moment."""
    assert probes("++----").turned(120 * MS, broken) == 120 * MS


def test_what_never_broke_has_not_landed():
    """Good probes alone give no landing."""
    assert probes("++++").turned(0, broken) is None


def test_health_counts_from_the_first_good_answer_of_an_unbroken_hold():
    """A flicker during the hold starts it anew."""
    series = probes("+--+-" + "+" * 45)
    assert series.held(0, 2.0) == (5 * 50 + 2) * MS


def test_hold_that_is_not_over_is_no_health():
    """Less than the hold is not enough."""
    assert probes("--" + "+" * 10).held(0, 2.0) is None


def test_probe_that_began_before_the_landing_does_not_prove_health():
    """A probe begun before the moment asked about is left out, even if it ended well after it."""
    late = Series([Probe(start_ns=0, end_ns=3 * NS_PER_S, ok=True), Probe(start_ns=4 * NS_PER_S, end_ns=5 * NS_PER_S, ok=True)])
    assert late.held(NS_PER_S, 0.0) == 5 * NS_PER_S


@given(st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=400), st.integers(min_value=2, max_value=60))
@example([0.0, 0.0, 0.0, 1.0, 0.0, 1.0], 3)
def test_thinning_keeps_the_extremes(values, points_max):
    """However much is dropped, the lowest and the highest value stay."""
    seen = [Probe(start_ns=i, end_ns=i, ok=True, value=value) for i, value in enumerate(values)]
    kept = [value for _, value in thinned(seen, points_max)]
    assert (min(kept), max(kept)) == (min(values), max(values))
    assert len(kept) <= points_max


def test_probe_without_opinion_is_judged_by_its_own_word():
    """The default of a hold is the probe's own verdict."""
    assert answered(Probe(start_ns=0, end_ns=1, ok=True))
