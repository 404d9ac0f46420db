"""Simulated hosts to ask about."""

import numpy as np
import pytest

from orderd.domain.faults import FAILURES, Failure
from ordertrainer import heldout
from ordertrainer.dataset import DatasetError
from ordertrainer.heldout import Part
from ordertrainer.policy.suites import TUNING
from ordertrainer.rules.windows import LOOKS, OTHERS, UNSEEN, recorded_sets, simulated_sets


@pytest.fixture(scope="module")
def drawn(playbooks):
    """Return what a list is made from, and what it is examined on."""
    return simulated_sets(playbooks.world, heldout.load(), hosts=96, seed=3, tick=lambda _share: None)


def test_no_host_is_in_two_sets(drawn):
    """A list is examined on incidents that it was not made from."""
    fit, sets = drawn
    seen = [set(fit.run_id), *(set(some.run_id) for some in sets.values())]
    assert set(sets) == {UNSEEN, OTHERS, TUNING}
    assert sum(map(len, seen)) == len(set().union(*seen))


def test_other_hosts_are_never_fitted(drawn):
    """Each is either among those that a list is made from, or of the other kind."""
    fit, sets = drawn
    both = len(set(sets[UNSEEN].run_id)) + len(set(sets[OTHERS].run_id))
    assert both == 48
    assert 0 < len(set(fit.run_id)) < 96
    assert len(set(sets[TUNING].run_id)) == 48


def test_each_host_is_looked_at_at_several_moments(drawn):
    """Before its fault and after it."""
    fit, _ = drawn
    _, counts = np.unique(fit.run_id, return_counts=True)
    assert set(counts) == {LOOKS}
    broken = {run for run, wrong in zip(fit.run_id, fit.wrong, strict=True) if wrong}
    calm = {run for run, wrong in zip(fit.run_id, fit.wrong, strict=True) if not wrong}
    assert len(broken & calm) > 5


def test_what_is_kept_for_the_final_test_is_not_asked_about(drawn):
    """The fit knows trained families alone, and the exam those that choose between trainings."""
    held = heldout.load()
    fit, sets = drawn
    parts = {name: {held.part(str(fault)) for fault in set(some.fault) - {""}} for name, some in {"fit": fit, **sets}.items()}
    assert parts == {"fit": {Part.TRAIN}, UNSEEN: {Part.TRAIN}, OTHERS: {Part.TRAIN}, TUNING: {Part.TUNE}}


def test_labels_are_those_of_the_trainer(drawn):
    """The class of each failing entity by the index that data sets use."""
    fit, _ = drawn
    named = {FAILURES[place] for place in np.unique(fit.failure) if place > 0}
    assert Failure.SERVICE_DOWN in named
    assert Failure.OK not in named
    assert ((fit.failure == -1) | fit.present).all()


def test_a_folder_without_labels_is_refused(tmp_path):
    """With what would make one."""
    with pytest.raises(DatasetError, match="ordertrainer collect"):
        recorded_sets(tmp_path)
