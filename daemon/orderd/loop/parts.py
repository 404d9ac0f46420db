"""What the loop is given: the rooms, ready to use. Scenario tests give fakes of the same shape."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from orderd.config import Config
from orderd.domain.clock import Clock
from orderd.domain.faults import Entity
from orderd.domain.repairs import Repair
from orderd.domain.values import Decision, DecisionRecord, ModelInfo, Sample, Scores, Step
from orderd.domain.window import Window
from orderd.executor.client import ExecutorClient


class SamplerPart(Protocol):
    """See orderd.sampling.Sampler."""

    async def wait(self, timeout_s: float) -> str: ...
    async def sample(self, cause: str) -> Sample: ...
    def focus(self, entity: Entity) -> None: ...
    def unfocus(self, entity: Entity) -> None: ...
    def nudge(self) -> None: ...


class InferencePart(Protocol):
    """See orderd.inference.client.InferenceClient."""

    @property
    def info(self) -> ModelInfo: ...
    async def classify(self, window: Window) -> Scores: ...


class JournalPart(Protocol):
    """See orderd.record.Journal."""

    def record(self, decision: Decision) -> DecisionRecord: ...
    def append(self, step: Step) -> DecisionRecord: ...


class IdsPart(Protocol):
    """See orderd.record.DecisionIds."""

    def decision(self) -> str: ...
    def incident(self) -> str: ...


class HubPart(Protocol):
    """See orderd.record.DecisionHub."""

    def publish(self, record: DecisionRecord) -> None: ...


class UplinkPart(Protocol):
    """See orderd.telemetry.Uplink."""

    def offer_sample(self, sample: Sample) -> None: ...
    def offer_decision(self, record: DecisionRecord) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The rooms the loop calls.

    Attributes:
        config: the checked configuration.
        clock: both clocks.
        sampler: measures the host.
        inference: the order model, or a client that says why there is none.
        repairs: the catalogue by name.
        executor: runs playbooks.
        journal: records before anything is touched.
        ids: gives out decision and incident ids.
        hub: tells watchers.
        uplink: tells the trainer.
        heartbeat: called after every tick; feeds systemd's watchdog.
    """

    config: Config
    clock: Clock
    sampler: SamplerPart
    inference: InferencePart
    repairs: Mapping[str, Repair]
    executor: ExecutorClient
    journal: JournalPart
    ids: IdsPart
    hub: HubPart
    uplink: UplinkPart
    heartbeat: Callable[[], None]
