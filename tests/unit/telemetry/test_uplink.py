import asyncio
import contextlib
import time

import pytest

from orderd.config.schema import TelemetryConfig
from orderd.domain.clock import SystemClock
from orderd.errors import TelemetryError
from orderd.telemetry import Uplink

OFFER_US_MAX = 50.0


async def run_for(uplink, seconds):
    """Run the uplink for a while."""
    task = asyncio.create_task(uplink.run())
    await asyncio.sleep(seconds)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_offers_cost_microseconds_while_the_trainer_is_down(free_port, tmp_path, make_samples, make_record):
    """With the trainer unreachable, offering a sample and a decision takes microseconds and never raises."""
    uplink = Uplink(TelemetryConfig(trainer=f"127.0.0.1:{free_port}", spool=str(tmp_path), insecure=True), "host", SystemClock())
    running = asyncio.create_task(uplink.run())
    samples, record, costs = make_samples(500), make_record("d1"), []
    for sample in samples:
        began = time.perf_counter()
        uplink.offer_sample(sample)
        uplink.offer_decision(record)
        costs.append((time.perf_counter() - began) * 1e6)
        await asyncio.sleep(0.001)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    costs.sort()
    assert costs[len(costs) // 2] < OFFER_US_MAX
    assert uplink.waiting + uplink.dropped == 500
    assert uplink.problem.startswith("UNAVAILABLE")


async def test_without_a_trainer_nothing_is_kept(make_samples):
    """An empty trainer address keeps everything on the host: offers leave no trace and run() only waits."""
    uplink = Uplink(TelemetryConfig(), "host", SystemClock())
    for sample in make_samples(10):
        uplink.offer_sample(sample)
    await run_for(uplink, 0.05)
    assert (uplink.sent, uplink.waiting, uplink.dropped) == (0, 0, 0)


async def test_the_spool_is_bounded_while_the_trainer_is_down(free_port, tmp_path, noisy_samples):
    """With the trainer unreachable for long, the spool stays within spool_bytes and the loss is counted."""
    address = f"127.0.0.1:{free_port}"
    config = TelemetryConfig(
        trainer=address, spool_bytes=1 << 20, batch_samples=100, flush_s=0.01, spool=str(tmp_path), insecure=True
    )
    uplink = Uplink(config, "host", SystemClock())
    running = asyncio.create_task(uplink.run())
    offered = 0
    for sample in noisy_samples(12_000):
        uplink.offer_sample(sample)
        offered += 1
        if offered % 100 == 0:
            await asyncio.sleep(0.002)
    await asyncio.sleep(0.1)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert uplink._spool.size_bytes <= 1 << 20
    assert uplink.dropped > 0
    assert uplink.waiting + uplink.dropped == offered


async def test_a_proxy_in_the_environment_is_not_used(free_port, tmp_path, make_samples, monkeypatch):
    """The uplink connects to the configured address only, whatever http_proxy says."""
    seen = []

    async def taken(_reader, writer):
        seen.append(writer.get_extra_info("peername"))
        writer.close()

    proxy = await asyncio.start_server(taken, "127.0.0.1", 0)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("no_grpc_proxy", raising=False)
    uplink = Uplink(
        TelemetryConfig(trainer=f"localhost:{free_port}", flush_s=0.01, spool=str(tmp_path), insecure=True), "host", SystemClock()
    )
    uplink.offer_sample(make_samples(1)[0])
    await run_for(uplink, 0.5)
    proxy.close()
    await proxy.wait_closed()
    assert uplink.problem
    assert seen == []


async def test_a_stream_that_breaks_while_orderd_stops_does_not_keep_it_from_stopping(free_port, tmp_path, monkeypatch):
    """When the trainer goes at the very moment orderd is stopped, the uplink ends."""
    uplink = Uplink(TelemetryConfig(trainer=f"127.0.0.1:{free_port}", spool=str(tmp_path), insecure=True), "host", SystemClock())

    async def breaks_when_stopped(_call):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise TelemetryError("the trainer ended the stream") from None

    monkeypatch.setattr(uplink, "_receive", breaks_when_stopped)
    task = asyncio.create_task(uplink.run())
    await asyncio.sleep(0.1)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=3)
    assert done == {task}


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("batch_samples", [1, 1000])
async def test_what_is_offered_while_orderd_stops_does_not_keep_it_from_stopping(
    free_port, tmp_path, make_samples, turns, batch_samples
):
    """However few turns of the event loop lie between a sample and the stop, the uplink ends and has the sample on disk."""
    trainer = f"127.0.0.1:{free_port}"
    uplink = Uplink(
        TelemetryConfig(trainer=trainer, batch_samples=batch_samples, spool=str(tmp_path), insecure=True), "host", SystemClock()
    )
    task = asyncio.create_task(uplink.run())
    await asyncio.sleep(0.1)
    (sample,) = make_samples(1)
    uplink.offer_sample(sample)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=3)
    assert done == {task}
    assert task.cancelled()
    assert uplink.waiting == 1
    assert list(tmp_path.glob("*.spool"))
