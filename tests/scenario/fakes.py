"""Fakes for the whole loop: a host that can be broken, an executor that cures it, a journal in memory, a clock that obeys."""

import asyncio
from dataclasses import replace

from orderd.config import Config
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.values import DecisionRecord, EntityRow, ModelInfo, Sample, Step, entity_values
from orderd.errors import InferenceError
from orderd.executor.messages import Finished, Outcome, RepairRequest, Started
from orderd.loop import Loop
from orderd.loop.parts import Parts
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

    def now(self):
        return Instant(mono_ns=self.mono_ns, utc_ns=10**18 + self.mono_ns)

    def advance(self, seconds):
        self.mono_ns += int(seconds * 1e9)


class FakeHost:
    """What the sampler measures; tests change ``state``."""

    def __init__(self, clock):
        self.clock = clock
        self.state = {NGINX: dict(RUNNING), REDIS: dict(RUNNING), DATA: dict(ROOMY)}
        self.focused = set()

    async def wait(self, timeout_s):
        return "timer"

    async def sample(self, cause):
        rows = tuple(EntityRow(entity=e, values=entity_values(**s)) for e, s in sorted(self.state.items()))
        return Sample(at=self.clock.now(), cause=cause, host=(0.1,) * 16, entities=rows)

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

    async def repair(self, request, on_event=lambda _event: None):
        self.requests.append(request)
        self.before_run(request)
        on_event(Started(repair_id=request.repair_id, scope="fake.scope"))
        await (self.wait_for.wait() if self.wait_for else asyncio.sleep(0))
        self.cures.get(request.playbook, lambda: None)()
        return Finished(repair_id=request.repair_id, outcome=Outcome.SUCCEEDED)


class FakeJournal:
    def __init__(self):
        self.records: dict[str, DecisionRecord] = {}
        self.error = None

    def record(self, decision):
        return self._put(DecisionRecord(decision=decision, steps=(intent(decision),)))

    def append(self, step: Step):
        old = self.records[step.decision_id]
        return self._put(replace(old, steps=(*old.steps, step)))

    def _put(self, record):
        if self.error:
            raise self.error
        self.records[record.decision.decision_id] = record
        return record


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
    def publish(self, record):
        pass

    def offer_sample(self, sample):
        pass

    def offer_decision(self, record):
        pass


class Scene:
    """A loop on a fake host, ticked by hand."""

    def __init__(self, repairs, config: Config):
        self.clock = FakeClock()
        self.host = FakeHost(self.clock)
        self.model = FakeModel()
        self.executor = FakeExecutor(self.clock)
        self.journal = FakeJournal()
        self.loop = Loop(
            Parts(
                config=config,
                clock=self.clock,
                sampler=self.host,
                inference=self.model,
                repairs=repairs,
                executor=self.executor,
                journal=self.journal,
                ids=FakeIds(),
                hub=Sink(),
                uplink=Sink(),
                heartbeat=lambda: None,
            )
        )

    async def ticks(self, count, step_s=0.5):
        for _ in range(count):
            self.clock.advance(step_s)
            await self.loop.tick("timer")
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    @property
    def decisions(self):
        return [r.decision for r in self.journal.records.values()]

    @property
    def playbooks(self):
        return [r.playbook for r in self.executor.requests]

    def states(self):
        return [r.state for r in self.journal.records.values()]
