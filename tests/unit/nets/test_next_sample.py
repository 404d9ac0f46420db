"""The next sample: distributions that are some, of what is there, from what came before."""

import math

import pytest
import torch

from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from ordertrainer.nets.codes import CODES, codes_of, positions_of, series
from ordertrainer.nets.mixture import Mixture, bits, probabilities
from ordertrainer.nets.next_sample import NextNet, Seen, Things
from ordertrainer.nets.normaliser import Normaliser
from ordertrainer.nets.order import SLOTS, OrderNet, Shape

SMALL = Shape(width=16, hidden=24, layers=1, heads=2, dropout=0.0)
H, F = len(HOST_SIGNALS), len(ENTITY_SIGNALS)


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture
def net():
    """Return a network that knows nothing."""
    torch.manual_seed(0)
    return NextNet(SMALL).eval()


def _drawn(count=3, entities=4):
    draws = torch.Generator().manual_seed(1)
    seen = Seen(
        host=torch.rand(count, SLOTS, H, generator=draws),
        entities=torch.rand(count, entities, SLOTS, F, generator=draws),
        kind=torch.zeros(count, entities, dtype=torch.int64),
        present=torch.ones(count, entities, dtype=torch.bool),
    )
    return seen, torch.rand(count, H, generator=draws), torch.rand(count, entities, F, generator=draws)


def _mixture(count=40):
    draws = torch.Generator().manual_seed(2)
    return Mixture(
        log_weight=torch.log_softmax(torch.randn(count, 5, generator=draws), -1),
        mean=torch.rand(count, 5, generator=draws) * 300.0 - 20.0,
        log_scale=torch.rand(count, 5, generator=draws) * 8.0 - 3.4,
    )


def test_a_distribution_is_one():
    """Over its 256 codes every mixture adds up to 1, and nothing is impossible."""
    said = probabilities(_mixture())
    torch.testing.assert_close(said.sum(-1), torch.ones(40))
    assert float(said.min()) > 0.0


def test_bits_are_those_of_the_distribution():
    """What a code costs is minus the logarithm of its probability, in the tails and at both ends too."""
    mixture = _mixture()
    said = probabilities(mixture)
    for code in (0, 1, 77, 128, 254, 255):
        cost = bits(mixture, torch.full((40,), float(code)))
        torch.testing.assert_close(cost, -said[:, code].log2(), rtol=2e-3, atol=2e-3)


def test_no_value_costs_more_than_18_bits():
    """A value that no component expects is paid from the flat share."""
    sure = Mixture(log_weight=torch.zeros(1, 1), mean=torch.tensor([[10.5]]), log_scale=torch.full((1, 1), math.log(0.03)))
    assert 17.0 < float(bits(sure, torch.tensor([200.0]))) < 18.1
    assert float(bits(sure, torch.tensor([10.0]))) < 0.01


def test_codes_span_what_the_normaliser_lets_through():
    """The least and the largest normalised value have the first and the last code, and missing has none."""
    raw = torch.tensor([[-1e30], [0.0], [1e30], [math.nan]])
    codes = codes_of(positions_of(Normaliser(["a_ratio"]), raw))[:, 0]
    assert codes[:3].tolist() == [0.0, CODES / 2, CODES - 1.0]
    assert bool(torch.isnan(codes[3]))


def test_a_series_begins_at_its_newest_measured_slot():
    """A slot that is missing is skipped, and movement is measured between neighbours that were both measured."""
    codes = torch.full((1, SLOTS, 2), math.nan)
    codes[0, 1:4, 0] = torch.tensor([30.0, 34.0, 31.0])
    found = series(codes)
    assert found.base.tolist() == [[30.5, CODES / 2]]
    assert float(found.spread[0, 0]) == pytest.approx(3.5)


def test_what_is_missing_costs_nothing(net):
    """Neither a signal that the next sample lacks, nor any of an entity that is not there."""
    seen, host, rows = _drawn()
    host[:, 3] = math.nan
    rows[:, 2] = math.nan
    seen.present[:, 1] = False
    said = net(seen, host, rows)
    assert not said.of_host[:, 3].any()
    assert not said.host[:, 3].any()
    assert not said.entities[:, 1:3].any()
    assert bool((said.host[:, :3] > 0).all())
    assert bool((said.entities[:, 0] > 0).all())


def test_a_network_with_missing_slots_says_numbers(net):
    """A daemon that has just begun, and one that was blind for a while."""
    seen, host, rows = _drawn()
    seen.host[0, 1:] = math.nan
    seen.entities[1, :, :5] = math.nan
    seen.host[2] = math.nan
    assert bool(net(seen, host, rows).mean().isfinite())


def test_signals_are_told_from_those_before_them(net):
    """What a signal turns out to be changes the price of later ones of the same thing, and of nothing else."""
    seen, host, rows = _drawn(count=1)
    before = net(seen, host, rows)
    host[0, 5] += 0.3
    rows[0, 1, 7] += 0.3
    after = net(seen, host, rows)
    changed, moved = (before.host != after.host)[0], (before.entities != after.entities)[0]
    assert not changed[:5].any()
    assert changed[6:].any()
    assert not moved[[0, 2, 3]].any()
    assert not moved[1, :7].any()
    assert moved[1, 8:].any()


def test_no_signal_is_told_from_itself(net):
    """What a signal turns out to be changes nothing of its own distribution, or the price would be no price."""
    draws = torch.Generator().manual_seed(5)
    slots = torch.randint(0, CODES, (1, SLOTS, 8), generator=draws).float()
    nexts = torch.randint(0, CODES, (1, 8), generator=draws).float()
    things = Things(slots, nexts, torch.rand(1, 2 * SMALL.width, generator=draws), torch.ones(1, dtype=torch.bool), 0)
    every = torch.ones(1, 8, dtype=torch.bool)
    before = net.head.of(things, every)
    nexts[0, 5] = 255.0 - nexts[0, 5]
    after = net.head.of(things, every)
    assert torch.equal(before.mean[:6], after.mean[:6])
    assert torch.equal(before.log_scale[:6], after.log_scale[:6])
    assert not torch.equal(before.mean[6:], after.mean[6:])


def test_without_a_name_nothing_but_its_own_slots_counts(net):
    """Of a nameless window neither other signals nor other entities change what a signal costs."""
    seen, host, rows = _drawn(count=2)
    nameless = torch.tensor([True, False])
    before = net(seen, host, rows, nameless)
    seen.host[:, :, 0] += 0.2
    after = net(seen, host, rows, nameless)
    assert torch.equal(before.host[0, 1:], after.host[0, 1:])
    assert torch.equal(before.entities[0], after.entities[0])
    assert not torch.equal(before.entities[1], after.entities[1])


def test_a_signal_that_stands_still_becomes_free(net):
    """After some steps of learning that nothing moves, what does not move costs next to nothing."""
    seen, host, rows = _drawn(count=16)
    seen = seen._replace(host=host[:, None].expand(-1, SLOTS, -1), entities=rows[:, :, None].expand(-1, -1, SLOTS, -1))
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    first = float(net(seen, host, rows).mean().detach())
    for _step in range(60):
        optimiser.zero_grad()
        net(seen, host, rows).mean().backward()
        optimiser.step()
    assert float(net(seen, host, rows).mean().detach()) < min(0.1, first / 2)


def test_encoders_and_blocks_have_the_names_of_the_order_model():
    """Every weight of the trunk has its place in an order model of the same sizes."""
    mine, order = NextNet(SMALL).state_dict(), OrderNet(SMALL).state_dict()
    trunk = [name for name in mine if not name.startswith("head.")]
    assert trunk
    assert all(mine[name].shape == order[name].shape for name in trunk)


def test_head_takes_things_of_any_shape(net):
    """One thing or a grid of them, the same slots cost the same."""
    draws = torch.Generator().manual_seed(3)
    slots = torch.randint(0, CODES, (2, 3, SLOTS, 4), generator=draws).float()
    nexts = torch.randint(0, CODES, (2, 3, 4), generator=draws).float()
    context, named = torch.rand(2, 3, 2 * SMALL.width, generator=draws), torch.ones(2, 3, dtype=torch.bool)
    grid = net.head.of(Things(slots, nexts, context, named, 0), torch.ones_like(nexts, dtype=torch.bool))
    alone = Things(slots[1, 2, None], nexts[1, 2, None], context[1, 2, None], named[1, 2, None], 0)
    one = net.head.of(alone, torch.ones(1, 4, dtype=torch.bool))
    torch.testing.assert_close(grid.mean[-4:], one.mean)
