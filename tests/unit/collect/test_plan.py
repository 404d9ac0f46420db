import random
from collections import Counter

import pytest

from ordertrainer.chaos import load_faults
from ordertrainer.collect.errors import CollectError
from ordertrainer.collect.plan import EXAMINED, TRAINED, Planner
from ordertrainer.drill.battery import FAULTS_DIR


@pytest.fixture(scope="module")
def faults():
    """The real catalogue."""
    return load_faults(FAULTS_DIR).faults


def shares(faults, split, count=300):
    """Return where in its contract's range each drawn intensity lies."""
    planner = Planner(random.Random(1), faults, split)
    for _ in range(count):
        task = planner.next()
        if task.contract and task.contract.intensity.max > task.contract.intensity.min and not task.contract.intensity.whole:
            low, high = task.contract.intensity.min, task.contract.intensity.max
            yield (task.experiment.intensity - low) / (high - low)


def test_every_fault_is_drawn_equally_often_and_so_are_quiet_stretches(faults):
    """Over whole bags no fault, and no quiet stretch, comes more often than another."""
    planner = Planner(random.Random(1), faults, "train")
    counts = Counter(planner.next().name for _ in range(5 * (len(faults) + 1)))
    assert set(counts) == {*faults, "quiet"}
    assert set(counts.values()) == {5}


def test_a_seed_says_everything(faults):
    """Two planners of one seed deal the same tasks, one of another seed deals others."""
    first, second, other = (Planner(random.Random(seed), faults, "train") for seed in (3, 3, 4))
    dealt = [first.next() for _ in range(20)]
    assert dealt == [second.next() for _ in range(20)]
    assert dealt != [other.next() for _ in range(20)]


def test_test_runs_never_use_intensities_that_training_saw(faults):
    """Training draws from the middle of each range, testing from outside of it."""
    (low, high), tolerance = TRAINED[0], 0.01
    assert all(low - tolerance <= share <= high + tolerance for share in shares(faults, "train"))
    assert all(share <= low + tolerance or share >= high - tolerance for share in shares(faults, "test"))
    assert ((0.0, low), (high, 1.0)) == EXAMINED


def test_a_dropped_fault_is_never_dealt_again(faults):
    """What these hosts cannot have is left out, also when it is in the bag already."""
    planner = Planner(random.Random(1), faults, "train")
    planner.next()
    planner.drop("clock_step")
    assert all(planner.next().name != "clock_step" for _ in range(3 * len(faults)))


def test_no_fault_left_is_an_error_with_a_remedy(faults):
    """When nothing can be injected, collecting says so instead of recording silence."""
    planner = Planner(random.Random(1), {"clock_step": faults["clock_step"]}, "train")
    planner.drop("clock_step")
    with pytest.raises(CollectError, match="--faults"):
        planner.next()
