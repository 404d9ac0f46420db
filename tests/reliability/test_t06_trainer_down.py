"""T6: the trainer is down for six hours, flaps, accepts and says nothing, stalls in mid-stream.

Real gRPC, the real trainer, the real uplink and its spool on disk. Six hours of samples are offered as fast as they can be
sealed; what is timed (offers, delivery) is timed by the real clock.
"""

import asyncio
import contextlib
import random
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from orderd.config.schema import TelemetryConfig
from orderd.domain.clock import Instant, SystemClock
from orderd.domain.faults import Entity, EntityKind
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from orderd.domain.values import EntityRow, Sample
from orderd.telemetry import Uplink
from ordertrainer.serve import TrainerServer

HOURS_S = 6 * 3600
SPOOL_BYTES_MAX = 64 << 20
DELIVERED_S_MAX = 60.0
ENTITIES = tuple(Entity(kind=EntityKind.UNIT, key=f"service-{number}.service") for number in range(12))


def samples(count):
    """Yield one sample a second of a host with a dozen entities, with values as uneven as real ones."""
    generator = random.Random(6)
    for second in range(1, count + 1):
        rows = tuple(
            EntityRow(
                entity=entity,
                values=tuple(round(generator.random(), 3) if i % 3 == 0 else float("nan") for i in range(len(ENTITY_SIGNALS))),
            )
            for entity in ENTITIES
        )
        host = tuple(round(generator.random(), 3) for _ in HOST_SIGNALS)
        yield Sample(at=Instant(mono_ns=second * 10**9, utc_ns=second * 10**9), cause="timer", host=host, entities=rows)


def seconds_in(root):
    """Return when every stored sample was taken, in the order of storing."""
    tables = [
        pq.read_table(path, columns=["mono_ns"], partitioning=None) for path in sorted(root.glob("samples/host=*/*.parquet"))
    ]
    return [ns // 10**9 for table in tables for ns in table["mono_ns"].to_pylist()]


@pytest.fixture
def address():
    """A loopback address nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def uplink(tmp_path, address):
    """Make an uplink with the settings of a fresh installation, its spool in a folder of the test."""
    return lambda **changes: Uplink(
        TelemetryConfig(**{"trainer": address, "spool": str(tmp_path / "spool"), "insecure": True} | changes),
        "host-a",
        SystemClock(),
    )


@pytest.fixture
def impatient(monkeypatch):
    """Seconds instead of tens of seconds until a silent trainer is left."""
    from orderd.telemetry import uplink as module

    monkeypatch.setattr(module, "CONNECT_S", 1.0)
    monkeypatch.setattr(module, "SILENCE_S_MAX", 1.0)


@contextlib.asynccontextmanager
async def running(uplink):
    """Run the uplink beside the block."""
    task = asyncio.create_task(uplink.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition, seconds):
    """Wait until a condition holds; returns after how many seconds it did."""
    began = time.perf_counter()
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  counters have no event
            await asyncio.sleep(0.02)
    return time.perf_counter() - began


async def offer_all(uplink, taken):
    """Offer samples as fast as they are sealed, and return what each offer took in microseconds."""
    costs = []
    for sample in taken:
        began = time.perf_counter_ns()
        uplink.offer_sample(sample)
        costs.append((time.perf_counter_ns() - began) / 1e3)
        while uplink._pending.samples > 40:  # noqa: ASYNC110  the sealing task has no event
            await asyncio.sleep(0)
    return costs


def p99(costs):
    """Return the 99th percentile."""
    return statistics.quantiles(costs, n=100)[98]


def spool_bytes(tmp_path):
    """Return what the files of the spool hold."""
    return sum(path.stat().st_size for path in (tmp_path / "spool").glob("*.spool"))


async def test_six_hours_without_a_trainer(tmp_path, address, uplink, measured):
    """Six hours of samples fit into the spool, in little memory, and arrive exactly once within a minute of its return."""
    host = uplink()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with running(host):
        await until(lambda: host._spool._disk is not None, 10)
        down = await offer_all(host, samples(HOURS_S))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        held = spool_bytes(tmp_path)
        in_memory = host._spool.memory_bytes
        async with TrainerServer(tmp_path / "data", address, insecure=True):
            took_s = await until(lambda: host.waiting == 0, 90)
            up = await offer_all(host, samples(2_000))
            await until(lambda: host.waiting == 0, 30)
    stored = seconds_in(tmp_path / "data")
    measured(
        figure=f"{HOURS_S} samples in {held / 2**20:.1f} MiB of spool and {in_memory >> 10} KiB of memory, delivered once in "
        f"{took_s:.1f} s; offer p99 {p99(down):.0f} us down, {p99(up):.0f} us up; RSS +{grown:.0f} MiB",
        limit="spool <= 64 MiB, delivered once within 60 s, offers cost the same",
        runs=1,
    )
    assert held <= SPOOL_BYTES_MAX
    assert host.dropped == 0
    assert stored == [*range(1, HOURS_S + 1), *range(1, 2_001)]
    assert took_s <= DELIVERED_S_MAX
    assert in_memory < 1 << 20
    assert p99(down) < max(200.0, 3 * p99(up))


async def test_a_spool_that_is_full_keeps_the_newest_and_counts_the_rest(tmp_path, address, uplink, measured):
    """However long the trainer is away, the files stay within their bound and what is forgotten is the oldest, and is counted."""
    host = uplink(spool_bytes=1 << 20)
    most = 0
    async with running(host):
        await until(lambda: host._spool._disk is not None, 10)
        for _ in range(20):
            await offer_all(host, samples(500))
            most = max(most, spool_bytes(tmp_path))
        async with TrainerServer(tmp_path / "data", address, insecure=True):
            await until(lambda: host.waiting == 0, 60)
    stored = seconds_in(tmp_path / "data")
    measured(figure=f"a spool of 1 MiB never held more than {most / 2**20:.2f} MiB", limit="spool within its bound", runs=1)
    assert most <= 1 << 20
    assert host.dropped > 0
    assert host.sent == len(stored)
    assert host.sent + host.dropped == 10_000
    assert stored[-400:] == list(range(101, 501))


async def test_a_trainer_that_flaps(tmp_path, address, uplink, measured, size):
    """Over restarts in the middle of traffic every sample is stored exactly once, in order."""
    flaps, host, taken = size(12, 200), uplink(retry_s_max=0.5, flush_s=0.05), list(samples(6_000))
    part = len(taken) // flaps
    async with running(host):
        for number in range(flaps):
            async with TrainerServer(tmp_path / "data", address, insecure=True):
                for sample in taken[number * part : (number + 1) * part]:
                    host.offer_sample(sample)
                    await asyncio.sleep(0.0005)
        async with TrainerServer(tmp_path / "data", address, insecure=True):
            took_s = await until(lambda: host.waiting == 0, 60)
    measured(figure=f"{flaps} restarts: all once, {took_s:.1f} s after the last", limit="delivered once within 60 s", runs=flaps)
    assert seconds_in(tmp_path / "data") == list(range(1, flaps * part + 1))
    assert host.dropped == 0


@pytest.mark.parametrize("greeting", [b"", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"], ids=["silent", "settings-then-silent"])
@pytest.mark.usefixtures("impatient")
async def test_a_half_open_trainer(tmp_path, address, uplink, measured, greeting):
    """One that accepts and says nothing, or only greets, is left and tried again; all is spooled and delivered later."""
    writers = []

    async def taken(_reader, writer):
        writers.append(writer)
        writer.write(greeting)

    half = await asyncio.start_server(taken, *address.split(":"))
    host = uplink(retry_s_max=0.5)
    async with running(host):
        await offer_all(host, samples(2_000))
        await until(lambda: host.problem, 20)
        await until(lambda: host._spool.memory_bytes == 0, 10)
        tries = len(writers)
        await until(lambda: len(writers) > tries, 20)
        half.close()
        for writer in writers:
            writer.close()
        await half.wait_closed()
        async with TrainerServer(tmp_path / "data", address, insecure=True):
            took_s = await until(lambda: host.waiting == 0, 60)
    measured(figure=f"half-open: delivered {took_s:.1f} s after it came back", limit="delivered once within 60 s", runs=1)
    assert seconds_in(tmp_path / "data") == list(range(1, 2_001))


@pytest.mark.usefixtures("impatient")
async def test_a_trainer_that_stalls_in_mid_stream(tmp_path, address, uplink, measured):
    """A trainer that is stopped in mid-traffic holds up no offer; when it runs again everything is stored exactly once."""
    argv = [
        sys.executable,
        "-u",
        "-m",
        "ordertrainer",
        "serve",
        "--insecure",
        "--listen",
        address,
        "--data",
        str(tmp_path / "data"),
    ]
    program = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)
    await asyncio.wait_for(program.stdout.readline(), 30)
    host, taken = uplink(retry_s_max=0.5, flush_s=0.05), list(samples(6_000))
    try:
        async with running(host):
            up = await offer_all(host, taken[:2_000])
            await until(lambda: host.waiting == 0, 30)
            host.offer_sample(taken[2_000])
            program.send_signal(signal.SIGSTOP)
            stalled = await offer_all(host, taken[2_001:])
            await until(lambda: "acknowledged nothing" in host.problem or "connection" in host.problem, 30)
            await until(lambda: host._spool.memory_bytes == 0, 30)
            program.send_signal(signal.SIGCONT)
            took_s = await until(lambda: host.waiting == 0, 60)
    finally:
        program.send_signal(signal.SIGCONT)
        program.terminate()
        await program.communicate()
    measured(
        figure=f"stalled: offer p99 {p99(stalled):.0f} us (working: {p99(up):.0f} us), delivered {took_s:.1f} s after it went on",
        limit="delivered once within 60 s, offers cost the same",
        runs=1,
    )
    assert seconds_in(tmp_path / "data") == list(range(1, 6_001))
    assert p99(stalled) < max(200.0, 3 * p99(up))


async def test_orderd_killed_while_the_trainer_is_down(tmp_path, address, uplink, measured):
    """Runs of orderd that end without a goodbye leave their batches to the next; all arrive once, in order."""
    program = (
        "import asyncio, sys; sys.path.insert(0, sys.argv[1]); import test_t06_trainer_down as t\n"
        "from orderd.telemetry import Uplink; from orderd.config.schema import TelemetryConfig\n"
        "from orderd.domain.clock import SystemClock\n"
        "async def main():\n"
        "    config = TelemetryConfig(trainer=sys.argv[2], spool=sys.argv[3], insecure=True, flush_s=0.05, retry_s_max=0.1)\n"
        "    host = Uplink(config, 'host-a', SystemClock()); task = asyncio.create_task(host.run())\n"
        "    await t.until(lambda: host.problem, 10)\n"
        "    first = int(sys.argv[4]); taken = [s for s in t.samples(first + 500) if s.at.mono_ns > first * 10**9]\n"
        "    await t.offer_all(host, taken)\n"
        "    await t.until(lambda: host._pending.samples == 0 and host._spool.memory_bytes == 0, 10)\n"
        "    print('durable', flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    here, spool = str(Path(__file__).parent), str(tmp_path / "spool")
    for run in range(4):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, here, address, spool, str(run * 500), stdout=subprocess.PIPE
        )
        assert await asyncio.wait_for(child.stdout.readline(), 60) == b"durable\n"
        child.kill()
        await child.wait()
    host = uplink()
    async with TrainerServer(tmp_path / "data", address, insecure=True), running(host):
        await until(lambda: host.sent == 2_000, 60)
    measured(figure="4 kills of orderd: all 2000 samples arrive once", limit="delivered once", runs=4)
    assert seconds_in(tmp_path / "data") == list(range(1, 2_001))
