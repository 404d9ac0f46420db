import asyncio
import contextlib
import math

from orderd.sampling.ask import NotAskedError, ProbeFailedError
from orderd.sampling.prober import Prober


class Service:
    """A service that behaves as the test says."""

    def __init__(self):
        self.error = None
        self.hangs = False
        self.asked = 0
        self.outstanding = 0
        self.outstanding_max = 0
        self.flips = 0

    async def ask(self):
        self.asked += 1
        self.outstanding += 1
        self.outstanding_max = max(self.outstanding, self.outstanding_max)
        try:
            await asyncio.sleep(3600 if self.hangs else 0)
        finally:
            self.outstanding -= 1
        if self.error:
            raise self.error

    def flipped(self):
        self.flips += 1


@contextlib.asynccontextmanager
async def probing(service, *, timeout_s=0.05, interval_s=60.0):
    prober = Prober(name="x", ask=service.ask, timeout_s=timeout_s, interval_s=interval_s, on_flip=service.flipped)
    task = asyncio.create_task(prober.run())
    try:
        await asyncio.sleep(0.01)
        yield prober
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_nothing_is_known_before_the_first_answer():
    """Before an answer the outcome is missing, not bad, and the age of the question is its latency."""
    service = Service()
    service.hangs = True
    async with probing(service, timeout_s=10) as prober:
        assert math.isnan(prober.ok)
        assert 0 < prober.latency_s() < 5


async def test_only_a_changed_outcome_is_an_event():
    """Ten good answers are one event, and a failure is the second one."""
    service = Service()
    async with probing(service, interval_s=0.02) as prober:
        await asyncio.sleep(0.15)
        assert (prober.ok, service.flips) == (1, 1)
        service.error = ProbeFailedError("no")
        await asyncio.sleep(0.1)
        assert (prober.ok, service.flips) == (0, 2)


async def test_a_host_that_cannot_ask_knows_nothing_of_the_service():
    """Without a port or descriptor left the outcome is missing, neither good nor bad; that is one event, and its end another."""
    service = Service()
    async with probing(service, interval_s=0.02) as prober:
        service.error = NotAskedError("no port left")
        await asyncio.sleep(0.1)
        assert math.isnan(prober.ok)
        assert math.isnan(prober.latency_s())
        assert service.flips == 2
        service.error = None
        await asyncio.sleep(0.1)
        assert (prober.ok, service.flips) == (1, 3)


async def test_a_hung_service_fails_in_time_with_one_question_outstanding():
    """No answer is a failure after the time limit, and questions never pile up."""
    service = Service()
    service.hangs = True
    async with probing(service, interval_s=0.01) as prober:
        for _ in range(10):
            prober.hurry()
            await asyncio.sleep(0.02)
        assert prober.ok == 0
        assert prober.latency_s() >= 0.045
        assert service.outstanding_max == 1


async def test_hurry_asks_at_once():
    """A unit event is answered by a question now, not at the next interval."""
    service = Service()
    async with probing(service) as prober:
        assert service.asked == 1
        prober.hurry()
        await asyncio.sleep(0.05)
        assert service.asked == 2


async def test_focus_asks_more_often_until_it_ends():
    """In focus the interval is short; afterwards it is the usual one."""
    service = Service()
    async with probing(service) as prober:
        prober.focus(0.03)
        await asyncio.sleep(0.2)
        assert service.asked >= 4
        prober.focus(None)
        await asyncio.sleep(0.05)
        asked = service.asked
        await asyncio.sleep(0.15)
        assert service.asked == asked


async def test_a_flood_of_events_is_no_flood_of_questions():
    """Questions keep a least distance however often somebody is in a hurry."""
    service = Service()
    async with probing(service) as prober:
        for _ in range(200):
            prober.hurry()
            await asyncio.sleep(0.001)
        assert service.asked <= 30


async def test_a_question_asked_in_a_hurry_does_not_move_the_others():
    """Two services asked at the same interval are asked at the same moments, also after one of them was asked in between."""
    asked = {"a": [], "b": []}
    probers = []
    for name, times in asked.items():

        async def ask(times=times):
            times.append(asyncio.get_running_loop().time())

        probers.append(Prober(name=name, ask=ask, timeout_s=1, interval_s=0.2, on_flip=lambda: None))
    tasks = [asyncio.create_task(prober.run()) for prober in probers]
    await asyncio.sleep(0.1)
    probers[0].hurry()
    await asyncio.sleep(0.6)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(asked["a"]) == len(asked["b"]) + 1
    for hurried, usual in zip(asked["a"][2:], asked["b"][1:], strict=True):
        assert abs(hurried - usual) < 0.05
