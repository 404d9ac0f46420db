import asyncio
import time

from orderd.sampling.wakeups import Wakeups


async def test_time_is_up_without_events():
    """Without events the timer is the cause."""
    assert await Wakeups().wait(0.01) == "timer"


async def test_an_event_wakes_within_milliseconds():
    """An event ends a long wait at once and names its kind."""
    wakeups = Wakeups()
    asyncio.get_running_loop().call_later(0.01, wakeups.notify, "unit")
    started = time.monotonic()
    assert await wakeups.wait(10) == "unit"
    assert time.monotonic() - started < 1


async def test_a_burst_is_one_wake_up():
    """Several messages about one death are one wake-up, named by the first."""
    wakeups = Wakeups(coalesce_s=0.05)
    loop = asyncio.get_running_loop()
    for delay in (0, 0.001, 0.002):
        loop.call_later(delay, wakeups.notify, "unit" if delay == 0 else "probe")
    assert await wakeups.wait(1) == "unit"
    assert await wakeups.wait(0.01) == "timer"


async def test_an_event_between_waits_is_not_lost():
    """What happens while the loop is busy wakes the next wait."""
    wakeups = Wakeups()
    wakeups.notify("probe")
    assert await wakeups.wait(0) == "probe"


async def test_a_flapping_unit_cannot_keep_the_loop_busy():
    """Wake-ups by events keep their least distance."""
    wakeups = Wakeups(coalesce_s=0, spacing_s=0.02)
    started, count = time.monotonic(), 0
    while time.monotonic() - started < 0.2:
        wakeups.notify("unit")
        await wakeups.wait(1)
        count += 1
    assert count <= 11
