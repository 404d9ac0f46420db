"""T16: 200 queries a second beside 100 watch streams on two cores, asked from processes that are not the server's."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from yardstick import Yardstick

HERE = Path(__file__).parent
CORES = {0, 1}
QUERIES_PER_S = 200.0
STREAMS = 100
DECISIONS = 10_000
INCIDENTS_PER_S = 1.0
"""Each has four changes, which every stream gets: 400 messages a second."""
LIMIT_S = 0.020
ATTEMPTS = 5
OTHERS_MAX = 0.10
"""Share of the two cores that other programs may take for a measurement to say something about orderd."""


def _pinned() -> None:
    os.sched_setaffinity(0, CORES & os.sched_getaffinity(0))


def _start(*argv: object) -> subprocess.Popen:
    words = [sys.executable, *map(str, argv)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=_pinned)  # noqa: PLW1509 - no thread has started


def _busy_s() -> float:
    """Return the seconds all cores of this test have worked since boot, for anybody."""
    ticks = 0
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *numbers = line.split()
        if name.removeprefix("cpu").isdigit() and int(name[3:]) in CORES:
            user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = map(int, numbers)
            ticks += user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def _used_s(*processes: subprocess.Popen) -> float:
    """Return the seconds these processes have worked."""
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


@pytest.fixture
def server(tmp_path):
    """Return a running server process, its socket and some ids."""
    process = _start(HERE / "queries_server.py", tmp_path, DECISIONS, INCIDENTS_PER_S)
    ids = json.loads(process.stdout.readline())["ids"]
    yield process, tmp_path / "o.sock", ids
    with process:
        process.communicate("", timeout=30)


def _measure(server, seconds: float) -> dict:
    """Watch and ask for a while; return latencies, what arrived, and what others took of the cores."""
    process, socket, ids = server
    client = HERE / "queries_client.py"
    with _start(client, "watch", socket, STREAMS, seconds + 4) as watching:
        assert watching.stdout.readline() == "ready\n"
        with _start(client, "ask", socket, QUERIES_PER_S, seconds, ",".join(ids)) as asking:
            others = _others(process, watching, asking, seconds)
            asked = json.loads(asking.stdout.read())
        watched = json.loads(watching.stdout.read())
    return {**asked, "seen": watched["seen"], "lost": watched["failed"], "others": others}


def _others(server, watching, asking, seconds: float) -> float:
    """Return which share of the cores other programs take until the questions have been asked."""
    busy, used, asked_s = _busy_s(), _used_s(server, watching), 0.0
    start = time.monotonic()
    while asking.poll() is None and time.monotonic() - start < seconds:
        asked_s = _used_s(asking)
        time.sleep(0.2)
    wall, total = time.monotonic() - start, _busy_s() - busy
    ours = _used_s(server, watching) - used + asked_s
    return max(0.0, total - ours) / wall / len(CORES)


@pytest.mark.long
def test_queries_are_answered_in_time_while_a_hundred_watch(server, size, measured):
    """p99 from due to answered is at most 20 ms on the reference cores; every stream gets every change, and no question fails."""
    seconds = size(10.0, 120.0)
    for attempt in range(1, ATTEMPTS + 1):
        with Yardstick() as yardstick:
            found = _measure(server, seconds)
        late, limit_s = found["late"], LIMIT_S * yardstick.slowness
        p50, p99 = _quantile(late, 0.5), _quantile(late, 0.99)
        # A machine that is busy with other things measures those; the last attempt counts whatever the machine does.
        if p99 <= limit_s or (found["others"] <= OTHERS_MAX and attempt > 1):
            break
    measured(
        figure=f"p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms of {len(late)} queries, {sum(found['seen'])} messages streamed"
        f"; other programs took {found['others']:.0%} of the cores, which take {yardstick.slowness:.2f} times as long as the "
        f"reference (attempt {attempt})",
        limit=f"p99 <= {LIMIT_S * 1e3:g} ms at {QUERIES_PER_S:g} queries/s and {STREAMS} streams on two reference cores, "
        f"{limit_s * 1e3:.0f} ms on these",
        runs=len(late),
    )
    assert found["failed"] == []
    assert found["lost"] == []
    assert max(found["seen"]) - min(found["seen"]) <= 2, "every stream gets every change"
    assert min(found["seen"]) >= seconds * INCIDENTS_PER_S * 3
    assert p99 <= limit_s
