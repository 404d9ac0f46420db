from collections import Counter

import pytest

from ordertrainer.drill.battery import FIRST, battery, experiments
from ordertrainer.drill.errors import DrillError


def test_seed_decides_targets_and_intensities():
    """The same seed draws the same experiments, another seed others."""
    faults = battery()
    assert experiments(7, faults) == experiments(7, faults)
    assert experiments(7, faults) != experiments(8, faults)


@pytest.mark.parametrize("seed", range(20))
def test_services_are_spread_over_the_battery(seed):
    """No service is broken more than one time oftener than another, so that no rate limit of orderd is met."""
    drawn = experiments(seed, battery())
    used = Counter(e.target for e in drawn if e.target.endswith(".service"))
    assert len(used) == 4
    assert max(used.values()) - min(used.values()) <= 1


def test_first_battery_is_complete_and_in_order():
    """Without a choice the whole first battery is drawn, each fault once."""
    assert tuple(e.fault for e in experiments(1, battery())) == FIRST


def test_chosen_faults_keep_the_order_of_the_choice():
    """FAULTS=b,a runs b first."""
    assert [e.fault for e in experiments(1, battery(["disk_fill", "service_kill"]))] == ["disk_fill", "service_kill"]


def test_unknown_fault_is_refused_by_name():
    """The refusal names the fault and what there is instead."""
    with pytest.raises(DrillError, match=r"'service_melt'.*service_kill"):
        battery(["service_melt"])
