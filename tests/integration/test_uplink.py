import asyncio
import contextlib
import shutil

import grpc
import pyarrow.parquet as pq
import pytest

from orderd.config.schema import TelemetryConfig
from orderd.domain.clock import Instant, SystemClock
from orderd.domain.faults import Entity, EntityKind
from orderd.domain.schema import schema_digest
from orderd.domain.signals import HOST_SIGNALS
from orderd.domain.values import EntityRow, Sample, entity_values
from orderd.telemetry import Uplink
from orderd.telemetry.channel import PUSH, Line
from orderd.v1.telemetry_pb2 import PushRequest, PushResponse
from orderd.wire import samples_to_wire
from ordertrainer.serve import ServeError, TrainerServer, TrainerThread

UNIT = Entity(kind=EntityKind.UNIT, key="nginx.service")


def sample_at(second):
    """Return a sample that says when it was taken."""
    row = EntityRow(entity=UNIT, values=entity_values(unit_active_s=float(second)))
    at = Instant(mono_ns=second * 10**9, utc_ns=second)
    return Sample(at=at, cause="timer", host=(0.5,) * len(HOST_SIGNALS), entities=(row,))


def seconds_in(root):
    """Return when every stored sample was taken, in the order of storing."""
    tables = [pq.read_table(path) for path in sorted(root.glob("samples/host=*/*.parquet"))]
    return [ns // 10**9 for table in tables for ns in table["mono_ns"].to_pylist()]


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


async def until(condition, seconds=15.0):
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  counters have no event
            await asyncio.sleep(0.01)


def config(address, spool):
    """Return small, impatient settings."""
    return TelemetryConfig(trainer=address, batch_samples=5, flush_s=0.05, retry_s_max=0.3, spool=str(spool), insecure=True)


async def test_every_sample_arrives_once_while_the_trainer_comes_and_goes(tmp_path):
    """Across three restarts of the trainer, in the middle of traffic, every sample is stored exactly once and in order."""
    server = TrainerServer(tmp_path, "127.0.0.1:0", insecure=True)
    await server.start()
    address = server.address
    uplink = Uplink(config(address, tmp_path / "spool"), "host-a", SystemClock())
    async with running(uplink):
        for second in range(1, 201):
            uplink.offer_sample(sample_at(second))
            await asyncio.sleep(0.005)
            if second % 60 == 0:
                await server.stop()
                server = TrainerServer(tmp_path, address, insecure=True)
                await server.start()
        await until(lambda: uplink.sent == 200)
    await server.stop()
    assert seconds_in(tmp_path) == list(range(1, 201))
    assert (uplink.waiting, uplink.dropped, uplink.problem) == (0, 0, "")


async def test_an_acknowledgement_that_got_lost_does_not_store_the_batch_twice(tmp_path):
    """A batch sent again after a broken stream is acknowledged and dropped."""
    batch = PushRequest(host_id="h", boot_id="b", sequence=1, samples=samples_to_wire([sample_at(1)]))
    async with TrainerServer(tmp_path, "127.0.0.1:0", insecure=True) as server:
        for _ in range(2):
            assert (await push(server.address, batch)).sequence == 1
        assert (server.ingested.samples, server.ingested.duplicates) == (1, 1)
    assert seconds_in(tmp_path) == [1]


async def test_an_acknowledged_batch_survives_the_death_of_the_trainer(tmp_path):
    """What was acknowledged is on disk at that moment: a trainer killed right after has it when it returns."""
    batch = PushRequest(host_id="h", boot_id="b", sequence=1, samples=samples_to_wire([sample_at(1)]))
    async with TrainerServer(tmp_path / "data", "127.0.0.1:0", insecure=True) as server:
        await push(server.address, batch)
        shutil.copytree(tmp_path / "data", tmp_path / "after-kill")
    async with TrainerServer(tmp_path / "after-kill", "127.0.0.1:0", insecure=True):
        pass
    assert seconds_in(tmp_path / "after-kill") == [1]


async def test_another_schema_is_refused_with_both_digests(tmp_path):
    """A host that measures another list of signals gets FAILED_PRECONDITION and both digests."""
    batch = PushRequest(host_id="h", boot_id="b", sequence=1, samples=samples_to_wire([sample_at(1)]))
    batch.samples.schema_digest = "f" * 64
    async with TrainerServer(tmp_path, "127.0.0.1:0", insecure=True) as server:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await push(server.address, batch)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "f" * 64 in refused.value.details()
    assert schema_digest() in refused.value.details()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"host_id": ""}, "host_id"),
        ({"host_id": "../../etc"}, "host_id"),
        ({"boot_id": ""}, "boot_id"),
        ({"sequence": 0}, "sequence"),
    ],
)
async def test_malformed_batches_are_refused_by_field(tmp_path, change, field):
    """A batch without identity, or whose host id could climb out of the directory, is refused by field."""
    batch = PushRequest(host_id="h", boot_id="b", sequence=1, samples=samples_to_wire([sample_at(1)]))
    for name, value in change.items():
        setattr(batch, name, value)
    async with TrainerServer(tmp_path, "127.0.0.1:0", insecure=True) as server:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await push(server.address, batch)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in refused.value.details()
    assert seconds_in(tmp_path) == []


async def test_one_batch_the_trainer_refuses_does_not_block_the_next(tmp_path, monkeypatch):
    """A batch called malformed is dropped and counted; everything behind it is delivered."""
    from ordertrainer.serve import service
    from ordertrainer.serve.errors import BatchRefusedError

    real = service.check

    def picky(request, digest):
        if request.sequence == 2:
            raise BatchRefusedError("rows: not today")
        real(request, digest)

    monkeypatch.setattr(service, "check", picky)
    async with TrainerServer(tmp_path, "127.0.0.1:0", insecure=True) as server:
        uplink = Uplink(config(server.address, tmp_path / "spool"), "host-a", SystemClock())
        for second in range(1, 16):
            uplink.offer_sample(sample_at(second))
        async with running(uplink):
            await until(lambda: uplink.sent == 10)
    assert uplink.dropped == 5
    assert seconds_in(tmp_path) == [1, 2, 3, 4, 5, 11, 12, 13, 14, 15]


async def test_a_taken_port_is_an_error_with_a_remedy(tmp_path):
    """A second trainer on the same port says so instead of sharing the load in silence."""
    async with TrainerServer(tmp_path / "a", "127.0.0.1:0", insecure=True) as server:
        with pytest.raises(ServeError, match="choose another --listen"):
            await TrainerServer(tmp_path / "b", server.address, insecure=True).start()
    async with TrainerServer(tmp_path / "b", "127.0.0.1:0", insecure=True):
        pass


async def test_synchronous_callers_get_the_same_server(tmp_path):
    """TrainerThread serves from a thread of its own and has everything in Parquet when it stops."""
    with TrainerThread(tmp_path, "127.0.0.1:0", insecure=True) as trainer:
        uplink = Uplink(config(trainer.address, tmp_path / "spool"), "host-a", SystemClock())
        async with running(uplink):
            for second in range(1, 8):
                uplink.offer_sample(sample_at(second))
            await until(lambda: uplink.sent == 7)
        assert trainer.ingested.newest == {"host-a": 7 * 10**9}
    assert seconds_in(tmp_path) == list(range(1, 8))


async def push(address, request):
    """Send one batch and return its acknowledgement."""
    async with Line(TelemetryConfig(trainer=address, insecure=True)).open() as channel:
        call = channel.stream_stream(
            PUSH, request_serializer=PushRequest.SerializeToString, response_deserializer=PushResponse.FromString
        )()
        await call.write(request)
        async for response in call:
            return response
        raise AssertionError(await call.details())
