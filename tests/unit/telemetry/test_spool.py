import asyncio
import random

import pytest

from orderd.telemetry.spool import FIRST_PLACE, Spool


@pytest.fixture
def incompressible():
    """Bytes no compressor makes smaller."""
    return lambda size: random.Random(size).randbytes(size)


@pytest.fixture
async def spool(tmp_path):
    """A spool of 1 MiB that is open."""
    spool = Spool(tmp_path / "spool", 1 << 20)
    await spool.open()
    yield spool
    await spool.close()


async def places(spool):
    """Return what waits, oldest first, as distances from the first place of this run."""
    return [batch.place - FIRST_PLACE for batch in await spool.after(0, 1_000)]


async def test_while_the_trainer_answers_nothing_is_written(spool, tmp_path, incompressible):
    """Batches that are acknowledged at once leave no file, so a healthy host's disk rests."""
    for size in range(100, 200):
        await spool.append(incompressible(size), 1, durable=False)
        await spool.forget((await spool.after(0, 1))[0].place)
    assert list((tmp_path / "spool").iterdir()) == []
    assert (spool.samples, spool.size_bytes) == (0, 0)


async def test_what_is_durable_leaves_memory(spool, incompressible):
    """A durable batch and all before it are on disk, in order, and memory holds none of them."""
    for size in range(500, 510):
        await spool.append(incompressible(size), 2, durable=False)
    await spool.append(incompressible(510), 2, durable=True)
    assert spool.memory_bytes == 0
    assert spool.samples == 22
    assert await places(spool) == list(range(11))


async def test_order_holds_across_disk_and_memory(spool, incompressible):
    """Batches come out in the order they went in, whether they wait on disk or in memory, also from the middle."""
    for size in range(500, 530):
        await spool.append(incompressible(size), 1, durable=size == 519)
    found = await spool.after(0, 100)
    assert [len(batch.message()) for batch in found] == list(range(500, 530))
    assert [len(batch.message()) for batch in await spool.after(found[17].place, 5)] == [518, 519, 520, 521, 522]
    assert await spool.forget(found[24].place) == 25
    assert [len(batch.message()) for batch in await spool.after(0, 100)] == [525, 526, 527, 528, 529]


async def test_a_kill_loses_nothing_that_was_durable(tmp_path, incompressible):
    """A spool that was never closed is found by the next run in front of its own batches, numbers and all."""
    first = Spool(tmp_path, 1 << 20)
    await first.open()
    for size in range(500, 505):
        await first.append(incompressible(size), 1, durable=True)
    import os

    os.close(first._disk._directory_fd)  # what the kernel does when a process is killed
    second = Spool(tmp_path, 1 << 20)
    await second.open()
    await second.append(incompressible(600), 1, durable=False)
    found = await second.after(0, 100)
    assert [len(batch.message()) for batch in found] == [500, 501, 502, 503, 504, 600]
    assert [batch.sequence for batch in found] == [1, 2, 3, 4, 5, 1]


async def test_a_directory_that_cannot_be_made_leaves_memory_and_is_said(tmp_path, incompressible):
    """Without a usable directory batches wait in memory within its bound, the loss is counted, and problem says why."""
    (tmp_path / "file").write_text("in the way")
    spool = Spool(tmp_path / "file" / "spool", 1 << 20, memory_bytes_max=10_000)
    await spool.open()
    for size in range(1_000, 1_050):
        await spool.append(incompressible(size), 10, durable=True)
    assert "batches wait in memory" in spool.problem
    assert str(tmp_path / "file" / "spool") in spool.problem
    assert spool.memory_bytes <= 10_000
    assert spool.samples + spool.forgotten == 500
    assert (await places(spool))[-1] == 49


async def test_when_the_disk_works_again_memory_is_written(tmp_path, incompressible, monkeypatch):
    """After ENOSPC batches wait in memory; when there is room again they go to disk in order and the problem is over."""
    import errno
    import os

    from orderd.telemetry import spool as module

    monkeypatch.setattr(module, "RETRY_S", 0.0)
    spool = Spool(tmp_path, 1 << 20)
    await spool.open()
    await spool.append(incompressible(500), 1, durable=True)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", full)
    for size in range(501, 505):
        await spool.append(incompressible(size), 1, durable=True)
    assert "No space left on device" in spool.problem
    assert spool.memory_bytes > 0
    monkeypatch.setattr(os, "pwrite", real)
    await spool.append(incompressible(505), 1, durable=True)
    assert (spool.problem, spool.memory_bytes) == ("", 0)
    assert [len(batch.message()) for batch in await spool.after(0, 100)] == [500, 501, 502, 503, 504, 505]


async def test_a_caller_that_is_cancelled_leaves_disk_and_memory_agreeing(spool, incompressible):
    """Cancelling a spill in its middle neither loses a batch nor writes one twice."""
    for size in range(500, 600):
        await spool.append(incompressible(size), 1, durable=False)
    for _ in range(5):
        task = asyncio.create_task(spool.spill())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await spool.spill()
    assert await places(spool) == list(range(100))
    assert spool.samples == 100


async def test_messages_come_out_as_they_went_in(spool, incompressible):
    """Compression in the spool is not seen from outside."""
    message = incompressible(700) + bytes(5_000)
    await spool.append(message, 1, durable=True)
    assert (await spool.after(0, 1))[0].message() == message
    assert spool.size_bytes < 1_500
