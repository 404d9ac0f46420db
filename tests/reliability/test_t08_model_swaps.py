"""T8: a thousand model swaps while a hundred questions a second are asked: no error, and memory does not grow."""

import asyncio
import os
import time
from pathlib import Path

import pytest

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from inferrig import infer_starter, loaded, window_of_three
from orderd.errors import InferenceError
from orderd.inference.client import InferenceClient
from toymodels import SignedHost

RATE_PER_S = 100
WARM_UP = 100
LAST = 50
"""Sizes are the largest of so many swaps: code pages that orderd-infer gives back after each swap come and go."""
GROWTH_BYTES_MAX = 5_000_000


class Questions:
    """Asks at a steady rate, whatever becomes of the answers."""

    def __init__(self, client):
        self.client = client
        self.window = window_of_three()
        self.asked = self.errors = 0
        self.seen = set()
        self.slowest_s = 0.0
        self.start = time.monotonic()

    async def ask(self):
        """Ask for ever; each question is due at its own time, so that a slow answer does not lower the rate."""
        while True:
            await asyncio.sleep(max(0.0, self.start + self.asked / RATE_PER_S - time.monotonic()))
            self.asked += 1
            began = time.monotonic()
            try:
                scores = await self.client.classify(self.window)
                self.seen.add(round(scores.failures[0][0], 3))
            except InferenceError:
                self.errors += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)


def _rss_bytes(pid):
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) * 1024


@pytest.fixture
def host(tmp_path):
    """A host with two installed models that were signed."""
    made = SignedHost(tmp_path)
    made.release(made.installed / "a", serial=20, sure=4.0)
    made.release(made.installed / "b", serial=30, sure=1.0)
    return made


async def test_swaps_cost_neither_answers_nor_memory(host, tmp_path, measured, size):
    """Every question is answered by one model or the other, and the process is as large afterwards as before."""
    swaps = size(1000, 10_000)
    with infer_starter(tmp_path) as start:
        infer = start(host.model_dir, extra=host.extra)
        client = InferenceClient(host.config)
        await client.start()
        await loaded(client)
        questions = Questions(client)
        asking = asyncio.create_task(questions.ask())
        began, refused, sizes = time.monotonic(), 0, list[int]()
        for number in range(WARM_UP + swaps):
            if number == WARM_UP:
                began, questions.asked, questions.errors, questions.start = time.monotonic(), 0, 0, time.monotonic()
            refused += not (await client.load("ab"[number % 2])).accepted
            sizes.append(_rss_bytes(infer.process.pid))
        elapsed_s, growth = time.monotonic() - began, max(sizes[-LAST:]) - max(sizes[WARM_UP - LAST : WARM_UP])
        asking.cancel()
        alive = infer.process.poll() is None
        await client.close()
    rate = questions.asked / elapsed_s
    measured(
        figure=(
            f"{swaps} swaps at {rate:.0f} questions/s: {questions.errors + refused} errors, {growth / 1e6:+.1f} MB, "
            f"slowest answer {questions.slowest_s * 1e3:.0f} ms"
        ),
        limit="no error, < 5 MB growth",
        runs=swaps,
    )
    assert alive
    assert (questions.errors, refused) == (0, 0)
    assert len(questions.seen) == 2, "both models answered"
    assert growth < GROWTH_BYTES_MAX
    assert rate >= 0.8 * RATE_PER_S, "the machine was too busy to ask often enough"
