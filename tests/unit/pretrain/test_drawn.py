"""Series that nobody measured: codes, of many kinds, and their own next second."""

import torch

from ordertrainer.nets.order import SLOTS
from ordertrainer.pretrain.drawn import drawn


def test_drawn_series_are_codes_of_many_kinds():
    """Some stand still, some move by one and some by dozens, some in coarse steps; all between 0 and 255."""
    slots, nexts = drawn(2000, torch.Generator().manual_seed(0))
    assert slots.shape == (2000, SLOTS)
    assert 0.0 <= float(slots.min()) <= float(slots.max()) <= 255.0
    assert torch.equal(slots, slots.floor())
    moved = (nexts - slots[:, 0]).abs()
    assert 0.3 < float((moved == 0).float().mean()) < 0.7
    assert float((moved > 20).float().mean()) > 0.05
    in_tenths = torch.isin(nexts, (torch.arange(11) * 25.5).floor())
    assert 0.08 < float(in_tenths.float().mean()) < 0.25


def test_the_newest_slot_tells_most_of_the_next_second():
    """Series have a memory: the newest slot is nearer to what comes than the oldest."""
    slots, nexts = drawn(2000, torch.Generator().manual_seed(1))
    near, far = ((slots[:, place] - nexts).abs().mean() for place in (0, -1))
    assert float(near) < 0.7 * float(far)


def test_equal_generators_draw_equal_series():
    """Which is what makes a training that goes on end where an unbroken one does."""
    one, other = (drawn(50, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])
