"""Augmentation leaves the truth alone."""

import numpy as np
import pytest
import torch

from orderd.domain.faults import FAILURES, Failure
from ordertrainer.imitation import augment as aug
from ordertrainer.imitation.toy import toy_examples
from ordertrainer.imitation.train import batch_of


@pytest.fixture(scope="module")
def batch():
    """Return a batch of toy windows."""
    return batch_of(toy_examples(seed=1, runs=18), np.arange(300))


@pytest.fixture
def generator():
    """Return a seeded source."""
    return torch.Generator().manual_seed(7)


@pytest.mark.parametrize("change", [aug.collapse_onset, aug.forget_history])
def test_newest_slot_is_never_replaced(batch, generator, change):
    """A failure must be named from the first sample that shows it, so slot 0 stays."""
    out = change(batch, 1.0, generator)
    assert torch.equal(out.rows[:, :, 0].nan_to_num(-9), batch.rows[:, :, 0].nan_to_num(-9))
    assert torch.equal(out.host[:, 0].nan_to_num(-9), batch.host[:, 0].nan_to_num(-9))
    assert not torch.equal(out.rows.nan_to_num(-9), batch.rows.nan_to_num(-9))


def test_slow_failures_keep_the_slots_that_show_them(batch, generator):
    """A runaway that began this very second looks like a compiler: the first four slots stay."""
    out = aug.collapse_onset(batch, 1.0, generator)
    slow = (batch.failure == FAILURES.index(Failure.CPU_RUNAWAY)).any(dim=1)
    assert slow.any()
    assert torch.equal(out.rows[slow][:, :, :4].nan_to_num(-9), batch.rows[slow][:, :, :4].nan_to_num(-9))


def test_failing_entities_never_disappear(batch, generator):
    """Only healthy entities are dropped, and what is dropped is no longer judged."""
    out = aug.drop_entities(batch, 0.9, generator)
    assert out.present[batch.failure > 0].all()
    assert (out.failure[~out.present] == -1).all()
    assert out.present.sum() < batch.present.sum()


def test_noise_leaves_flags_alone(batch, generator):
    """Zeros and ones are states, not measurements."""
    out = aug.add_noise(batch, 0.5, generator)
    flags = (batch.rows == 0) | (batch.rows == 1)
    assert torch.equal(out.rows[flags], batch.rows[flags])


def test_lost_signals_are_lost_in_all_slots(batch, generator):
    """A collector that fails is missing for the whole window, not for a slot."""
    gone = torch.isnan(aug.lose_signals(batch, 0.5, generator).host)
    assert torch.equal(gone.any(dim=1), gone.all(dim=1) | torch.isnan(batch.host).any(dim=1))


def test_equal_seeds_give_equal_batches(batch):
    """All randomness comes from the generator."""
    first, second = (aug.augment(batch, aug.Augmentation(), torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first.rows.nan_to_num(-9), second.rows.nan_to_num(-9))
    assert torch.equal(first.present, second.present)
