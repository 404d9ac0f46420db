"""Simulated drills are examples like recorded ones, and only of what may be trained."""

import numpy as np
import pytest

from orderd.domain.faults import FAILURES, KIND_OF, KINDS, Failure
from ordertrainer import heldout
from ordertrainer.dataset import IGNORE
from ordertrainer.dataset.examples import joined
from ordertrainer.heldout import Part
from ordertrainer.imitation.simulated import simulated_examples
from ordertrainer.imitation.toy import toy_examples
from ordertrainer.sim import load_compiled


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture(scope="module")
def world():
    """The real catalogue."""
    return load_compiled()


@pytest.fixture(scope="module")
def examples(world):
    """Enough for every kind of level."""
    return simulated_examples(world, heldout.load(), windows=900, seed=3)


def test_there_are_quiet_hosts_failures_of_many_classes_and_some_without_a_name(examples):
    """And each class is on entities that can have it."""
    failing = examples.failure > 0
    assert len({int(c) for c in examples.failure[failing]}) > 12
    for c in {int(c) for c in examples.failure[failing]}:
        assert {KINDS[int(k)] for k in examples.kind[examples.failure == c]} == {KIND_OF[FAILURES[c]]}
    assert 0.2 < (examples.wrong == 0).mean() < 0.8
    nameless = (examples.wrong == 1) & ~failing.any(axis=1)
    assert nameless.any()
    assert not (examples.wrong == 0)[failing.any(axis=1)].any()


def test_only_what_may_be_trained_is_simulated(examples):
    """Families and intensities as the locked split has them."""
    held = heldout.load()
    assert {held.part(str(fault)) for fault in examples.fault if fault} == {Part.TRAIN}
    seen = examples.intensity[np.isfinite(examples.intensity)]
    assert held.intensity[0] <= seen.min() <= seen.max() <= held.intensity[1]


def test_equal_seeds_make_equal_examples(world, examples):
    """Another seed makes others."""
    again, other = (simulated_examples(world, heldout.load(), windows=40, seed=seed) for seed in (3, 4))
    width = again.kind.shape[1]
    assert np.array_equal(again.rows, examples.rows[:40, :width], equal_nan=True)
    assert not np.array_equal(again.host[:40], other.host[:40], equal_nan=True)


def test_a_failure_that_cannot_be_seen_yet_is_no_example(examples):
    """As in recorded drills: a mount that fills up is called full when it is."""
    from orderd.domain.signals import ENTITY_INDEX

    full = examples.failure == FAILURES.index(Failure.DISK_FULL)
    assert full.any()
    assert (examples.rows[full][:, 0, ENTITY_INDEX["mount_used_ratio"]] >= 0.95).all()


def test_two_sets_are_joined_at_the_width_of_the_wider(examples):
    """Padding is nothing: no kind, not present, not judged."""
    toy = toy_examples(seed=0, runs=2)
    both = joined(toy, examples)
    assert len(both) == len(toy) + len(examples)
    assert both.rows.shape[1] == max(toy.kind.shape[1], examples.kind.shape[1])
    assert np.array_equal(both.failure[: len(toy), : toy.kind.shape[1]], toy.failure)
    beyond = both.failure[: len(toy), toy.kind.shape[1] :]
    assert beyond.size
    assert (beyond == IGNORE).all()
    assert not both.present[: len(toy), toy.kind.shape[1] :].any()
    assert list(both.run_id[-1:]) == list(examples.run_id[-1:])
