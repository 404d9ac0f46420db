"""T15: a day of orderd in two minutes: memory, descriptors and threads must not grow.

The real loop, guard, journal with retention, hub with watchers, notifier and uplink with its spool; the host, the executor and
the clock are simulated, so that 86 400 ticks with an incident every five minutes fit into the test. The trainer and the webhook
are away all day, which is when things pile up.
"""

import asyncio
import gc
import logging
import os
import socket
import statistics
import threading
from pathlib import Path

import msgspec
import pytest

from fakes import DATA, DOWN, FULL, HUNG, MASKED, NGINX, REDIS, ROOMY, RUNNING, Scene
from founding import founding_repairs
from orderd.config import Config
from orderd.notify import Notifier
from orderd.record import DecisionHub, DecisionIds, Journal
from orderd.telemetry import Uplink

HOUR_S = 3_600
INCIDENT_EVERY_S = 300
WARM_UP_HOURS = 6
QUARTER_HOURS = 6
"""Of the day, at its beginning and at its end, over which the least of each count is taken."""
SLOPE_MIB_PER_H_MAX = 1.0
WATCHERS = 5
TROUBLES = ((NGINX, DOWN, RUNNING), (REDIS, HUNG, RUNNING), (DATA, FULL, ROOMY), (NGINX, MASKED, RUNNING), (REDIS, DOWN, RUNNING))


class Rooms:
    """The real rooms that the loop tells things to."""

    def __init__(self, config, clock, kept):
        self.hub = DecisionHub(config.rpc.watchers_max)
        self.uplink = Uplink(config.telemetry, "host-a", clock)
        self.notifier = Notifier(config.notify, kept, "host-a", clock)
        self.say, self.say_durably, self.resolve = self.notifier.say, self.notifier.say_durably, self.notifier.resolve
        self.offer_sample, self.offer_decision = self.uplink.offer_sample, self.uplink.offer_decision
        self.watched = self.decided = 0

    sent = waiting = 0
    problem = ""

    def publish(self, record):
        self.decided += len(record.steps) == 1
        self.hub.publish(record)

    async def watch(self):
        """Take every change, as a stream of WatchDecisions does."""
        with self.hub.subscribe() as changes:
            async for _ in changes:
                self.watched += 1


class Cures:
    """Whatever is run cures the host, except when it is told not to."""

    def __init__(self, host):
        self.host, self.works = host, True

    def get(self, _playbook, _default):
        return self.heal if self.works else (lambda: None)

    def heal(self):
        for entity, _, healthy in TROUBLES:
            self.host.state[entity] = dict(healthy)


class Day(Scene):
    """A scene with a real journal, hub, uplink and notifier."""

    def __init__(self, repairs, config):
        super().__init__(repairs, config)
        self.executor.cures = Cures(self.host)
        self.repaired = 0

    def start(self):
        self.journal = Journal.open(self.config.journal.path, self.config.journal)
        self.ids = DecisionIds(self.clock, after=self.journal.newest_id())
        self.sink = Rooms(self.config, self.clock, self.journal.kept)
        super().start()

    async def hour(self, number):
        """Live through an hour: something breaks every five minutes, every seventh time no repair helps."""
        for part in range(HOUR_S // INCIDENT_EVERY_S):
            count = number * (HOUR_S // INCIDENT_EVERY_S) + part
            entity, broken, _ = TROUBLES[count % len(TROUBLES)]
            self.executor.cures.works = count % 7 != 0
            self.host.state[entity] = dict(broken)
            await self.ticks(INCIDENT_EVERY_S // 2, step_s=1.0)
            self.executor.cures.heal()
            await self.ticks(INCIDENT_EVERY_S // 2, step_s=1.0)
            while self.journal.retain(self.clock.now()):
                pass
        self.repaired += len(self.executor.requests)
        self.executor.requests.clear()


@pytest.fixture
def quiet():
    """Nothing is logged: pytest keeps every line in memory."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def resident_mib():
    """Return this process's resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def look():
    """Return resident memory in MiB, descriptors, threads and tasks of this process."""
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return resident_mib(), descriptors, threading.active_count(), len(asyncio.all_tasks())


@pytest.fixture
def config(tmp_path):
    """Return an installation's settings, bounds at their smallest, so that a day is enough to reach them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{probe.getsockname()[1]}"
    return msgspec.convert(
        {
            # Nearly every incident is to be repaired, all day long.
            "decision": {"mode": "auto", "masking": {"repairs": 100}, "failed_verifications_max": 10},
            "journal": {
                "path": str(tmp_path / "journal.sqlite"),
                "bytes_max": 16 << 20,
                "evidence_bytes_max": 1 << 20,
                "ballast_bytes": 1 << 20,
            },
            "telemetry": {"trainer": nobody, "spool": str(tmp_path / "spool"), "spool_bytes": 4 << 20, "insecure": True},
            "notify": {"sinks": [{"kind": "webhook", "url": f"http://{nobody}/"}], "again_s": 60.0, "queue_max": 50},
        },
        Config,
    )


@pytest.mark.usefixtures("quiet")
async def test_a_day_of_incidents_leaves_no_trace_in_memory(config, tmp_path, measured, size):
    """After warm-up memory grows by less than 1 MiB an hour, descriptors and threads not at all; files stay bounded."""
    hours = size(24, 24 * 7)
    day = Day(founding_repairs(), config)
    beside = [day.sink.uplink.run(), day.sink.notifier.run(), *(day.sink.watch() for _ in range(WATCHERS))]
    tasks = [asyncio.create_task(work) for work in beside]
    seen = []
    try:
        for number in range(hours):
            await day.hour(number)
            gc.collect()
            seen.append(look())
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await day.loop.close()
    later = seen[WARM_UP_HOURS:]
    slope = statistics.linear_regression(range(len(later)), [memory for memory, *_ in later]).slope
    # What leaks is there at every look; a connection that is being tried at this moment is not.
    first, last = (
        [min(column) for column in zip(*part, strict=True)] for part in (later[:QUARTER_HOURS], later[-QUARTER_HOURS:])
    )
    spooled = sum(path.stat().st_size for path in (tmp_path / "spool").glob("*.spool"))
    day.journal.close()
    measured(
        figure=f"{hours} h: {slope * 1024:+.0f} KiB/h over {first[0]:.0f} MiB, descriptors {first[1]} to {last[1]}, "
        f"threads {first[2]} to {last[2]}; {day.loop.samples} samples, {day.sink.decided} decisions, {day.repaired} repairs, "
        f"{day.sink.watched // WATCHERS} changes watched",
        limit="RSS slope < 1 MiB/h, descriptors and threads flat",
        runs=hours,
    )
    assert [error for error in ended if not isinstance(error, asyncio.CancelledError)] == []
    assert slope < SLOPE_MIB_PER_H_MAX
    assert last[1] <= first[1] + 2
    assert last[2] <= first[2] + 1
    assert last[3] <= first[3] + 3
    assert spooled <= 4 << 20
    assert day.sink.decided >= 10 * hours
    assert day.repaired >= 5 * hours
    assert day.sink.watched >= 30 * hours * WATCHERS
    assert day.sink.uplink.waiting + day.sink.uplink.dropped == day.loop.samples
