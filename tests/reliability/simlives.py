"""One seed of the simulation (T2): some lives of orderd that end badly, then one in which everything works again.

Apart from the test, so that processes that are started afresh can import it.
"""

import asyncio
import contextlib
import logging
import shutil
import sqlite3
import time
import traceback
from pathlib import Path

import simworld
from orderd.errors import JournalError
from orderd.record import Journal

QUIET_S = 50.0
"""After the last trouble: every repair has ended, was judged, and every incident was closed."""
HEAL_S = 14.0


def make_template(path: Path) -> None:
    Journal.open(path, simworld.JOURNAL).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def simulate(seed: int, folder: Path, template: Path) -> tuple[list[str], dict[str, int]]:
    """Run one seed; return what was wrong, and what happened."""
    with simworld.SimDisk(folder) as disk:
        world = simworld.World(seed, folder, disk, template)
        try:
            world.vloop.run_until_complete(_history(world))
            wrong = world.check()
            did = {
                "decisions": len(world.acknowledged),
                "repairs": sum(world.executor.runs.values()),
                "starts": world.starts,
                "boots": world.boots,
                "failed writes": disk.failed,
            }
        finally:
            world.close()
    return wrong, did


async def _history(world) -> None:
    """Some lives that end badly, then one in which everything works again."""
    chance = world.chance
    for _ in range(chance.choice((1, 1, 2, 3))):
        world.executor.flaky = chance.choice((0.0, 0.0, 0.1, 0.3))
        power = chance.random() < 0.6
        if chance.random() < 0.7:
            world.disk.cut_at = world.disk.operations + chance.randrange(1, 700)
        await _life(world, chance.uniform(2.0, 18.0))
        world.end(power=power)
    world.executor.flaky = 0.0
    world.start()
    await asyncio.gather(world.live(QUIET_S), _heal(world))


async def _life(world, seconds: float) -> None:
    try:
        world.start()
    except JournalError:
        # It did not come up: systemd would try again.
        return
    troubles = asyncio.ensure_future(_troubles(world))
    try:
        await world.live(seconds)
    except simworld.KilledError:
        pass
    finally:
        troubles.cancel()
        await asyncio.gather(troubles, return_exceptions=True)


async def _troubles(world) -> None:
    """Break services, the disk and the wall clock, for as long as orderd lives."""
    chance = world.chance
    while True:
        await asyncio.sleep(chance.expovariate(0.6))
        kind = chance.random()
        if kind < 0.6:
            world.host.state[chance.choice(simworld.UNITS)] = chance.choice(simworld.TROUBLES)
        elif kind < 0.7:
            world.clock.utc_ns += chance.choice((-3600, 3600, -10 * 31_536_000, 10 * 31_536_000)) * 10**9
        elif kind < 0.85:
            await _bad_disk(world)


async def _bad_disk(world) -> None:
    chance = world.chance
    on_write, on_sync = chance.choice(tuple(simworld.WRITE_ERRORS.values()))
    share = chance.choice((0.1, 0.5, 1.0))
    world.disk.fault = lambda kind: (on_sync if kind == "sync" else on_write) if chance.random() < share else 0
    await asyncio.sleep(chance.uniform(0.2, 3.0))
    world.disk.works()


async def _heal(world) -> None:
    """A person mends what repairs did not."""
    await asyncio.sleep(HEAL_S)
    for unit in simworld.UNITS:
        world.host.state[unit] = simworld.RUNNING


def run_seeds(task) -> tuple[list[tuple[int, list[str]]], dict[str, int], float]:
    """Run some seeds in a process of its own; stop early when several fail."""
    seeds, root = task
    logging.disable(logging.CRITICAL)
    failed, total, began = [], {}, time.perf_counter()
    template = Path(root) / "template.sqlite"
    for seed in seeds:
        folder = Path(root) / str(seed)
        folder.mkdir()
        try:
            wrong, did = simulate(seed, folder, template)
        except Exception as error:  # noqa: BLE001 - a seed that breaks is a finding like any other
            wrong, did = [f"{error!r}: {''.join(traceback.format_exception(error)[-3:])}"], {}
        shutil.rmtree(folder, ignore_errors=True)
        total = {name: total.get(name, 0) + did.get(name, 0) for name in total | did}
        if wrong:
            failed.append((seed, wrong))
            if len(failed) >= 5:
                break
    return failed, total, time.perf_counter() - began
