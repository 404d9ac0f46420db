"""Of two faults at once, what the other one broke is not held against this one's repair."""

import random
from pathlib import Path

import pytest

from ordertrainer.chaos import draw, load_faults
from ordertrainer.drill.run import Course, _beside
from ordertrainer.drill.symptoms import Unseen

FAULTS = load_faults(Path(__file__).parents[3] / "playbooks" / "faults").faults


def together(*names):
    """Return courses of faults that happen at once."""
    courses = []
    for name in names:
        experiment = draw(random.Random(1), FAULTS[name])
        target = f"{FAULTS[name].target}:{experiment.target}"
        courses.append(Course(experiment=experiment, contract=FAULTS[name], symptom=Unseen(), target=target, began_ns=0))
    for course in courses:
        course.others = [other for other in courses if other is not course]
    return courses


def test_the_server_that_another_fault_stopped_is_not_this_ones():
    """Restarting a name server that hangs is right, whatever else was broken beside it."""
    mask, hung = together("service_mask", "dns_server_hung")
    assert _beside(None, mask) == ["resolver:system", "unit:dnsmasq.service"]
    assert _beside(None, hung) == [mask.target]


@pytest.mark.parametrize("name", ["dns_server_down", "service_stop"])
def test_what_this_fault_broke_itself_stays_its_own(name):
    """Two faults may need the same unit; a repair of it is one of either."""
    one, other = together(name, name)
    assert _beside(None, one) == _beside(None, other) == []
