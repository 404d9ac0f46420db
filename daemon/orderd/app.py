"""The composition root: builds every room from the configuration and runs them together. Touches everything they touch."""

import asyncio
import hashlib
import logging
import os
import signal
import time
from pathlib import Path
from typing import Final

import orderd
from orderd.catalogue import Catalogue, load_repairs
from orderd.config import Config
from orderd.domain.clock import Clock, Instant, SystemClock
from orderd.domain.values import Action, IncidentState, Step
from orderd.errors import CatalogueError
from orderd.executor.client import ExecutorClient
from orderd.executor.notify import notify
from orderd.inference.client import InferenceClient
from orderd.loop import Loop
from orderd.loop.parts import Parts
from orderd.loop.status import LoopView
from orderd.record import DecisionHub, DecisionIds, Journal, JournalReader
from orderd.rpc import serve
from orderd.rpc.models import model_service
from orderd.sampling import Sampler
from orderd.telemetry import Uplink

log = logging.getLogger(__name__)

_HOUR_S: Final = 3600.0
_MACHINE_ID: Final = Path("/etc/machine-id")
_STOP_GRACE_S: Final = 2.0


def host_id(machine_id: str) -> str:
    """Return this host's public id: the machine id hashed, because the machine id itself is to be kept confidential.

    References:
        machine-id(5): "should be considered confidential [...] hash it with a fixed, application-specific key".
    """
    return hashlib.sha256(b"orderd:" + machine_id.strip().encode()).hexdigest()[:32]


async def run(config: Config) -> None:
    """Run orderd until SIGTERM or SIGINT.

    Args:
        config: the checked configuration.

    Raises:
        OrderdError: something orderd cannot do without is missing.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    clock = SystemClock()
    catalogue = _catalogue(config)
    journal = Journal.open(config.journal.path, config.journal)
    try:
        await _run(config, clock, catalogue, journal, stop)
    finally:
        journal.close()


async def _run(config: Config, clock: Clock, catalogue: Catalogue, journal: Journal, stop: asyncio.Event) -> None:
    machine_id = _MACHINE_ID.read_text(encoding="ascii") if _MACHINE_ID.exists() else ""
    sampler = Sampler(config, clock)
    inference = InferenceClient(config.inference)
    uplink = Uplink(config.telemetry, host_id(machine_id), clock)
    hub = DecisionHub(config.rpc.watchers_max)
    watchdog = _Watchdog(os.environ.get("NOTIFY_SOCKET", ""))
    loop = Loop(
        Parts(
            config=config,
            clock=clock,
            sampler=sampler,
            inference=inference,
            repairs=catalogue.repairs,
            executor=ExecutorClient(config.executor.socket),
            journal=journal,
            ids=DecisionIds(clock, after=journal.newest_id()),
            hub=hub,
            uplink=uplink,
            heartbeat=watchdog.beat,
        )
    )
    _recover(journal, loop, clock)
    view = LoopView(
        loop=loop,
        config=config,
        catalogue=catalogue,
        inference=inference,
        uplink=uplink,
        host_id=host_id(machine_id),
        clock=clock,
    )
    await sampler.start()
    await inference.start()
    models = model_service(config.inference, inference)
    server = await serve(config.rpc, JournalReader.open(config.journal.path), hub, view, more=(models,))
    running = {"loop": loop.run(), "uplink": uplink.run(), "sampler": sampler.supervise()}
    tasks = [asyncio.create_task(coroutine, name=name) for name, coroutine in running.items()]
    log.info("orderd %s: %d repairs, mode %s", orderd.__version__, len(catalogue.repairs), config.decision.mode)
    notify("READY=1", os.environ.get("NOTIFY_SOCKET", ""))
    try:
        await _until_stopped(tasks, stop)
    finally:
        notify("STOPPING=1", os.environ.get("NOTIFY_SOCKET", ""))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await loop.close()
        await server.stop(_STOP_GRACE_S)
        await inference.close()
        await sampler.close()


async def _until_stopped(tasks: list["asyncio.Task[None]"], stop: asyncio.Event) -> None:
    """Wait for the stop signal; a task that ends before it is a defect and ends orderd, so that systemd starts it afresh."""
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    for task in done - {stopped}:
        task.result()


def _catalogue(config: Config) -> Catalogue:
    directory = Path(config.executor.repairs_dir)
    try:
        catalogue = load_repairs(directory)
    except CatalogueError as error:
        # Without a catalogue orderd still watches, records and answers; status says what is missing.
        log.error("%s", error)  # noqa: TRY400  the message says all
        return Catalogue(directory=directory, repairs={}, refused={"(all)": str(error)})
    for name, why in catalogue.refused.items():
        log.error("repair %s is refused: %s", name, why)
    return catalogue


def _recover(journal: Journal, loop: Loop, clock: Clock) -> None:
    """Settle what an earlier run left: end its open incidents, and let the guard remember its repairs.

    What the host looks like now is judged afresh: a symptom that still stands opens a new incident at the first tick. Repairs
    that were running belong to the executor, which ends every scope it does not know when it starts.
    """
    now = clock.now()
    for record in journal.unfinished():
        journal.append(
            Step(
                decision_id=record.decision.decision_id,
                at=now,
                state=IncidentState.CLOSED,
                what="recovered",
                detail=f"orderd was restarted while this was {record.state}; the host is judged afresh",
            )
        )
    for record in reversed(journal.page(100, action=Action.REPAIR)):
        age_s = (now.utc_ns - record.decision.at.utc_ns) / 1e9
        if 0 <= age_s < _HOUR_S:
            at = Instant(mono_ns=now.mono_ns - int(age_s * 1e9), utc_ns=record.decision.at.utc_ns)
            loop.guard.started(at, record.decision.diagnosis.entity, record.decision.repair)


class _Watchdog:
    """Feeds systemd's watchdog after a tick, at most every few seconds; a loop that hangs is restarted."""

    _EVERY_S: Final = 5.0

    def __init__(self, address: str) -> None:
        self._address = address
        self._last = 0.0

    def beat(self) -> None:
        now = time.monotonic()
        if self._address and now - self._last >= self._EVERY_S:
            self._last = now
            notify("WATCHDOG=1", self._address)
