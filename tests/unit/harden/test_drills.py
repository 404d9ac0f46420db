"""A generation's drills: chaos learns from them, and nothing is drilled that may not be trained."""

import numpy as np
import pytest

from ordertrainer.evolve.population import Even, Population
from ordertrainer.harden.drills import drilled
from ordertrainer.heldout import Part
from ordertrainer.imitation.checkpoint import net_of, read
from ordertrainer.imitation.views import check_separate


@pytest.fixture(scope="module")
def lived(playbooks, held, start):
    """Return a maker of the same drills, and the chaos that drew them."""

    def make(chaos=Population):
        mine = chaos(playbooks.world, held)
        return drilled(playbooks, net_of(read(start)), mine, rounds=2, hosts=12, seed=5, generation=0), mine

    return make


@pytest.fixture(scope="module")
def once(lived):
    """Return them."""
    return lived()


def test_chaos_learns_and_keeps_a_generation(once):
    """What it drew is in its archive: every drill but the calm ones."""
    found, chaos = once
    assert found.figures["drills"] == 24
    assert 0 < len(chaos.archive) <= 24
    assert len(chaos.generations) == 1


def test_some_drills_are_for_choosing_and_none_is_for_both(once):
    """By drill, never by window."""
    found, _ = once
    check_separate(train=found.train, tune=found.tune)
    assert len(found.train) > len(found.tune) > 0


def test_only_what_may_be_trained_is_drilled(once, held):
    """Families and intensities as the locked split has them."""
    for examples in (once[0].train, once[0].tune):
        assert {held.part(str(fault)) for fault in examples.fault if fault} == {Part.TRAIN}
        seen = examples.intensity[np.isfinite(examples.intensity)]
        assert held.intensity[0] <= seen.min() <= seen.max() <= held.intensity[1]


def test_equal_seeds_are_equal_drills(once, lived):
    """To the bit; even chaos draws others."""
    again, _ = lived()
    assert np.array_equal(again.train.rows, once[0].train.rows, equal_nan=True)
    assert again.figures == once[0].figures
    even, _ = lived(Even)
    assert even.train.rows.shape != again.train.rows.shape or not np.array_equal(
        even.train.rows, again.train.rows, equal_nan=True
    )
