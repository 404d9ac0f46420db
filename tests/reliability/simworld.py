"""A whole host in one process, in virtual time: the real loop, guard and journal on a disk, a network and an executor that fail.

Everything random is drawn from one seed. The host, its disk and what the executor did outlive orderd; a kill leaves what was
written, a power cut what was synced. What orderd was told is durable is written down here, and compared after every start.
"""

import asyncio
import contextlib
import os
import random
import selectors
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

import simdisk
from founding import founding_repairs
from orderd.config import Config
from orderd.config.schema import JournalConfig
from orderd.decision import GuardMemory
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.values import EntityRow, ModelInfo, Sample, entity_values
from orderd.errors import ExecutorError, InferenceError, JournalError, RepairRefusedError
from orderd.executor.messages import Awake, Code, Finished, Mode, Outcome, RunningRepair, Started
from orderd.loop import Loop
from orderd.loop.parts import Parts
from orderd.loop.recovery import recover
from orderd.record import DecisionIds, Journal
from orderd.record.journal import AFTERWARDS
from simdisk import SimDisk

ROOT = Path(__file__).parents[2]
REPAIRS = founding_repairs()
CONFIG = msgspec.convert({"decision": {"mode": "auto"}}, Config)
JOURNAL = JournalConfig(ballast_bytes=0)
WRITE_ERRORS = {"ENOSPC": (simdisk.FULL, simdisk.FULL), "EIO": (simdisk.IO_WRITE, simdisk.IO_SYNC)}
"""The SQLite errors of a write and of a sync."""

UNITS = tuple(Entity.parse(f"unit:{name}.service") for name in ("nginx", "redis", "cron"))
RUNNING = {
    "unit_active_ratio": 1.0,
    "unit_failed_ratio": 0.0,
    "unit_transition_ratio": 0.0,
    "unit_masked_ratio": 0.0,
    "unit_restarts_per_s": 0.0,
    "unit_main_stopped_ratio": 0.0,
    "unit_dropins_changed_ratio": 0.0,
    "probe_ok_ratio": 1.0,
    "probe_latency_s": 0.01,
    "unit_active_s": 100.0,
}
DOWN = RUNNING | {"unit_active_ratio": 0.0, "unit_failed_ratio": 1.0, "probe_ok_ratio": 0.0}
MASKED = DOWN | {"unit_masked_ratio": 1.0, "unit_failed_ratio": 0.0}
HUNG = RUNNING | {"unit_main_stopped_ratio": 1.0, "probe_ok_ratio": 0.0, "probe_latency_s": 0.5}
TROUBLES = (DOWN, DOWN, MASKED, HUNG)


def memory() -> str | None:
    """Return a folder in memory; the simulated disk needs no real one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class _NoWait(selectors.DefaultSelector):
    """Lets virtual time pass instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout=None):
        assert timeout is not None, "everything waits for something that never comes"
        self.passed += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on which a second costs nothing."""

    def __init__(self) -> None:
        self._virtual = _NoWait()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return seconds since the world began."""
        return self._virtual.passed


class KilledError(Exception):
    """orderd was killed, or the power went."""


@dataclass
class SimClock:
    """Both clocks of the host: one begins anew at every boot, the other may jump."""

    loop: VirtualLoop
    boot_s: float = -1000.0
    utc_ns: int = 1_795_000_000_000_000_000

    def now(self) -> Instant:
        """Return the moment."""
        passed = self.loop.time()
        return Instant(mono_ns=int((passed - self.boot_s) * 1e9), utc_ns=self.utc_ns + int(passed * 1e9))


class SimHost:
    """What the sampler measures; outlives orderd."""

    def __init__(self, clock: SimClock, units: tuple[Entity, ...] = UNITS) -> None:
        self.clock = clock
        self.state = dict.fromkeys(units, RUNNING)

    async def wait(self, timeout_s):
        await asyncio.sleep(timeout_s)
        return "timer"

    async def sample(self, cause):
        rows = tuple(EntityRow(entity=entity, values=entity_values(**state)) for entity, state in sorted(self.state.items()))
        return Sample(at=self.clock.now(), cause=cause, host=(0.1,) * 16, entities=rows)

    def focus(self, entity):
        pass

    def unfocus(self, entity):
        pass

    def nudge(self):
        pass


class NoModel:
    """No model answers: rules decide."""

    info = ModelInfo(loaded=False, why="simulated")

    async def classify(self, window):
        raise InferenceError("simulated: out of reach")


class Sink:
    """Takes what is published."""

    def publish(self, record):
        pass

    def offer_sample(self, sample):
        pass

    def offer_decision(self, record):
        pass


@dataclass
class SimExecutor:
    """orderd-exec and the network to it. It goes on when orderd is killed, and never runs one id twice, as the real one."""

    host: SimHost
    chance: random.Random
    acknowledged: set[str]
    flaky: float = 0.0
    helps: float = 0.7
    targets: list[str] = field(default_factory=list)
    asked: Counter = field(default_factory=Counter)
    runs: Counter = field(default_factory=Counter)
    unrecorded: list[str] = field(default_factory=list)
    under_way: dict[str, Mode] = field(default_factory=dict)
    tasks: set = field(default_factory=set)

    async def repair(self, request, on_event=lambda _event: None):
        self.asked[request.repair_id, request.mode] += 1
        self.targets.append(request.target)
        if request.repair_id not in self.acknowledged:
            self.unrecorded.append(request.repair_id)
        await asyncio.sleep(self.chance.uniform(0.0, 0.3))
        if self.chance.random() < self.flaky:
            raise ExecutorError("simulated: refused") from ConnectionRefusedError()
        if self.chance.random() < self.flaky:
            raise RepairRefusedError(str(Code.BUSY), "simulated")
        running = self._begin(self._run(request))
        if self.chance.random() < self.flaky:
            # The network delivers the request twice.
            self._begin(self._again(request))
        if self.chance.random() < self.flaky:
            await asyncio.sleep(self.chance.uniform(0.0, 3.0))
            raise ExecutorError("simulated: closed before the end")
        on_event(Started(repair_id=request.repair_id, scope="simulated.scope"))
        if self.chance.random() < self.flaky:
            on_event(Started(repair_id=request.repair_id, scope="simulated.scope"))
        return await asyncio.shield(running)

    def _begin(self, work):
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task):
        self.tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may have been killed meanwhile

    def lose_power(self):
        """End what runs; what was run before is remembered, as the real one remembers it on its disk."""
        self.under_way.clear()
        for task in self.tasks:
            task.cancel()

    async def _again(self, request):
        with contextlib.suppress(RepairRefusedError):
            await self._run(request)

    async def _run(self, request):
        key = (request.repair_id, request.mode)
        if self.runs[key]:
            raise RepairRefusedError(str(Code.ALREADY_RUN), "simulated")
        self.runs[key] += 1
        self.under_way[request.repair_id] = request.mode
        await asyncio.sleep(self.chance.uniform(0.05, 2.0))
        self.under_way.pop(request.repair_id, None)
        helps = self.chance.random() < self.helps
        if helps and request.mode is Mode.APPLY:
            self.host.state[Entity.parse(request.target)] = RUNNING
        outcome = Outcome.SUCCEEDED if helps or self.chance.random() < 0.5 else Outcome.FAILED
        return Finished(repair_id=request.repair_id, outcome=outcome)

    async def running(self, timeout_s=2.0):
        if self.chance.random() < self.flaky:
            raise ExecutorError("simulated: no answer")
        return tuple(
            RunningRepair(repair_id=one, playbook="service_start", target=str(UNITS[0]), mode=mode, remaining_s=1.0)
            for one, mode in self.under_way.items()
        )

    async def wake(self, timeout_s=2.0):
        return Awake(playbooks=1, refused={}, zygote=True)


class Witness(Journal):
    """The real journal; what it acknowledged is written down."""

    said: list[tuple[str, str]]
    acknowledged: set[str]
    raised: int
    on_raise: Callable[[], object]

    def watch(self, said, acknowledged):
        self.said, self.acknowledged, self.raised, self.on_raise = said, acknowledged, 0, lambda: None

    def record(self, decision, evidence=None):
        with self._watched():
            record = super().record(decision, evidence)
        self.said.append((decision.decision_id, repr(record.steps[0])))
        self.acknowledged.add(decision.decision_id)
        return record

    def append(self, step):
        with self._watched():
            record = super().append(step)
        self.said.append((step.decision_id, repr(step)))
        return record

    @contextlib.contextmanager
    def _watched(self):
        try:
            yield
        except JournalError:
            self.raised += 1
            self.on_raise()
            raise


class World:
    """One host and all its starts."""

    def __init__(
        self,
        seed: int,
        folder: Path,
        disk: SimDisk,
        template: Path,
        *,
        journal: JournalConfig = JOURNAL,
        units: tuple[Entity, ...] = UNITS,
        helps: float = 0.7,
    ) -> None:
        """Make a healthy host with an empty journal.

        Args:
            seed: of everything random.
            folder: empty, for this world alone.
            disk: below it.
            template: an empty journal; making a new one each time would cost as much as the rest.
            journal: its bounds.
            units: the services of the host.
            helps: how often a repair helps.
        """
        self.chance = random.Random(seed)
        self.folder, self.disk, self.journal_config = folder, disk, journal
        self.vloop = VirtualLoop()
        self.clock = SimClock(self.vloop)
        self.host = SimHost(self.clock, units)
        self.said: list[tuple[str, str]] = []
        self.acknowledged: set[str] = set()
        self.executor = SimExecutor(self.host, self.chance, self.acknowledged, helps=helps)
        self.boots, self.starts, self.wrong = 1, 0, []
        self.boot_folder(folder / "0")
        if template.exists():
            (folder / "0" / "journal.sqlite").write_bytes(template.read_bytes())
        self.journal: Witness | None = None
        self.loop: Loop | None = None

    def boot_folder(self, folder: Path) -> None:
        """Have the next start find its files there."""
        folder.mkdir(exist_ok=True)
        self.disk.revive(folder)

    @property
    def path(self) -> Path:
        """Return where the journal lies now."""
        return self.disk.folder / "journal.sqlite"

    def start(self) -> None:
        """Start orderd: open the journal, compare it with what was acknowledged, recover.

        Raises:
            JournalError: it cannot start, which is no harm: systemd tries again.
        """
        self.starts += 1
        self.journal = Witness.open(self.path, self.journal_config)
        self.journal.watch(self.said, self.acknowledged)
        self.compare()
        ids = DecisionIds(self.clock, after=self.journal.newest_id(), random=self.chance.randrange)
        parts = Parts(
            config=CONFIG,
            clock=self.clock,
            sampler=self.host,
            inference=NoModel(),
            repairs=REPAIRS,
            executor=self.executor,
            journal=self.journal,
            ids=ids,
            hub=Sink(),
            uplink=Sink(),
            heartbeat=lambda: None,
        )
        memory = GuardMemory(
            config=CONFIG,
            repairs=REPAIRS,
            keep=self.journal.kept,
            now=self.clock.now(),
            boot_id=f"boot-{self.boots}",
            ticket_id=ids.incident,
        )
        self.loop = Loop(parts, memory)
        recover(self.loop, parts)

    def compare(self) -> None:
        """Note every acknowledged decision or step that the journal does not hold."""
        held: dict[str, list[str]] = {}
        for decision_id, step in self.said:
            if decision_id not in held:
                record = self.journal.get(decision_id)
                held[decision_id] = [] if record is None else [repr(s) for s in record.steps]
            if step not in held[decision_id]:
                self.wrong.append(f"start {self.starts}: acknowledged, but lost: {decision_id} {step}")

    async def live(self, seconds: float) -> None:
        """Tick until a moment; a part that raises ends it, as it would end orderd.

        Raises:
            KilledError: the disk is gone.
        """
        task = asyncio.ensure_future(self.loop.run())
        end = self.vloop.time() + seconds
        try:
            while self.vloop.time() < end and not self.disk.dead:
                done, _ = await asyncio.wait({task}, timeout=min(0.2, end - self.vloop.time()))
                if done:
                    task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            # A kill ends orderd's tasks without a word; what the executor runs goes on.
            await self.loop.close()
        if self.disk.dead:
            raise KilledError

    def end(self, *, power: bool) -> None:
        """Kill orderd, or cut the power of its host."""
        folder = self.folder / str(self.starts)
        if power:
            self.disk.cut_power(folder, self.chance)
            self.boots += 1
            self.clock.boot_s = self.vloop.time() - self.chance.uniform(1.0, 30.0)
            self.executor.lose_power()
        else:
            self.disk.kill(folder)
        if self.journal is not None:
            with contextlib.suppress(JournalError):
                self.journal.close()
        self.journal = self.loop = None
        self.boot_folder(folder)

    def check(self) -> list[str]:
        """Return everything that is not as it has to be, once all is quiet."""
        self.compare()
        records = self.journal.page(1000)[::-1]
        ids = [record.decision.decision_id for record in records]
        ends = Counter(
            record.decision.incident_id
            for record in records
            for step in record.steps
            if step.state.terminal and step.what not in AFTERWARDS
        )
        incidents = {record.decision.incident_id for record in records}
        self.wrong += [f"not in order: {ids}"] * (ids != sorted(ids))
        self.wrong += [f"{incident}: {ends[incident]} terminal states" for incident in sorted(incidents) if ends[incident] != 1]
        asked = self.executor.asked.items()
        self.wrong += [f"asked {n} times to {mode} {one}" for (one, mode), n in asked if n > 1 and mode == "apply"]
        self.wrong += [f"{mode} of {one} ran {n} times" for (one, mode), n in self.executor.runs.items() if n > 1]
        self.wrong += [f"executor asked before {one} was durable" for one in self.executor.unrecorded]
        self.wrong += [f"{record.decision.decision_id} unfinished" for record in self.journal.unfinished()]
        return self.wrong

    def close(self) -> None:
        """End everything."""
        if self.journal is not None:
            self.journal.close()
        for task in asyncio.all_tasks(self.vloop):
            task.cancel()
        self.vloop.run_until_complete(asyncio.sleep(0))
        self.vloop.close()
