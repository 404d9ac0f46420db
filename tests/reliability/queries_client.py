"""A client process of T16: asks at a fixed rate, or watches, and writes what it measured as JSON. Reads and writes a unix socket.

Arrivals are open-loop: a question is due at its time whether the one before was answered or not; its latency counts from then.
So a server that stalls cannot hide it by slowing the questions down.
"""

import asyncio
import json
import os
import sys
import time

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

import grpc

from orderd.v1 import decision_pb2, decision_pb2_grpc, host_pb2, host_pb2_grpc

CONNECTIONS = 8


def channel(path: str, number: int) -> grpc.aio.Channel:
    """Return a connection of its own."""
    return grpc.aio.insecure_channel(f"unix:{path}", options=(("grpc.use_local_subchannel_pool", 1), ("who", number)))


async def ask(path: str, rate: float, seconds: float, ids: list[str]) -> dict:
    """Send a mix of questions at a rate: a status, a page of 20, one decision, a filtered page, in turn."""
    channels = [channel(path, n) for n in range(CONNECTIONS)]
    decisions = [decision_pb2_grpc.DecisionServiceStub(c) for c in channels]
    hosts = [host_pb2_grpc.HostServiceStub(c) for c in channels]
    late: list[float] = []
    failed: list[str] = []

    async def one(number: int, due: float) -> None:
        stub, host = decisions[number % CONNECTIONS], hosts[number % CONNECTIONS]
        try:
            match number % 4:
                case 0:
                    await host.GetStatus(host_pb2.GetStatusRequest(), timeout=10)
                case 1:
                    await stub.ListDecisions(decision_pb2.ListDecisionsRequest(page_size=20), timeout=10)
                case 2:
                    await stub.GetDecision(decision_pb2.GetDecisionRequest(id=ids[number % len(ids)]), timeout=10)
                case _:
                    request = decision_pb2.ListDecisionsRequest(page_size=20, failure="service_down", state="resolved")
                    await stub.ListDecisions(request, timeout=10)
        except grpc.aio.AioRpcError as error:
            failed.append(f"{error.code().name}: {error.details()}")
        else:
            late.append(time.perf_counter() - due)

    for number in range(2 * CONNECTIONS):
        await one(number, 0.0)  # connected and warm before anything is measured
    late.clear()
    running: set[asyncio.Task] = set()
    start = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = start + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(one(number, due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    return {"late": late, "failed": failed}


async def watch(path: str, count: int, seconds: float) -> dict:
    """Keep streams open, each over a connection of its own, and count what arrives."""
    seen = [0] * count
    ended: list[str] = []

    async def one(number: int) -> None:
        async with channel(path, number) as opened:
            call = decision_pb2_grpc.DecisionServiceStub(opened).WatchDecisions(decision_pb2.WatchDecisionsRequest())
            await call.initial_metadata()
            ready.append(number)
            if len(ready) == count:
                everybody.set()
            try:
                async for _ in call:
                    seen[number] += 1
            except grpc.aio.AioRpcError as error:
                ended.append(f"{error.code().name}: {error.details()}")

    ready: list[int] = []
    everybody = asyncio.Event()
    tasks = [asyncio.create_task(one(number)) for number in range(count)]
    await everybody.wait()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {"seen": seen, "failed": ended}


if __name__ == "__main__":
    kind, path, amount, seconds = sys.argv[1:5]
    if kind == "ask":
        result = asyncio.run(ask(path, float(amount), float(seconds), sys.argv[5].split(",")))
    else:
        result = asyncio.run(watch(path, int(amount), float(seconds)))
    sys.stdout.write(json.dumps(result) + "\n")
