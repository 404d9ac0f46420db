"""What the loop is given: the rooms, ready to use. Scenario tests give fakes of the same shape.

Below the protocols are the parts of a host that lacks one: no budget, nobody to tell, no changes seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from orderd.config import Config
from orderd.domain.changes import Change
from orderd.domain.clock import Clock
from orderd.domain.faults import Entity
from orderd.domain.inventory import Inventory
from orderd.domain.repairs import Repair
from orderd.domain.standing import Lease, Rating, Standing
from orderd.domain.values import Decision, DecisionRecord, Evidence, ModelInfo, Sample, Scores, Step
from orderd.domain.window import Window
from orderd.executor.client import ExecutorClient

T = TypeVar("T")


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


class KeptPart(Protocol):
    """See orderd.record.KeptState."""

    def put(self, kind: Standing, key: str, value: object) -> None: ...
    def drop(self, kind: Standing, key: str) -> bool: ...
    def load(self, kind: Standing, of: type[T]) -> dict[str, T]: ...


class JournalPart(Protocol):
    """See orderd.record.Journal."""

    @property
    def kept(self) -> KeptPart: ...
    def record(self, decision: Decision, evidence: Evidence | None = None) -> DecisionRecord: ...
    def append(self, step: Step) -> DecisionRecord: ...
    def get(self, decision_id: str) -> DecisionRecord | None: ...
    def evidence(self, decision_id: str) -> Evidence | None: ...
    def incident(self, incident_id: str) -> list[DecisionRecord]: ...
    def unfinished(self) -> list[DecisionRecord]: ...
    def rate(self, rating: Rating) -> DecisionRecord: ...
    def ratings(self, decision_id: str) -> tuple[Rating, ...]: ...


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


class ChangesPart(Protocol):
    """See orderd.sampling.changes.ChangeWatch."""

    def current(self) -> tuple[Change, ...]: ...


class InventoryPart(Protocol):
    """See orderd.sampling.inventory."""

    async def take(self) -> Inventory: ...


class BundlePart(Protocol):
    """See orderd.sampling.bundle."""

    def place(self, incident_id: str) -> str: ...
    async def collect(
        self, decision: Decision, *, window: Window | None = None, recent: Sequence[DecisionRecord] = ()
    ) -> str: ...


class BudgetPart(Protocol):
    """See orderd.telemetry.budget.Budget."""

    async def prepare(self, wanted: bool) -> Lease | None: ...  # noqa: FBT001 - the budget's one question
    def spend(self) -> None: ...
    def release(self) -> None: ...
    def describe(self) -> str: ...


class NotifierPart(Protocol):
    """See orderd.notify.Notifier."""

    @property
    def problem(self) -> str: ...
    def say(self, event: str, key: str, title: str, body: Mapping[str, str]) -> None: ...
    def say_durably(self, event: str, key: str, title: str, body: Mapping[str, str]) -> None: ...
    def resolve(self, key: str) -> None: ...


class IdentityPart(Protocol):
    """See orderd.identity.keeper.Keeper."""

    @property
    def name(self) -> str: ...
    @property
    def remaining_s(self) -> float: ...
    @property
    def problem(self) -> str: ...


class NoChanges:
    """A host on which nobody looks for changes."""

    def current(self) -> tuple[Change, ...]:
        """Return none."""
        return ()


class NoBudget:
    """A host of its own: no fleet, no leases."""

    async def prepare(self, wanted: bool) -> Lease | None:  # noqa: ARG002, FBT001 - the budget's one question
        """Return that nobody has a say."""
        return None

    def spend(self) -> None:
        """Count nothing."""

    def release(self) -> None:
        """Give nothing back."""

    def describe(self) -> str:
        """Return nothing to say."""
        return ""


class NoNotifier:
    """A host on which nobody is told."""

    problem = ""

    def say(self, event: str, key: str, title: str, body: Mapping[str, str]) -> None:
        """Tell nobody."""

    def say_durably(self, event: str, key: str, title: str, body: Mapping[str, str]) -> None:
        """Tell nobody."""

    def resolve(self, key: str) -> None:
        """Take nothing back."""


class NoIdentity:
    """A host that is not enrolled."""

    name = ""
    remaining_s = 0.0
    problem = ""


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
        journal: records before anything is touched; keeps what people ordered.
        ids: gives out decision and incident ids.
        hub: tells watchers.
        uplink: tells the trainer.
        heartbeat: called after every tick; feeds systemd's watchdog.
        changes: planned changes that are being made.
        budget: the fleet's.
        notifier: tells people.
        identity: of this host.
        inventory: what the host consists of, for the collateral check; None: not checked.
        bundle: what a person needs for a diagnosis; None: not collected.
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
    changes: ChangesPart = field(default_factory=NoChanges)
    budget: BudgetPart = field(default_factory=NoBudget)
    notifier: NotifierPart = field(default_factory=NoNotifier)
    identity: IdentityPart = field(default_factory=NoIdentity)
    inventory: InventoryPart | None = None
    bundle: BundlePart | None = None
