"""The committer on a disk that fails."""

import asyncio

from orderd.v1.telemetry_pb2 import PushRequest
from ordertrainer.serve import committer as module
from ordertrainer.serve.committer import Committer


class FullDisk:
    """A store whose segments cannot be rotated."""

    def __init__(self):
        self.refused = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.taken = []

    def has(self, request):
        return False

    def append(self, requests):
        self.taken += requests

    def rotate(self):
        self.loop.call_soon_threadsafe(self.refused.set)
        raise OSError(28, "No space left on device")

    def compact_closed(self):
        raise OSError(28, "No space left on device")

    def close(self):
        pass


async def test_a_disk_that_is_full_for_a_while_does_not_end_the_trainer(monkeypatch):
    """Housekeeping that fails is tried again, and batches are committed meanwhile."""
    monkeypatch.setattr(module, "HOUSEKEEPING_S", 0.01)
    store = FullDisk()
    committer = Committer(store, segment_age_s_max=0.0)
    running = asyncio.create_task(committer.run())
    await asyncio.wait_for(store.refused.wait(), 2)
    await asyncio.sleep(0.05)
    assert await asyncio.wait_for(committer.commit(PushRequest(host_id="a")), 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await committer.close()
