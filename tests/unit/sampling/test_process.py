import math
import os

import psutil
import pytest

from orderd.sampling.proc import Stat
from orderd.sampling.process import KEEP_S, ProcessCollector, is_of_service

TICKS = os.sysconf("SC_CLK_TCK")
PAGES = psutil.virtual_memory().total // os.sysconf("SC_PAGE_SIZE")


class FakeTable:
    """A process table set by the test."""

    def __init__(self):
        self.stats = {}

    @property
    def count(self):
        return len(self.stats)

    def scan(self):
        return iter(sorted(self.stats.items()))

    def set(self, pid, *, cpu_s=0.0, memory=0.0, state="S", start=1):
        self.stats[pid] = Stat(
            state=state, kernel=False, utime=int(cpu_s * TICKS), stime=0, threads=1, start=start, rss=int(memory * PAGES)
        )


class FakeCgroups:
    """Every process is in the group named by its pid."""

    def group_of(self, pid):
        return f"/system.slice/{pid}.service"


@pytest.fixture
def table():
    return FakeTable()


@pytest.fixture
def collector(table):
    return ProcessCollector(
        table=table,
        cgroups=FakeCgroups(),
        service_groups=lambda: frozenset({"/system.slice/7.service"}),
        processes_max=2,
    )


async def rows(collector, clock):
    reading = await collector.collect(clock.now())
    return {int(entity.key.split(":")[0]): row for entity, row in reading.entities.items()}


async def test_a_process_that_burns_cpu_becomes_an_entity(collector, table, manual_clock):
    """0.3 cores make a process stand out; 0.2 do not."""
    table.set(7)
    table.set(8)
    assert await rows(collector, manual_clock) == {}
    manual_clock.advance(2)
    table.set(7, cpu_s=1.0)
    table.set(8, cpu_s=0.4)
    seen = await rows(collector, manual_clock)
    assert list(seen) == [7]
    assert seen[7]["process_cpu_user_cores"] == 0.5
    assert seen[7]["process_of_service_ratio"] == 1


async def test_a_process_whose_memory_grows_becomes_an_entity(collector, table, manual_clock):
    """Growth of 0.2 % of memory a second makes a process stand out, however small it still is."""
    table.set(8, memory=0.01)
    await rows(collector, manual_clock)
    manual_clock.advance(1)
    table.set(8, memory=0.02)
    seen = await rows(collector, manual_clock)
    assert seen[8]["process_memory_growth_ratio_per_s"] == pytest.approx(0.01, rel=1e-3)
    assert seen[8]["process_of_service_ratio"] == 0


async def test_an_entity_stays_for_a_while_after_it_calmed_down(collector, table, manual_clock):
    """A bursty process does not flicker: it stays 10 s, then goes."""
    table.set(7)
    await rows(collector, manual_clock)
    manual_clock.advance(1)
    table.set(7, cpu_s=1.0)
    await rows(collector, manual_clock)
    manual_clock.advance(KEEP_S)
    assert list(await rows(collector, manual_clock)) == [7]
    manual_clock.advance(1)
    assert await rows(collector, manual_clock) == {}


async def test_a_dead_process_is_gone_at_once(collector, table, manual_clock):
    """Absent is what proves that a runaway was stopped."""
    table.set(7, memory=0.5)
    assert list(await rows(collector, manual_clock)) == [7]
    table.stats.clear()
    assert await rows(collector, manual_clock) == {}


async def test_a_reused_pid_is_another_process(collector, table, manual_clock):
    """The start time is part of the identity: a successor inherits no CPU time and no history."""
    table.set(7, cpu_s=100, memory=0.3, start=1)
    await rows(collector, manual_clock)
    manual_clock.advance(1)
    table.set(7, cpu_s=0, memory=0.3, start=2)
    assert math.isnan((await rows(collector, manual_clock))[7]["process_cpu_user_cores"])


async def test_the_strongest_processes_win_and_order_is_by_pid(collector, table, manual_clock):
    """At most processes_max become entities: those furthest above a threshold, in the order of pids."""
    for pid, memory in ((9, 0.4), (5, 0.21), (6, 0.3), (4, 0.25)):
        table.set(pid, memory=memory)
    assert list(await rows(collector, manual_clock)) == [6, 9]


async def test_blocked_processes_are_counted_over_ten_scans(collector, table, manual_clock):
    """One scan in state D out of ten is a tenth; on the host it is the share of now."""
    for i in range(12):
        manual_clock.advance(1)
        table.set(7, memory=0.5, state="D" if i == 5 else "S")
        seen = await collector.collect(manual_clock.now())
        assert seen.host["process_blocked_ratio"] == (1.0 if i == 5 else 0.0)
    assert next(iter(seen.entities.values()))["process_blocked_ratio_recent"] == 0.1


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("/system.slice/nginx.service", True),
        ("/system.slice/nginx.service/worker", True),
        ("/system.slice/nginx.service-evil", False),
        ("/user.slice", False),
        ("/orderd.slice/orderd-exec.service", True),
        ("", False),
    ],
)
def test_service_membership_is_by_path_component(group, expected):
    """A group belongs to a service when it is its group or below, not when its name merely begins alike."""
    assert is_of_service(group, frozenset({"/system.slice/nginx.service"})) is expected
