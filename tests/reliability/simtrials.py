"""One trial of T3: a write to the journal's disk fails, and the loop has to live with it.

Apart from the test, so that processes that are started afresh can import it.
"""

import asyncio
import logging
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import simworld
from orderd.config.schema import JournalConfig
from orderd.domain.faults import Entity
from orderd.errors import JournalError

RESUME_S = 5.0
BALLAST = JournalConfig(ballast_bytes=64 << 10)
"""So that filling the reserve is among what fails."""
BREAK_EVERY_S = 3.0
PROBE = Entity.parse("unit:probe.service")
UNITS = (*(Entity.parse(f"unit:s{number}.service") for number in range(9)), PROBE)


class Trial:
    """One failure of one write."""

    def __init__(self, world: simworld.World, nth: int, error: str, outage_s: float) -> None:
        self.world = world
        self.nth, self.outage_s = nth, outage_s
        self.errors = simworld.WRITE_ERRORS[error]
        self.until: float | None = None
        self.silent = 0
        self.failed_at_start = 0
        self.degraded = False
        self.refused_starts = 0

    def fault(self, kind: str) -> int:
        """Fail from the n-th operation on, for as long as the outage lasts."""
        now = self.world.vloop.time()
        if self.until is None and self.world.disk.operations >= self.nth:
            self.until = now + self.outage_s
            return self.errors[kind == "sync"]
        return self.errors[kind == "sync"] if self.until is not None and now < self.until else 0

    @property
    def over(self) -> bool:
        """Tell whether it has failed and works again."""
        return self.until is not None and self.world.vloop.time() >= self.until

    async def run(self) -> list[str]:
        """Return everything that is not as it has to be."""
        self.world.disk.fault = self.fault
        await self._start()
        breaking = asyncio.ensure_future(self._break())
        try:
            while not self.over:
                await self._live(0.2)
        finally:
            breaking.cancel()
            await asyncio.gather(breaking, return_exceptions=True)
        resumed_s = await self._resume()
        await self._live(15.0)
        raised = self.world.journal.raised
        return [
            *[f"not resumed after {RESUME_S} s: {self.world.loop.journal_error!r}"] * (resumed_s > RESUME_S),
            *["writes failed for seconds, and it never said so"] * bool(self.outage_s and self._failed() and not self.degraded),
            *[f"{self.silent} of {raised} errors were not said"] * bool(self.silent),
            *[f"still says {self.world.loop.journal_error!r}"] * bool(self.world.loop.journal_error),
            *[f"steps are lost: {self.world.loop.book.lost}"] * bool(self.world.loop.book.lost),
            *self.world.check(),
        ]

    async def _start(self) -> None:
        while True:
            try:
                self.world.start()
            except JournalError:
                # Said, and ended; systemd starts it again.
                self.refused_starts += 1
                assert self.refused_starts < 10, "it does not start any more"
                await asyncio.sleep(1.0)
            else:
                break
        self.failed_at_start = self.world.disk.failed
        self.world.journal.on_raise = lambda: self.world.vloop.call_soon(self._look)
        self.running = asyncio.ensure_future(self.world.loop.run())

    def _failed(self) -> int:
        """Return how many operations failed since orderd came up."""
        return self.world.disk.failed - self.failed_at_start

    def _look(self) -> None:
        """Look, as soon as whoever met the error has had its turn, whether orderd says that it is degraded."""
        said = bool(self.world.loop.journal_error)
        self.silent += not said
        self.degraded |= said

    async def _live(self, seconds: float) -> None:
        end = self.world.vloop.time() + seconds
        while self.world.vloop.time() < end:
            done, _ = await asyncio.wait({self.running}, timeout=0.1)
            if done:
                self.running.result()
            self.degraded |= bool(self.world.loop.journal_error)

    async def _break(self) -> None:
        for unit in UNITS[:-1]:
            self.world.host.state[unit] = simworld.DOWN
            await asyncio.sleep(BREAK_EVERY_S)

    async def _resume(self) -> float:
        """Return seconds from the first write that works until a new failure is being repaired."""
        begun = self.world.vloop.time()
        self.world.host.state[PROBE] = simworld.DOWN
        while self.world.vloop.time() < begun + 20.0:
            if any(str(PROBE) == target for target in self.world.executor.targets) and not self.world.loop.journal_error:
                break
            await self._live(0.1)
        return self.world.vloop.time() - begun

    async def stop(self) -> None:
        """End the loop."""
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.world.loop.close()


def attempt(nth: int, error: str, outage_s: float, folder: Path) -> tuple[list[str], Counter]:
    """Run one trial; return what was wrong, and what happened."""
    with simworld.SimDisk(folder) as disk:
        world = simworld.World(nth, folder, disk, folder / "none", journal=BALLAST, units=UNITS, helps=1.0)
        trial = Trial(world, nth, error, outage_s)
        try:
            wrong = world.vloop.run_until_complete(trial.run())
            world.vloop.run_until_complete(trial.stop())
        finally:
            world.close()
        did = Counter(trials=1, failed_writes=disk.failed, refused_starts=trial.refused_starts, degraded=int(trial.degraded))
        return wrong, did + Counter(repairs=sum(world.executor.runs.values()))


def run_trials(task) -> tuple[list[str], Counter]:
    trials, root = task
    logging.disable(logging.CRITICAL)
    failed, total = [], Counter()
    for nth, error, outage_s in trials:
        folder = Path(tempfile.mkdtemp(dir=root))
        try:
            wrong, did = attempt(nth, error, outage_s, folder)
        except Exception as defect:  # noqa: BLE001 - whatever breaks is a finding
            wrong, did = [repr(defect)], Counter(trials=1)
        shutil.rmtree(folder, ignore_errors=True)
        total += did
        failed += [f"write {nth}, {error} for {outage_s} s: {one}" for one in wrong]
    return failed, total
