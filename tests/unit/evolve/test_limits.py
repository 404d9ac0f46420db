"""Prices of limits."""

from ordertrainer.evolve.limits import Limits, Prices


def test_a_price_rises_while_its_limit_is_broken_and_falls_to_nothing_after():
    """Each by itself; never above the most, never below nothing."""
    prices = Prices(limits=Limits(healthy=0.01, harmful=0.0, step_s=100.0, price_max_s=20.0))
    prices.learn(healthy=0.11, harmful=0.0)
    assert prices.now_s == {"healthy": 10.0, "harmful": 0.0}
    for _ in range(5):
        prices.learn(healthy=0.11, harmful=0.02)
    assert prices.now_s == {"healthy": 20.0, "harmful": 10.0}
    for _ in range(30):
        prices.learn(healthy=0.0, harmful=0.0)
    assert prices.now_s == {"healthy": 0.0, "harmful": 10.0}
