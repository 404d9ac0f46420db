"""The order model as a network: shapes, masks, missing values, order."""

import numpy as np
import pytest
import torch

from orderd.domain.faults import FAILURES, KIND_OF, KINDS
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S
from ordertrainer.nets.normaliser import Normaliser
from ordertrainer.nets.order import OrderNet, parameter_count


@pytest.fixture
def net():
    """Return a network with random weights from a fixed seed."""
    torch.manual_seed(3)
    return OrderNet().eval()


def inputs(batch, entities, seed=0):
    """Return random inputs, a fifth missing."""
    generator = torch.Generator().manual_seed(seed)
    host = torch.randn(batch, len(SLOT_AGES_S), len(HOST_SIGNALS), generator=generator)
    rows = torch.randn(batch, entities, len(SLOT_AGES_S), len(ENTITY_SIGNALS), generator=generator)
    rows[torch.rand(rows.shape, generator=generator) < 0.2] = torch.nan
    kind = torch.randint(0, len(KINDS), (batch, entities), generator=generator)
    return host, rows, kind, torch.ones(batch, entities, dtype=torch.bool)


def test_every_entity_gets_a_distribution_over_what_it_can_have(net):
    """Rows sum to 1, and classes of other kinds have no probability at all."""
    host, rows, kind, present = inputs(4, 9)
    failure, wrong = net(host, rows, kind, present)
    assert torch.allclose(failure.sum(-1), torch.ones(4, 9), atol=1e-5)
    assert ((wrong >= 0) & (wrong <= 1)).all()
    for c, name in enumerate(FAILURES[1:], start=1):
        other = kind != KINDS.index(KIND_OF[name])
        assert (failure[..., c][other] == 0).all()


def test_padding_changes_nothing(net):
    """Absent entities, whatever their rows hold, do not move any answer."""
    host, rows, kind, present = inputs(2, 4)
    more = torch.cat((rows, torch.full_like(rows, 1e6)), dim=1)
    absent = torch.cat((present, torch.zeros_like(present)), dim=1)
    failure, wrong = net(host, rows, kind, present)
    padded, padded_wrong = net(host, more, torch.cat((kind, kind), dim=1), absent)
    assert torch.allclose(failure, padded[:, :4], atol=1e-5)
    assert torch.allclose(wrong, padded_wrong, atol=1e-5)


def test_order_of_entities_does_not_matter(net):
    """Shuffled entities get the same answers, shuffled."""
    host, rows, kind, present = inputs(1, 8)
    shuffle = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    failure, wrong = net(host, rows, kind, present)
    other, other_wrong = net(host, rows[:, shuffle], kind[:, shuffle], present)
    assert torch.allclose(failure[:, shuffle], other, atol=1e-5)
    assert torch.allclose(wrong, other_wrong, atol=1e-5)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 1e30, -1e30, 0.0])
def test_any_value_gives_a_finite_answer(net, value):
    """A host where a collector failed, or lied wildly, never gets NaN."""
    host, rows, kind, present = inputs(2, 3)
    failure, wrong = net(torch.full_like(host, value), torch.full_like(rows, value), kind, present)
    assert torch.isfinite(failure).all()
    assert torch.isfinite(wrong).all()


def test_missing_differs_from_zero(net):
    """Missing is not zero: the answers differ."""
    host, rows, kind, present = inputs(1, 3)
    zero, _ = net(host, torch.zeros_like(rows), kind, present)
    missing, _ = net(host, torch.full_like(rows, torch.nan), kind, present)
    assert not torch.allclose(zero, missing, atol=1e-4)


def test_normaliser_brings_any_unit_to_the_same_size():
    """Bytes per second and ratios come out centred with a deviation near one; NaN comes out as zero, marked."""
    rng = np.random.default_rng(0)
    values = np.stack([rng.lognormal(18, 1, 5000), rng.uniform(0, 1, 5000), np.full(5000, np.nan)], axis=1).astype(np.float32)
    normaliser = Normaliser(["a_bytes_per_s", "b_ratio", "c_ratio"])
    normaliser.fit(values)
    out = normaliser(torch.from_numpy(values)).numpy()
    assert np.abs(out[:, :2].mean(axis=0)).max() < 0.1
    assert 0.8 < out[:, 0].std() < 1.2
    assert (out[:, 2] == 0).all()
    assert (out[:, 5] == 0).all()
    assert (out[:, 3:5] == 1).all()


def test_noise_below_the_unit_is_not_blown_up():
    """A clock that drifts by microseconds in training does not make a drift of a millisecond look like a step."""
    rng = np.random.default_rng(0)
    normaliser = Normaliser(["clock_step_s"])
    normaliser.fit(rng.normal(0, 1e-6, (5000, 1)).astype(np.float32))
    drifted, stepped = (float(normaliser(torch.tensor([[value]]))[0, 0]) for value in (1e-3, 3600.0))
    assert abs(drifted) < 1.5
    assert stepped == 8.0


def test_the_network_is_small():
    """It stays within the size that answers sixteen entities in two milliseconds on one thread."""
    assert 50_000 < parameter_count(OrderNet()) < 300_000
