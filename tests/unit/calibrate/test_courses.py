"""Fitting what hosts in order measure: known courses are found again."""

import numpy as np
import pytest
import torch

from ordertrainer.calibrate.courses import Series, course, wandering
from ordertrainer.sim.courses import deviation, own
from ordertrainer.sim.tables import Part

RUNS, SECONDS = 150, 20


def simulated(between, slow, slow_s, value=np.exp):
    """Return series of a signal of the simulator's own making: runs of some seconds, of one entity each."""
    fast = max(0.0, 1.0 - between - slow)
    weights = [torch.tensor(share**0.5) for share in (between, slow, fast)]
    part = Part(torch.tensor(0), *weights, torch.tensor(slow_s))
    seed = torch.arange(RUNS, dtype=torch.int32)[:, None] * 7919
    at_s = torch.arange(SECONDS, dtype=torch.float32).expand(RUNS, -1)
    z = part.own * own(seed, 3, 5) + deviation(part, seed, 3, at_s=at_s, column=5)
    return [Series(at_s=at_s[0].numpy().astype(float), values=value(row.numpy().astype(float))) for row in z]


@pytest.mark.parametrize(("between", "slow", "slow_s"), [(0.8, 0.0, 64.0), (0.1, 0.6, 4.0), (0.0, 0.0, 64.0), (0.3, 0.4, 8.0)])
def test_a_known_course_is_found_again(between, slow, slow_s):
    """What stays, what wanders and what is new each second, to a tenth of the variance; the median and the ends too."""
    found = course(simulated(between, slow, slow_s))
    assert found.between == pytest.approx(between, abs=0.1)
    assert found.slow == pytest.approx(slow, abs=0.2)
    assert slow == 0.0 or found.slow_s in {slow_s / 2, slow_s, slow_s * 2}
    assert found.values[12] == pytest.approx(1.0, abs=0.25)
    assert 3.0 < found.values[-6] < 8.0


def test_what_is_mostly_nothing_stays_so():
    """A signal that is zero three times in four is zero in as many knots, and not half of something."""
    found = course(simulated(0.2, 0.3, 4.0, value=lambda z: np.where(z > 0.674, np.exp(z), 0.0)))
    assert found.values[:14] == (0.0,) * 14
    assert found.values[-1] > 5.0


def test_what_never_changes_has_no_noise():
    """One value, in all knots."""
    found = course(simulated(0.2, 0.3, 4.0, value=np.zeros_like))
    assert (set(found.values), found.between, found.slow) == ({0.0}, 1.0, 0.0)


def test_missing_entities_are_counted():
    """The share of entities that never measured it; what nobody measured at all is missing everywhere."""
    some = simulated(0.5, 0.0, 4.0)
    lacking = [Series(at_s=each.at_s, values=np.full_like(each.values, np.nan)) for each in some[:50]]
    assert course(lacking + some[50:]).missing == pytest.approx(1 / 3, abs=0.01)
    assert course(lacking * 2).missing == 1.0
    assert course([Series(at_s=some[0].at_s[:9], values=some[0].values[:9])]) is None


def test_wandering_is_alike_at_once_and_not_later():
    """The correlation begins near 1 and is gone after two knots."""
    near, far = wandering(8.0, np.array([0.01, 16.0]))
    assert near == pytest.approx(1.0, abs=0.01)
    assert far == pytest.approx(0.0, abs=1e-6)
