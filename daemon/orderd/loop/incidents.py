"""The incidents orderd is working on, in memory; the journal holds the same durably. Pure state, no branching on policy."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind, Failure
from orderd.domain.inventory import Inventory
from orderd.domain.repairs import Repair
from orderd.domain.values import Action, Decision, Diagnosis, IncidentState, Reason, Sample
from orderd.verification import Verification

QUIET_S: Final = 3.0
"""An entity must show nothing wrong for this long before its incident is closed, or a new one may open after an escalation."""
UNPROVEN_S: Final = 15.0
"""For so long after a repair did not help, whatever it was to make true and is not counts as the symptom. A slow service is slow
for 8 s before it is called so, and one quick answer starts that afresh; closed meanwhile, its next incident would begin with the
repair that has just not helped."""
WAITS_AT_ONCE: Final = 5
"""Changed reasons to wait that are recorded at once; later ones are recorded ever more seldom."""
WAITS_S: Final = 60.0
WAITS_S_MAX: Final = 3600.0
REFUSALS_MAX: Final = 5
"""How often the executor may refuse for a reason that passes before a person is called."""
CAUSE_S: Final = 60.0
"""How long an incident that is not being repaired keeps others waiting as their likely cause."""
TOGETHER_S: Final = 5.0
"""After others that were silent with it answer again, a service has this long to do so too: not all are asked at once."""
_TELLING: Final = {
    EntityKind.UNIT: "unit_active_ratio",
    EntityKind.MOUNT: "mount_used_ratio",
    EntityKind.RESOLVER: "probe_ok_ratio",
    EntityKind.CLOCK: "clock_step_s",
    EntityKind.NIC: "nic_down_ratio",
    EntityKind.HOST: "host_name_changed_ratio",
}
"""The signal of each kind without which nobody can say that an entity is well; a process that is gone has no row at all."""


def cannot_be_seen(entity: Entity, sample: Sample) -> bool:
    """Tell whether a sample says nothing about an entity: silence then is no health, D-Bus may be what is broken."""
    if entity.kind not in _TELLING:
        return str(entity.kind) in sample.failed_collectors
    row = sample.row(entity)
    return row is not None and math.isnan(row.signal(_TELLING[entity.kind]))


@dataclass(slots=True, kw_only=True)
class Incident:
    """One entity's trouble, from the first symptom to a terminal state.

    Attributes:
        incident_id: sortable, unique on this host.
        diagnosis: the newest diagnosis.
        opened: first sample that showed it.
        last_seen: newest sample that showed it, or could not show whether it is over.
        state: see IncidentState.
        tried: names of repairs tried, in order.
        decision: the decision in force, None before the first.
        verification: the judge, while verifying.
        unproven: the judge of a repair that did not help, and since when; None when none was judged so.
        waits: decisions to wait so far.
        refusals: how often the executor refused for a reason that passes.
        not_before: monotonic nanoseconds before which the executor is not asked again.
        before: what was there before the repair, None when it was compared already or not taken.
        comparing: it is being compared with what is there now.
        interrupted: nobody knows whether the repair that is being verified ran to its end.
        again: repairs that got a second chance because they were interrupted.
        wrong: what the repair changed that it must not; empty for nothing.
        together: how many services were silent with it, and when last.
    """

    incident_id: str
    diagnosis: Diagnosis
    opened: Instant
    last_seen: Instant
    state: IncidentState = IncidentState.OPEN
    tried: list[str] = field(default_factory=list[str])
    decision: Decision | None = None
    verification: Verification | None = None
    unproven: tuple[Verification, Instant] | None = None
    waits: int = 0
    refusals: int = 0
    not_before: int = 0
    before: Inventory | None = None
    comparing: bool = False
    interrupted: bool = False
    again: set[str] = field(default_factory=set[str])
    wrong: str = ""
    together: tuple[int, Instant] | None = None

    @property
    def entity(self) -> Entity:
        """Return what is in trouble."""
        return self.diagnosis.entity

    @property
    def under_repair(self) -> bool:
        """Tell whether a repair of it runs or is being judged."""
        return self.state in {IncidentState.REPAIRING, IncidentState.VERIFYING}

    def is_unproven(self, sample: Sample) -> bool:
        """Tell whether a repair has just not helped, and what it was to make true is still not so."""
        if self.unproven is None or self.state.terminal:
            return False
        verification, since = self.unproven
        return sample.at.seconds_since(since) < UNPROVEN_S and bool(verification.unmet_by(sample))

    def already_decided(self, action: Action, reason: Reason, failure: Failure) -> bool:
        """Tell whether the decision in force says the same, so that waiting does not fill the journal."""
        last = self.decision
        return last is not None and (last.action, last.reason, last.diagnosis.failure) == (action, reason, failure)

    def may_record_wait(self, now: Instant) -> bool:
        """Tell whether one more decision to wait is recorded: reasons that flap must not fill the journal."""
        if self.decision is None or self.waits < WAITS_AT_ONCE:
            return True
        # The exponent is bounded as well: what flaps for weeks would make it larger than a float can be.
        pause_s = min(WAITS_S * 2 ** min(self.waits - WAITS_AT_ONCE, 16), WAITS_S_MAX)
        return now.seconds_since(self.decision.at) >= pause_s

    def refused(self, now: Instant) -> None:
        """Note that the executor had something else to do: the rung is not used up, and it is asked again later."""
        if self.tried:
            self.tried.pop()
        self.not_before = now.mono_ns + int(2**self.refusals * 1e9)
        self.refusals += 1
        self.state = IncidentState.WAITING

    def may_try_again(self, repair: Repair | None) -> bool:
        """Give a repair back its rung, once, when it was cut off and its contract says that twice changes nothing more."""
        again = (
            repair is not None and self.interrupted and repair.idempotent and not repair.undo and repair.name not in self.again
        )
        if again and repair is not None and repair.name in self.tried:
            self.tried.remove(repair.name)
            self.again.add(repair.name)
        return again

    def silent_with(self, count: int, now: Instant) -> int:
        """Return with how many it fell silent, for some seconds after they answer again.

        Args:
            count: how many are silent with it now, 0 for too few.
            now: of the newest sample.
        """
        if count:
            self.together = (count, now)
        if self.together is None or now.seconds_since(self.together[1]) >= TOGETHER_S:
            return 0
        return self.together[0]

    def may_be_a_cause(self, now: Instant) -> bool:
        """Tell whether consequences wait for this incident: not for ever for one that nobody repairs."""
        return self.under_repair or now.seconds_since(self.opened) < CAUSE_S


class Incidents:
    """Open incidents by entity; escalated ones stay until the entity has been quiet, so that a person is asked once."""

    def __init__(self) -> None:
        """Start without any."""
        self._by_entity: dict[Entity, Incident] = {}

    def __iter__(self) -> Iterator[Incident]:
        """Iterate in order of entity."""
        return iter([self._by_entity[entity] for entity in sorted(self._by_entity)])

    def __len__(self) -> int:
        """Return how many there are, ended ones included."""
        return len(self._by_entity)

    def get(self, entity: Entity) -> Incident | None:
        """Return the incident of an entity."""
        return self._by_entity.get(entity)

    def add(self, incident: Incident) -> None:
        """Start working on an incident."""
        self._by_entity[incident.entity] = incident

    def drop(self, incident: Incident) -> None:
        """Stop working on it."""
        self._by_entity.pop(incident.entity, None)

    def open(self) -> tuple[Incident, ...]:
        """Return those that are not in a terminal state."""
        return tuple(i for i in self if not i.state.terminal)

    def in_state(self, *states: IncidentState) -> tuple[Incident, ...]:
        """Return those in one of the states."""
        return tuple(i for i in self if i.state in states)

    def by_id(self, incident_id: str) -> Incident | None:
        """Return an incident by its id."""
        return next((i for i in self if i.incident_id == incident_id), None)
