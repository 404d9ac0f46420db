"""Fakes for the whole loop: a host that can be broken, an executor that cures it, a journal in memory, a clock that obeys."""

import asyncio
from dataclasses import replace
from pathlib import Path

from orderd.catalogue import Catalogue
from orderd.config import Config
from orderd.decision import GuardMemory
from orderd.decision.kept import KeptInMemory
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.signals import HOST_SIGNALS
from orderd.domain.values import DecisionRecord, EntityRow, ModelInfo, Sample, Step, entity_values
from orderd.errors import InferenceError, RepairRefusedError
from orderd.executor.messages import Awake, Code, Finished, Outcome, RepairRequest, Started
from orderd.loop import Loop
from orderd.loop.control import LoopView
from orderd.loop.parts import Parts
from orderd.loop.recovery import recover
from orderd.loop.status import Status
from orderd.record.journal import intent

NGINX = Entity.parse("unit:nginx.service")
REDIS = Entity.parse("unit:redis.service")
DATA = Entity.parse("mount:/srv/data")
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
FULL = {"mount_used_ratio": 0.99, "mount_fill_ratio_per_s": 0.01, "mount_read_only_ratio": 0.0}
ROOMY = FULL | {"mount_used_ratio": 0.2, "mount_fill_ratio_per_s": 0.0}


class FakeClock:
    def __init__(self):
        self.mono_ns = 10**12
        self.utc_offset_ns = 18 * 10**17

    def now(self):
        return Instant(mono_ns=self.mono_ns, utc_ns=self.utc_offset_ns + self.mono_ns)

    def advance(self, seconds):
        self.mono_ns += int(seconds * 1e9)


class FakeHost:
    """What the sampler measures; tests change ``state``."""

    def __init__(self, clock):
        self.clock = clock
        self.state = {NGINX: dict(RUNNING), REDIS: dict(RUNNING), DATA: dict(ROOMY)}
        self.load = {}
        self.focused = set()

    async def wait(self, timeout_s):
        return "timer"

    async def sample(self, cause):
        rows = tuple(EntityRow(entity=e, values=entity_values(**s)) for e, s in sorted(self.state.items()))
        return Sample(
            at=self.clock.now(), cause=cause, host=tuple(self.load.get(s.name, 0.1) for s in HOST_SIGNALS), entities=rows
        )

    def focus(self, entity):
        self.focused.add(entity)

    def unfocus(self, entity):
        self.focused.discard(entity)

    def nudge(self):
        pass


class FakeModel:
    """Answers what the test sets; without an answer it is out of reach, so that rules decide."""

    def __init__(self):
        self.info = ModelInfo(loaded=False, why="fake")
        self.scores = None

    async def classify(self, window):
        if self.scores is None:
            raise InferenceError("fake model is out of reach")
        return self.scores(window)


class FakeExecutor:
    """Runs a cure per playbook; a playbook without one succeeds and changes nothing."""

    def __init__(self, clock):
        self.clock = clock
        self.cures = {}
        self.requests: list[RepairRequest] = []
        self.before_run = lambda request: None
        self.wait_for = None
        self.refusals = []
        self.killed = 0
        self.under_way = ()

    async def wake(self, timeout_s=2.0):
        return Awake(playbooks=7, refused={}, zygote=True)

    async def running(self, timeout_s=2.0):
        return self.under_way

    async def repair(self, request, on_event=lambda _event: None):
        self.requests.append(request)
        self.before_run(request)
        if self.refusals:
            raise RepairRefusedError(self.refusals.pop(0), "refused by the test")
        on_event(Started(repair_id=request.repair_id, scope="fake.scope"))
        await (self.wait_for.wait() if self.wait_for else asyncio.sleep(0))
        if self.killed:
            self.killed -= 1
            return Finished(repair_id=request.repair_id, outcome=Outcome.FAILED, code=Code.DIED)
        self.cures.get(request.playbook, lambda: None)()
        return Finished(repair_id=request.repair_id, outcome=Outcome.SUCCEEDED)


class FailingKept(KeptInMemory):
    """Fails with the journal it belongs to."""

    def __init__(self, journal):
        super().__init__()
        self.journal = journal

    def put(self, kind, key, value):
        self.journal.check()
        super().put(kind, key, value)

    def drop(self, kind, key):
        self.journal.check()
        super().drop(kind, key)


class FakeJournal:
    """In memory; refuses what the real one refuses: a step after the end, a second end."""

    def __init__(self):
        self.records: dict[str, DecisionRecord] = {}
        self.kept = FailingKept(self)
        self.evidences = {}
        self.given = {}
        self.error = None

    def check(self):
        if self.error:
            raise self.error

    def record(self, decision, evidence=None):
        self._check_open(decision.incident_id)
        self.evidences[decision.decision_id] = evidence
        return self._put(DecisionRecord(decision=decision, steps=(intent(decision),)))

    def append(self, step: Step):
        old = self.records[step.decision_id]
        if step.what not in {"rated", "ticket"}:
            self._check_open(old.decision.incident_id)
        return self._put(replace(old, steps=(*old.steps, step)))

    def _check_open(self, incident_id):
        ended = [r for r in self.incident(incident_id) if r.state.terminal]
        assert not ended, f"{incident_id} has ended"

    def _put(self, record):
        self.check()
        self.records[record.decision.decision_id] = record
        return record

    def get(self, decision_id):
        return self.records.get(decision_id)

    def evidence(self, decision_id):
        return self.evidences.get(decision_id)

    def incident(self, incident_id):
        return [r for r in self.records.values() if r.decision.incident_id == incident_id]

    def unfinished(self):
        newest = {r.decision.incident_id: r for r in self.records.values()}
        return [r for r in newest.values() if not r.state.terminal]

    def rate(self, rating):
        self.given.setdefault(rating.decision_id, []).insert(0, rating)
        return self.records[rating.decision_id]

    def ratings(self, decision_id):
        return tuple(self.given.get(decision_id, ()))


class FakeIds:
    def __init__(self):
        self.count = 0

    def decision(self):
        self.count += 1
        return f"d{self.count:04}"

    def incident(self):
        self.count += 1
        return f"i{self.count:04}"


class Sink:
    """Takes what others are told, and remembers it."""

    def __init__(self):
        self.published = []
        self.said = []
        self.resolved = []
        self.sent = self.waiting = 0
        self.problem = ""

    def publish(self, record):
        self.published.append(record)

    def offer_sample(self, sample):
        pass

    def offer_decision(self, record):
        pass

    def say(self, event, key, title, body):
        self.said.append((event, key))

    def say_durably(self, event, key, title, body):
        self.say(event, key, title, body)

    def resolve(self, key):
        self.resolved.append(key)


class Scene:
    """A loop on a fake host, ticked by hand. ``restart`` is what a crash leaves: journal, executor and host."""

    def __init__(self, repairs, config: Config, **parts):
        self.repairs, self.config, self.more = repairs, config, parts
        self.clock = FakeClock()
        self.host = FakeHost(self.clock)
        self.model = FakeModel()
        self.executor = FakeExecutor(self.clock)
        self.journal = FakeJournal()
        self.sink = Sink()
        self.ids = FakeIds()
        self.beats = 0
        self.boot_id = "boot-1"
        self.start()

    def start(self):
        self.parts = Parts(
            config=self.config,
            clock=self.clock,
            sampler=self.host,
            inference=self.model,
            repairs=self.repairs,
            executor=self.executor,
            journal=self.journal,
            ids=self.ids,
            hub=self.sink,
            uplink=self.sink,
            heartbeat=self._beat,
            **({"notifier": self.sink} | self.more),
        )
        memory = GuardMemory(
            config=self.config,
            repairs=self.repairs,
            keep=self.journal.kept,
            now=self.clock.now(),
            boot_id=self.boot_id,
            ticket_id=lambda: f"t{self.ids.incident()[1:]}",
        )
        self.loop = Loop(self.parts, memory)
        recover(self.loop, self.parts)
        catalogue = Catalogue(directory=Path("/"), repairs=self.repairs, refused={})
        status = Status(loop=self.loop, parts=self.parts, catalogue=catalogue, uplink=self.sink, host_id="h")
        self.view = LoopView(loop=self.loop, parts=self.parts, catalogue=catalogue, status=status)

    def _beat(self):
        self.beats += 1

    async def restart(self, away_s=2.0):
        await self.loop.close()
        self.clock.advance(away_s)
        self.start()

    async def ticks(self, count, step_s=0.5):
        for _ in range(count):
            self.clock.advance(step_s)
            await self.loop.tick("timer")
            for _ in range(4):
                await asyncio.sleep(0)

    @property
    def decisions(self):
        return [r.decision for r in self.journal.records.values()]

    @property
    def reasons(self):
        return [str(d.reason) for d in self.decisions]

    @property
    def playbooks(self):
        return [r.playbook for r in self.executor.requests]

    def states(self):
        return [r.state for r in self.journal.records.values()]

    def words(self, place=-1):
        return [s.what for s in list(self.journal.records.values())[place].steps]
