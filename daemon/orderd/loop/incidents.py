"""The incidents orderd is working on, in memory; the journal holds the same durably. Pure state, no branching on policy."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure
from orderd.domain.values import Action, Decision, Diagnosis, IncidentState, Reason
from orderd.verification import Verification

QUIET_S: Final = 3.0
"""An entity must show nothing wrong for this long before its incident is closed, or a new one may open after an escalation."""


@dataclass(slots=True, kw_only=True)
class Incident:
    """One entity's trouble, from the first symptom to a terminal state.

    Attributes:
        incident_id: sortable, unique on this host.
        diagnosis: the newest diagnosis.
        opened: first sample that showed it.
        last_seen: newest sample that showed it.
        state: see IncidentState.
        tried: names of repairs tried, in order.
        decision: the decision in force, None before the first.
        verification: the judge, while verifying.
    """

    incident_id: str
    diagnosis: Diagnosis
    opened: Instant
    last_seen: Instant
    state: IncidentState = IncidentState.OPEN
    tried: list[str] = field(default_factory=list[str])
    decision: Decision | None = None
    verification: Verification | None = None

    def already_decided(self, action: Action, reason: Reason, repair: str, failure: Failure) -> bool:
        """Tell whether the decision in force says the same, so that waiting does not fill the journal."""
        last = self.decision
        return last is not None and (last.action, last.reason, last.repair, last.diagnosis.failure) == (
            action,
            reason,
            repair,
            failure,
        )


class Incidents:
    """Open incidents by entity; escalated ones stay until the entity has been quiet, so that a person is asked once."""

    def __init__(self) -> None:
        """Start without any."""
        self._by_entity: dict[Entity, Incident] = {}

    def __iter__(self) -> Iterator[Incident]:
        """Iterate in order of entity."""
        return iter([self._by_entity[entity] for entity in sorted(self._by_entity)])

    def get(self, entity: Entity) -> Incident | None:
        """Return the incident of an entity."""
        return self._by_entity.get(entity)

    def add(self, incident: Incident) -> None:
        """Start working on an incident."""
        self._by_entity[incident.diagnosis.entity] = incident

    def drop(self, incident: Incident) -> None:
        """Stop working on it."""
        del self._by_entity[incident.diagnosis.entity]

    def open(self) -> tuple[Incident, ...]:
        """Return those that are not in a terminal state."""
        return tuple(i for i in self if not i.state.terminal)

    def in_state(self, *states: IncidentState) -> tuple[Incident, ...]:
        """Return those in one of the states."""
        return tuple(i for i in self if i.state in states)
