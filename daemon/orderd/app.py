"""The composition root: builds every room from the configuration and runs them together. Touches everything they touch."""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

import orderd
from orderd.catalogue import Catalogue, load_repairs
from orderd.config import Config
from orderd.decision import GuardMemory
from orderd.domain.clock import Clock, Instant, SystemClock
from orderd.domain.peers import host_id
from orderd.domain.values import Action
from orderd.errors import CatalogueError, JournalError
from orderd.executor.client import ExecutorClient
from orderd.executor.notify import notify
from orderd.identity.keeper import Keeper
from orderd.inference.client import InferenceClient
from orderd.loop import Loop
from orderd.loop.control import LoopView
from orderd.loop.parts import Parts
from orderd.loop.recovery import recover
from orderd.loop.status import Status
from orderd.notify import Notifier
from orderd.record import DecisionHub, DecisionIds, Journal, JournalReader
from orderd.rpc import serve
from orderd.rpc.models import model_service
from orderd.rpc.server import RpcServer
from orderd.sampling import Sampler
from orderd.sampling.bundle import BundleCollector
from orderd.sampling.changes import ChangeWatch
from orderd.sampling.inventory import InventoryTaker
from orderd.telemetry import Budget, Uplink
from orderd.telemetry.channel import Line

log = logging.getLogger(__name__)

_MACHINE_ID: Final = Path("/etc/machine-id")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_HOUR_NS: Final = 3600 * 10**9
_LOOK_S: Final = 5.0
_RETAIN_S: Final = 60.0
_RETAIN_PAUSE_S: Final = 0.05
_STOP_GRACE_S: Final = 2.0


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
    rooms = _Rooms(config, clock, catalogue, journal)
    recovered = recover(rooms.loop, rooms.parts)
    await rooms.sampler.start()
    await rooms.changes.start()
    await rooms.inference.start()
    reader = JournalReader.open(config.journal.path)
    models = model_service(config.inference, rooms.inference)
    server = await serve(config.rpc, reader, rooms.hub, rooms.view, kept=journal.kept, more=(models,), identity=rooms.keeper)
    rooms.identity.server = server
    tasks = [asyncio.create_task(work, name=name) for name, work in rooms.running(server).items()]
    log.info("orderd %s: %d repairs, mode %s", orderd.__version__, len(catalogue.repairs), config.decision.mode)
    if recovered:
        log.info("%d incidents that had not ended are taken up again", recovered)
    notify("READY=1", os.environ.get("NOTIFY_SOCKET", ""))
    try:
        await _until_stopped(tasks, stop)
    finally:
        notify("STOPPING=1", os.environ.get("NOTIFY_SOCKET", ""))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await rooms.loop.close()
        await server.stop(_STOP_GRACE_S)
        reader.close()
        await rooms.close()


def _repaired_lately(journal: Journal, now: Instant) -> list[Instant]:
    """Return when the repairs of the last hour began, so that a restart gives the host no fresh allowance without the trainer."""
    records = journal.page(100, action=Action.REPAIR, since_utc_ns=now.utc_ns - _HOUR_NS)
    ages = (now.utc_ns - record.decision.at.utc_ns for record in records)
    return [Instant(mono_ns=now.mono_ns - age, utc_ns=now.utc_ns - age) for age in ages if age >= 0]


class _Rooms:
    """Every room of orderd, built from the configuration."""

    def __init__(self, config: Config, clock: Clock, catalogue: Catalogue, journal: Journal) -> None:
        machine_id = _MACHINE_ID.read_text(encoding="ascii") if _MACHINE_ID.exists() else ""
        self._config, self._clock, self._journal, host = config, clock, journal, host_id(machine_id)
        self.sampler = Sampler(config, clock)
        self.changes = ChangeWatch(config, clock, self.sampler.systemd)
        self.inference = InferenceClient(config.inference)
        self.keeper = Keeper(Path(config.identity.directory), clock, trainer=config.telemetry.trainer)
        self.identity = _Identity(self.keeper)
        line = Line(config.telemetry, self.keeper)
        self.uplink = Uplink(config.telemetry, host, clock, line=line)
        self.budget = Budget(config.fleet, config.telemetry, host, channel=line.open, clock=clock)
        self.budget.restore(_repaired_lately(journal, clock.now()))
        self.notifier = Notifier(config.notify, journal.kept, socket.gethostname(), clock)
        self.hub = DecisionHub(config.rpc.watchers_max)
        ids = DecisionIds(clock, after=journal.newest_id())
        memory = GuardMemory(
            config=config,
            repairs=catalogue.repairs,
            keep=journal.kept,
            now=clock.now(),
            boot_id=_boot_id(),
            ticket_id=lambda: f"t{ids.incident()[1:]}",
        )
        self.parts = Parts(
            config=config,
            clock=clock,
            sampler=self.sampler,
            inference=self.inference,
            repairs=catalogue.repairs,
            executor=ExecutorClient(config.executor.socket),
            journal=journal,
            ids=ids,
            hub=self.hub,
            uplink=self.uplink,
            heartbeat=_Watchdog(os.environ.get("NOTIFY_SOCKET", "")).beat,
            changes=self.changes,
            budget=self.budget,
            notifier=self.notifier,
            identity=self.identity,
            inventory=InventoryTaker(config, clock, self.sampler.systemd),
            bundle=BundleCollector(clock),
        )
        self.loop = Loop(self.parts, memory)
        self.status = Status(loop=self.loop, parts=self.parts, catalogue=catalogue, uplink=self.uplink, host_id=host)
        self.view = LoopView(loop=self.loop, parts=self.parts, catalogue=catalogue, status=self.status)

    def running(self, server: RpcServer) -> dict[str, Coroutine[Any, Any, None]]:
        """Return what runs until orderd is stopped, by name; one that ends before is a defect."""
        vitals = self.loop.vitals
        return {
            "loop": self.loop.run(),
            "uplink": self.uplink.run(),
            "sampler": self.sampler.supervise(),
            "notifier": self.notifier.run(),
            "identity": self.keeper.run(),
            "vitals": vitals.watch(self.parts.executor),
            "health": vitals.tell_health(server.set_serving),
            "degraded": self._tell_degraded(),
            "retention": self._retain(),
        }

    async def _tell_degraded(self) -> None:
        """Tell people what does not work."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self.loop.notices.degraded(self.status.degraded())

    async def _retain(self) -> None:
        """Keep the journal within its bounds, a piece at a time, beside the ticks."""
        more = False
        while True:
            await asyncio.sleep(_RETAIN_PAUSE_S if more else _RETAIN_S)
            try:
                more = await asyncio.to_thread(self._journal.retain, self._clock.now())
            except JournalError as error:
                more = False
                log.warning("what is too old stays in the journal: %s", error)

    async def close(self) -> None:
        """Stop what runs beside."""
        await self.budget.close()
        await self.inference.close()
        await self.changes.close()
        await self.sampler.close()


class _Identity:
    """What status says of the identity."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self.server: RpcServer | None = None

    @property
    def name(self) -> str:
        return str(self._keeper.identity.name) if self._keeper.identity else ""

    @property
    def remaining_s(self) -> float:
        return self._keeper.remaining_s

    @property
    def problem(self) -> str:
        found = (self._keeper.problem, self.server.problem if self.server else "")
        return "; ".join(problem for problem in found if problem)


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


def _boot_id() -> str:
    """Return the id of this boot; monotonic times of one boot can be compared."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


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
