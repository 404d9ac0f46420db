import asyncio
import contextlib
import math

import pytest

from orderd.domain.faults import Entity
from orderd.sampling.proc import Stat
from orderd.sampling.systemd import unit_path
from orderd.sampling.unit import Restarts, UnitCollector, state_signals

UNIT = "nginx.service"
RUNNING = {
    "ActiveState": "active",
    "SubState": "running",
    "LoadState": "loaded",
    "UnitFileState": "enabled",
    "Result": "success",
    "NRestarts": 0,
    "Job": [0, "/"],
    "ControlGroup": "/system.slice/nginx.service",
    "MainPID": 10,
    "DropInPaths": [],
    "ActiveEnterTimestampMonotonic": 1_000_000,
}


class FakeHost:
    """What a unit collector asks, set by the test."""

    def __init__(self):
        self.said = dict(RUNNING)
        self.states = {10: "S", 11: "S"}
        self.masked = False
        self.alive = {10}

    def properties(self, unit):
        return self.said

    def pids(self, group):
        return list(self.states) if group else []

    def stat(self, pid):
        state = self.states.get(pid)
        return state and Stat(state=state, kernel=False, utime=0, stime=0, threads=1, start=1, rss=1)

    def changed(self, unit, paths, at):
        return 0.0


@pytest.fixture
def host():
    return FakeHost()


@pytest.fixture
def collector(host):
    return UnitCollector(
        units=[UNIT],
        properties=host.properties,
        cgroups=host,
        stat=host.stat,
        dropins=host,
        is_masked_on_disk=lambda unit: host.masked,
        exists=lambda pid: pid in host.alive,
    )


async def row(collector, clock):
    return (await collector.collect(clock.now())).entities[Entity.parse(f"unit:{UNIT}")]


async def test_a_main_process_that_died_is_seen_when_systemd_does_not_tell(host, collector, manual_clock):
    """With the bus frozen systemd's last word stays "active"; the process table knows better, after a moment's patience."""
    host.alive = set()
    assert (await row(collector, manual_clock))["unit_active_ratio"] == 1
    manual_clock.advance(0.4)
    assert (await row(collector, manual_clock))["unit_active_ratio"] == 0
    host.alive = {10}
    assert (await row(collector, manual_clock))["unit_active_ratio"] == 1


async def test_a_running_unit_looks_healthy(collector, manual_clock):
    """Active, nothing failed, for as long as systemd says."""
    seen = await row(collector, manual_clock)
    assert seen["unit_active_ratio"] == 1
    assert seen["unit_active_s"] == 4
    assert not any(v for k, v in seen.items() if k not in {"unit_active_ratio", "unit_active_s"})


async def test_a_unit_nobody_can_ask_about_is_missing(collector, host, manual_clock):
    """Without systemd's word there is no row of zeros."""
    host.said = None
    assert await row(collector, manual_clock) == {}


@pytest.mark.parametrize(
    ("change", "signal"),
    [
        ({"ActiveState": "failed", "Result": "exit-code"}, "unit_failed_ratio"),
        ({"ActiveState": "failed", "Result": "exit-code"}, "unit_result_exit_ratio"),
        ({"ActiveState": "failed", "Result": "core-dump"}, "unit_result_signal_ratio"),
        ({"ActiveState": "failed", "Result": "oom-kill"}, "unit_result_signal_ratio"),
        ({"ActiveState": "failed", "Result": "start-limit-hit"}, "unit_result_start_limit_ratio"),
        ({"ActiveState": "reloading"}, "unit_active_ratio"),
        ({"ActiveState": "activating"}, "unit_transition_ratio"),
        ({"Job": [712, "/org/freedesktop/systemd1/job/712"]}, "unit_transition_ratio"),
        ({"LoadState": "not-found"}, "unit_load_error_ratio"),
        ({"LoadState": "bad-setting"}, "unit_load_error_ratio"),
    ],
)
def test_states_become_signals(change, signal):
    """Each state of systemd shows in its signal."""
    assert state_signals({**RUNNING, **change})[signal] == 1


@pytest.mark.parametrize("said", [{"LoadState": "masked"}, {"UnitFileState": "masked"}, {"UnitFileState": "masked-runtime"}])
async def test_a_mask_is_seen_however_it_was_made(collector, host, manual_clock, said):
    """By load state or unit file state, for good or until the next boot; and it is no load error."""
    host.said.update(said)
    seen = await row(collector, manual_clock)
    assert seen["unit_masked_ratio"] == 1
    assert seen["unit_load_error_ratio"] == 0


async def test_a_mask_by_hand_is_seen_without_a_reload(collector, host, manual_clock):
    """A link to /dev/null counts before systemd reads it."""
    host.masked = True
    assert (await row(collector, manual_clock))["unit_masked_ratio"] == 1


async def test_stopped_processes_are_a_share_of_the_unit(collector, host, manual_clock):
    """One of two processes stopped by a signal is a half; a dead unit has none to count."""
    host.states[11] = "T"
    assert (await row(collector, manual_clock))["unit_main_stopped_ratio"] == 0.5
    host.states.clear()
    assert math.isnan((await row(collector, manual_clock))["unit_main_stopped_ratio"])


async def test_active_time_is_missing_while_the_unit_is_not(collector, host, manual_clock):
    """A failed unit has no active time, not an old one."""
    host.said["ActiveState"] = "failed"
    assert math.isnan((await row(collector, manual_clock))["unit_active_s"])


async def test_a_stopped_main_process_is_an_event(collector, host):
    """SIGSTOP and SIGCONT are told in a fraction of a second, once each."""
    changes = []
    task = asyncio.create_task(collector.watch_stopped(changes.append))
    for state in ("S", "T", "T", "S"):
        host.states[10] = state
        await asyncio.sleep(0.3)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert changes == [UNIT, UNIT]


def test_restarts_are_counted_over_ten_seconds(manual_clock):
    """Three restarts in ten seconds are 0.3 a second; they fade, and a reset counter does not hide new ones."""
    restarts = Restarts()
    seen = []
    for count in (5, 6, 8, 8):
        seen.append(restarts.per_s(count, manual_clock.now()))
        manual_clock.advance(1)
    assert seen == [0, 0.1, 0.3, 0.3]
    assert restarts.per_s(1, manual_clock.now()) == 0.4
    manual_clock.advance(30)
    assert restarts.per_s(1, manual_clock.now()) == 0
    assert math.isnan(restarts.per_s(None, manual_clock.now()))


@pytest.mark.parametrize(
    ("unit", "label"),
    [
        ("nginx.service", "nginx_2eservice"),
        ("postgresql@15-main.service", "postgresql_4015_2dmain_2eservice"),
        ("3proxy", "_33proxy"),
    ],
)
def test_unit_paths_are_escaped_as_systemd_escapes_them(unit, label):
    """Every byte but letters and digits is escaped, and a leading digit too."""
    assert unit_path(unit) == f"/org/freedesktop/systemd1/unit/{label}"
