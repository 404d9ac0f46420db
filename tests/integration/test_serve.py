import asyncio
import contextlib
import signal
import socket
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from orderd.config.schema import TelemetryConfig
from orderd.domain.clock import Instant, SystemClock
from orderd.domain.faults import Entity, EntityKind
from orderd.domain.signals import HOST_SIGNALS
from orderd.domain.values import EntityRow, Sample, entity_values
from orderd.telemetry import Uplink

UNIT = Entity(kind=EntityKind.UNIT, key="nginx.service")


@pytest.fixture
def address():
    """A loopback address nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextlib.contextmanager
def serving(root, address):
    """Run `ordertrainer serve` as a program, from the moment it takes telemetry."""
    argv = [sys.executable, "-u", "-m", "ordertrainer", "serve", "--insecure", "--listen", address, "--data", str(root)]
    program = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        first = program.stdout.readline()
        assert "taking telemetry on" in first, first + program.stdout.read()
        yield program
    finally:
        if program.poll() is None:
            program.kill()
        program.communicate()


@contextlib.asynccontextmanager
async def served(root, address):
    """Run the program beside an event loop that must not wait for it."""
    manager = serving(root, address)
    yield await asyncio.to_thread(manager.__enter__)
    await asyncio.to_thread(manager.__exit__, None, None, None)


def sample_at(second):
    """Return a sample that says when it was taken."""
    row = EntityRow(entity=UNIT, values=entity_values(unit_active_s=float(second)))
    at = Instant(mono_ns=second * 10**9, utc_ns=second)
    return Sample(at=at, cause="timer", host=(0.5,) * len(HOST_SIGNALS), entities=(row,))


def seconds_in(root):
    """Return when every stored sample was taken, in the order of storing."""
    tables = [pq.read_table(path) for path in sorted(root.glob("samples/host=*/*.parquet"))]
    return [ns // 10**9 for table in tables for ns in table["mono_ns"].to_pylist()]


async def offer(uplink, seconds):
    """Offer samples at a pace that keeps batches in flight."""
    for second in seconds:
        uplink.offer_sample(sample_at(second))
        await asyncio.sleep(0.003)


async def delivered(uplink, count):
    """Wait until the trainer has acknowledged that many samples."""
    async with asyncio.timeout(30):
        while uplink.sent < count:  # noqa: ASYNC110  counters have no event
            await asyncio.sleep(0.01)


async def test_a_trainer_killed_in_mid_traffic_has_everything_once(tmp_path, address):
    """Three kill -9 between batches in flight: after the last start every sample is stored exactly once, in order."""
    config = TelemetryConfig(
        trainer=address, batch_samples=3, flush_s=0.02, retry_s_max=0.3, spool=str(tmp_path / "spool"), insecure=True
    )
    uplink = Uplink(config, "host-a", SystemClock())
    running = asyncio.create_task(uplink.run())
    for part in range(3):
        async with served(tmp_path, address) as program:
            await delivered(uplink, part * 100)
            await offer(uplink, range(part * 100 + 1, part * 100 + 101))
            program.kill()
    async with served(tmp_path, address) as program:
        await delivered(uplink, 300)
        program.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(program.wait, 20) == 0
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert seconds_in(tmp_path) == list(range(1, 301))


def test_ctrl_c_ends_the_program_in_order(tmp_path, address):
    """SIGINT stops listening, compacts and exits with 0, saying what came in."""
    with serving(tmp_path, address) as program:
        program.send_signal(signal.SIGINT)
        rest, _ = program.communicate(timeout=20)
        assert program.returncode == 0
    assert "0 hosts, 0 samples" in rest


def test_a_taken_directory_is_one_line_and_exit_2(tmp_path, address):
    """A second trainer on the same directory says so in one line and leaves."""
    with serving(tmp_path, address):
        argv = [sys.executable, "-m", "ordertrainer", "serve", "--insecure", "--listen", "127.0.0.1:0", "--data", str(tmp_path)]
        second = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 2
    assert second.stderr.startswith("error: ")
    assert "another trainer writes here" in second.stderr
    assert len(second.stderr.splitlines()) == 1
