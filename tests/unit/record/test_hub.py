"""DecisionHub."""

import asyncio

import pytest

from orderd.domain.values import DecisionRecord
from orderd.errors import WatchError
from orderd.record import DecisionHub
from orderd.record.hub import QUEUE_MAX


@pytest.fixture
def record(make_decision):
    """Return a change."""
    return DecisionRecord(decision=make_decision(), steps=())


async def test_every_watcher_sees_every_change(record):
    """Two watchers get the same two changes."""
    hub = DecisionHub()
    with hub.subscribe() as first, hub.subscribe() as second:
        hub.publish(record)
        hub.publish(record)
        for reader in (aiter(first), aiter(second)):
            assert [await anext(reader), await anext(reader)] == [record, record]


async def test_a_change_reaches_a_waiting_watcher(record):
    """A watcher that waits is woken by a change."""
    hub = DecisionHub()
    with hub.subscribe() as changes:
        waiting = asyncio.ensure_future(anext(aiter(changes)))
        await asyncio.sleep(0)
        hub.publish(record)
        assert await waiting == record


async def test_a_slow_watcher_is_dropped_and_told(record):
    """More changes than the queue holds end the watch with an error, and the publisher never waits."""
    hub = DecisionHub()
    with hub.subscribe() as slow, hub.subscribe() as fast:
        reader = aiter(fast)
        for _ in range(QUEUE_MAX + 1):
            hub.publish(record)
            await anext(reader)
        with pytest.raises(WatchError, match="behind"):
            [r async for r in slow]
        assert (hub.watchers, hub.dropped) == (1, 1)


async def test_too_many_watchers_are_refused():
    """One more than allowed raises and names the setting; leaving makes room."""
    hub = DecisionHub(watchers_max=1)
    with hub.subscribe(), pytest.raises(WatchError, match=r"rpc\.watchers_max"), hub.subscribe():
        pass
    with hub.subscribe():
        assert hub.watchers == 1
    assert hub.watchers == 0


async def test_closing_ends_all_watches_quietly():
    """After close, watchers end without an error, those that come later too."""
    hub = DecisionHub()
    with hub.subscribe() as changes:
        hub.close()
        assert [r async for r in changes] == []
    with hub.subscribe() as late:
        assert [r async for r in late] == []
