"""What the guard knows about one incident at one moment. Pure, frozen, and JSON: recorded beside every decision.

The guard and the policy look at nothing else, so the same facts give the same choice: a decision can be decided again later, on
another machine or with another model. Times of the past are told as ages in seconds, so that no clock is needed to read them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import msgspec

from orderd.config import Config
from orderd.config.modes import mode_of
from orderd.domain.changes import Change
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind, Failure
from orderd.domain.repairs import Repair
from orderd.domain.standing import Approval, Authority, Denial, Lease, Pause, Ticket
from orderd.domain.values import Diagnosis, Hold, Mode

HOUR_S: Final = 3600.0


class Ending(StrEnum):
    """What came of a repair, as verification said.

    INTERRUPTED: the host was touched and nobody could judge it; it counts for rates alone. VOID: nothing was touched.
    """

    VERIFIED = "verified"
    COLLATERAL = "collateral"
    UNVERIFIED = "unverified"
    INTERRUPTED = "interrupted"
    VOID = "void"


class Phase(StrEnum):
    """What a repair that has not ended is doing; WORKING means that a playbook of it runs (also its undo)."""

    WORKING = "working"
    VERIFYING = "verifying"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One repair of the target that was begun not long ago.

    Attributes:
        decision_id: its decision.
        repair: its name.
        failure: what it was to repair.
        age_s: seconds since it was begun, 0 or more.
        ending: what came of it, None while it lasts.
        settled: a person has closed a ticket that counted it; it masks nothing any more.
    """

    decision_id: str
    repair: str
    failure: Failure
    age_s: float
    ending: Ending | None = None
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A repair that has not ended: its target is locked, and while it works the host is busy.

    Attributes:
        decision_id: its decision.
        repair: its name.
        target: what it works on.
        phase: whether a playbook of it runs now.
        beside: names of the repairs that may run on this incident's target at the same time: their contracts are disjoint.
    """

    decision_id: str
    repair: str
    target: Entity
    phase: Phase
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWindow:
    """A maintenance window that is open for the target.

    Attributes:
        name: as configured.
        mode: the most orderd may do while it is open.
        until: for people: when it ends, in its own time zone.
    """

    name: str
    mode: Mode
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """How much orderd may do by itself, for one failure class and playbook.

    Attributes:
        failure: the class.
        repair: the playbook.
        mode: as configured (`orderd.config.modes.mode_of`).
        authority: what the scorecard, or a person, says.
        why: the numbers or the person's words behind the authority.
    """

    failure: Failure
    repair: str
    mode: Mode
    authority: Authority = Authority.SHADOW
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The configured numbers that the guard and the policy go by; see `orderd.config.schema` for each."""

    repairs_per_target_per_hour: int = 3
    repairs_per_host_per_hour: int = 20
    repairs_per_incident: int = 12
    repairs_at_once: int = 2
    masking_repairs: int = 4
    masking_within_s: float = 86_400.0
    confidence_min: float = 0.8
    fleet_budget: bool = False

    @classmethod
    def of(cls, config: Config) -> "Limits":
        """Take them from a configuration."""
        decision = config.decision
        return cls(
            repairs_per_target_per_hour=decision.repairs_per_target_per_hour,
            repairs_per_host_per_hour=decision.repairs_per_host_per_hour,
            repairs_per_incident=decision.repairs_per_incident,
            repairs_at_once=decision.repairs_at_once,
            masking_repairs=decision.masking.repairs,
            masking_within_s=decision.masking.within_s,
            confidence_min=config.inference.confidence_min,
            fleet_budget=config.fleet.budget,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything the guard and the policy know about one incident at one moment, but for its diagnosis and the catalogue.

    Attributes:
        now: the moment.
        incident_id: the incident.
        target: the entity that fails.
        failure: how it fails.
        opened: when the incident was opened.
        tried: names of the repairs this incident has tried, in order.
        others: diagnoses of the other incidents that are not in a terminal state.
        in_transition: systemd is starting or stopping the target at the moment.
        silent_together: services that run and stopped answering at once, the target among them; 0 when they are few.
        permits: one per failure class of the target's kind and playbook that fits it.
        pause: in force, or None.
        hold: on the target, in force, or None.
        windows: maintenance windows that are open for the target.
        changes: planned changes in the way: of the target or of the whole host.
        approvals: questions to a person that belong to this incident.
        denials: repairs that are not used on the target any more.
        tickets: open tickets about the target.
        past: repairs of the target that the guard remembers, oldest first.
        host_repairs: repairs begun on the whole host within the last hour.
        running: repairs that have not ended, on any target.
        lease: what the fleet's budget said; None while it was not asked.
        limits: the configured numbers.
    """

    now: Instant
    incident_id: str
    target: Entity
    failure: Failure
    opened: Instant
    tried: tuple[str, ...] = ()
    others: tuple[Diagnosis, ...] = ()
    in_transition: bool = False
    silent_together: int = 0
    permits: tuple[Permit, ...] = ()
    pause: Pause | None = None
    hold: Hold | None = None
    windows: tuple[OpenWindow, ...] = ()
    changes: tuple[Change, ...] = ()
    approvals: tuple[Approval, ...] = ()
    denials: tuple[Denial, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    past: tuple[Past, ...] = ()
    host_repairs: int = 0
    running: tuple[Running, ...] = ()
    lease: Lease | None = None
    limits: Limits = Limits()

    @property
    def age_s(self) -> float:
        """Return for how long the incident has been open, seconds."""
        return self.now.seconds_since(self.opened)

    def permit(self, repair: str) -> Permit:
        """Return what orderd may do by itself with one repair; one that nobody configured may only be observed."""
        fitting = (p for p in self.permits if (p.failure, p.repair) == (self.failure, repair))
        return next(fitting, Permit(failure=self.failure, repair=repair, mode=Mode.OBSERVE))


def encode(facts: Facts) -> bytes:
    """Write facts as JSON, for `orderd.domain.values.Evidence`."""
    return msgspec.json.encode(facts)


def decode(data: bytes) -> Facts:
    """Read facts back; fields added since are at their defaults, fields dropped since are passed over.

    Raises:
        ValueError: this is not what ``encode`` wrote.
    """
    return msgspec.json.decode(data, type=Facts)


def under(facts: Facts, config: Config, repairs: Mapping[str, Repair]) -> Facts:
    """Return the same facts as they would be under another configuration: its limits and modes; what happened stays.

    Args:
        facts: as recorded.
        config: the configuration to decide under.
        repairs: the catalogue to decide with, by name.
    """
    known = {(p.failure, p.repair): p for p in facts.permits}
    permits = permits_for(facts.target.kind, config, repairs)
    kept = (known.get((p.failure, p.repair), p) for p in permits)
    merged = tuple(replace(k, mode=p.mode) for k, p in zip(kept, permits, strict=True))
    return replace(facts, permits=merged, limits=Limits.of(config))


def permits_for(kind: EntityKind, config: Config, repairs: Mapping[str, Repair]) -> tuple[Permit, ...]:
    """Return the configured permit of every failure class and playbook that fits a kind, without any scorecard's word."""
    fitting = sorted((r for r in repairs.values() if r.target is kind), key=lambda r: r.name)
    return tuple(
        Permit(failure=failure, repair=repair.name, mode=mode_of(config.decision, failure, repair.name))
        for repair in fitting
        for failure in repair.repairs
    )
