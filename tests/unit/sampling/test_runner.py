import logging

from orderd.sampling.collector import Reading
from orderd.sampling.runner import CollectorRun


class Breakable:
    """A collector that does what the test says."""

    name = "breakable"
    signals = frozenset({"load_per_core"})
    kinds = frozenset()
    every_s = 0.0

    def __init__(self):
        self.error = None
        self.calls = 0

    async def collect(self, at):
        self.calls += 1
        if self.error:
            raise self.error
        return Reading(host={"load_per_core": float(self.calls)})


async def test_runner_isolates_a_broken_collector(manual_clock):
    """A collector that raises costs its own signals, nothing else, and recovers by itself."""
    collector = Breakable()
    run = CollectorRun(collector)
    collector.error = RuntimeError("sensor gone")
    assert (await run.read(manual_clock.now(), 0)).host == {}
    assert run.failed
    collector.error = None
    assert (await run.read(manual_clock.now(), 0)).host == {"load_per_core": 2}
    assert not run.failed
    assert (run.stats.collections, run.stats.failures) == (2, 1)


async def test_runner_logs_a_failure_once_per_change(manual_clock, caplog):
    """A sensor that stays broken must not fill the journal."""
    collector = Breakable()
    run = CollectorRun(collector)
    with caplog.at_level(logging.INFO):
        for error in [OSError("x")] * 5 + [OSError("y")] * 5 + [None] * 2:
            collector.error = error
            await run.read(manual_clock.now(), 0)
    assert len(caplog.records) == 3


async def test_runner_serves_the_last_reading_between_collections(manual_clock):
    """Event samples in quick succession do not measure rates over noise."""
    collector = Breakable()
    run = CollectorRun(collector)
    await run.read(manual_clock.now(), 0.4)
    manual_clock.advance(0.1)
    assert (await run.read(manual_clock.now(), 0.4)).host == {"load_per_core": 1}
    manual_clock.advance(0.3)
    assert (await run.read(manual_clock.now(), 0.4)).host == {"load_per_core": 2}
