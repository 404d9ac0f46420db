import math
from types import SimpleNamespace

import psutil
import pytest

from orderd.sampling.memory import SWAP_LOOK_EVERY_S, MemoryCollector


@pytest.fixture
def swap(monkeypatch):
    """Return the swap that the host has."""
    swap = SimpleNamespace(total=0, used=0, reads=0)

    def read():
        swap.reads += 1
        return swap

    monkeypatch.setattr(psutil, "swap_memory", read)
    return swap


async def ratio(collector, clock):
    return (await collector.collect(clock.now())).host["swap_used_ratio"]


async def test_a_host_without_swap_has_no_swap_signal(swap, manual_clock):
    """No swap is missing, not empty, and is not asked about every second."""
    collector = MemoryCollector()
    for _ in range(5):
        assert math.isnan(await ratio(collector, manual_clock))
        manual_clock.advance(1)
    assert swap.reads == 1


async def test_swap_that_was_added_is_found(swap, manual_clock):
    """Temporary swap shows a few seconds after it was added, then every second."""
    collector = MemoryCollector()
    await ratio(collector, manual_clock)
    swap.total, swap.used = 100, 25
    manual_clock.advance(SWAP_LOOK_EVERY_S)
    assert await ratio(collector, manual_clock) == 0.25
    swap.used = 50
    manual_clock.advance(1)
    assert await ratio(collector, manual_clock) == 0.5
