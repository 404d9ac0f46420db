"""T19, telemetry's part: a spool and a trainer's data directory as earlier versions left them. Each lies under tests/data."""

import asyncio
import shutil
from pathlib import Path

import pyarrow.parquet as pq

from orderd.config.schema import TelemetryConfig
from orderd.domain.clock import SystemClock
from orderd.telemetry import Uplink
from ordertrainer.serve import TrainerServer

DATA = Path(__file__).parents[1] / "data"


def seconds_in(root):
    """Return when every stored sample was taken, in the order of storing."""
    tables = [
        pq.read_table(path, columns=["mono_ns"], partitioning=None) for path in sorted(root.glob("samples/host=*/*.parquet"))
    ]
    return [ns // 10**9 for table in tables for ns in table["mono_ns"].to_pylist()]


async def deliver(tmp_path):
    """Start a trainer on tmp_path/data and an orderd on tmp_path/spool; return what the trainer counted."""
    async with TrainerServer(tmp_path / "data", "127.0.0.1:0", insecure=True) as server:
        config = TelemetryConfig(trainer=server.address, spool=str(tmp_path / "spool"), insecure=True)
        uplink = Uplink(config, "host-a", SystemClock())
        running = asyncio.create_task(uplink.run())
        async with asyncio.timeout(20):
            while uplink.sent < 4:  # noqa: ASYNC110  counters have no event
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return server.ingested


async def test_a_spool_of_the_first_format_is_delivered(tmp_path, measured):
    """What a first orderd with a spool on disk left is sent whole, but for the batch that was acknowledged."""
    shutil.copytree(DATA / "spool-v1", tmp_path / "spool")
    await deliver(tmp_path)
    stored = seconds_in(tmp_path / "data")
    measured(figure="spool of format 1 delivered", limit="all readable", runs=1)
    assert stored == [4, 5, 6, 7]


async def test_data_of_the_first_trainer_is_kept_and_its_batches_are_known(tmp_path, measured):
    """A trainer goes on with what version 0.1 wrote and was killed over: nothing lost, and what comes again is dropped."""
    shutil.copytree(DATA / "trainer-v0", tmp_path / "data")
    shutil.copytree(DATA / "spool-v1", tmp_path / "spool")
    ingested = await deliver(tmp_path)
    stored = seconds_in(tmp_path / "data")
    measured(figure="trainer data of 0.1 read", limit="all readable", runs=1)
    assert stored == list(range(2, 12))
    assert (ingested.duplicates, ingested.samples) == (2, 0)
