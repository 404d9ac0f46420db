"""The repairs of this host that the guard remembers: what runs, how often, how it ended. In memory, kept durably, bounded.

A repair is remembered from before it is begun, so that no restart of orderd forgets a rate, a lock or a failed verification.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from orderd.decision.facts import HOUR_S, Ending, Past, Phase, Running
from orderd.decision.kept import Boot, Saver
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind, Failure
from orderd.domain.repairs import Repair, disjoint
from orderd.domain.standing import Standing
from orderd.errors import StateError

DEEDS_MAX: Final = 2000
"""More than the highest configurable hourly rate needs; the oldest that has ended makes room."""
PAST_MAX: Final = 64
"""At most this many repairs of one target go into the facts of a decision."""
_HELPED: Final = frozenset({Ending.VERIFIED, Ending.COLLATERAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One repair, as it is kept.

    Attributes:
        decision_id: its decision.
        repair: its name.
        target: what it worked on.
        failure: what it was to repair.
        at: when it was begun.
        boot_id: the boot that ``at`` belongs to.
        by_hand: a person asked for it; it says nothing about orderd's own judgement.
        ending: what came of it, None while it lasts.
        settled: a person has closed a ticket that counted it.
    """

    decision_id: str
    repair: str
    target: Entity
    failure: Failure
    at: Instant
    boot_id: str
    by_hand: bool = False
    ending: Ending | None = None
    settled: bool = False


class History:
    """What was repaired, newest last."""

    def __init__(self, *, remember_s: float, saver: Saver, boot: Boot, deeds: Mapping[str, Deed]) -> None:
        """Take what was kept; a repair that had not ended locks its target until somebody says what became of it."""
        self._remember_s = remember_s
        self._saver = saver
        restored = (replace(d, at=boot.moment(d.at, d.boot_id), boot_id=boot.boot_id) for d in deeds.values())
        self._deeds = {d.decision_id: d for d in sorted(restored, key=lambda d: (d.at.mono_ns, d.decision_id))}
        self._phases = {d.decision_id: Phase.WORKING for d in self._deeds.values() if d.ending is None}

    def begin(self, deed: Deed) -> None:
        """Remember a repair that is about to begin, and lock its target.

        Raises:
            StateError: another repair has this target (``target_locked``): the guard ruled on facts of another moment.
            JournalError: it could not be made durable, so it must not begin.
        """
        holder = next((i for i in self._phases if self._deeds[i].target == deed.target and i != deed.decision_id), None)
        if holder is not None:
            raise StateError("target_locked", f"{deed.target} is locked by {holder}")
        self._make_room(deed.at)
        self._saver.put(Standing.REPAIR, deed.decision_id, deed)
        self._deeds[deed.decision_id] = deed
        self._phases[deed.decision_id] = Phase.WORKING

    def enter(self, decision_id: str, phase: Phase | None) -> None:
        """Say what a repair does now; None: nothing any more, its target is free."""
        if phase is None:
            self._phases.pop(decision_id, None)
        elif decision_id in self._deeds:
            self._phases[decision_id] = phase

    def judge(self, decision_id: str, ending: Ending) -> Deed | None:
        """Say what came of a repair, and free its target; None when it was judged before or is not known."""
        deed = self._deeds.get(decision_id)
        self._phases.pop(decision_id, None)
        if deed is None or deed.ending is not None:
            return None
        if ending is Ending.VOID:
            del self._deeds[decision_id]
            self._saver.put_late(Standing.REPAIR, decision_id, None)
            return deed
        self._replace(replace(deed, ending=ending))
        return self._deeds[decision_id]

    def get(self, decision_id: str) -> Deed | None:
        """Return one repair."""
        return self._deeds.get(decision_id)

    def unfinished(self) -> tuple[Deed, ...]:
        """Return the repairs that have not been judged, oldest first."""
        return tuple(d for d in self._deeds.values() if d.ending is None)

    def past(self, target: Entity, now: Instant) -> tuple[Past, ...]:
        """Return the remembered repairs of a target, oldest first."""
        of_target = [d for d in self._deeds.values() if d.target == target and self._remembered(d, now)]
        return tuple(
            Past(
                decision_id=d.decision_id,
                repair=d.repair,
                failure=d.failure,
                age_s=max(0.0, now.seconds_since(d.at)),
                ending=d.ending,
                settled=d.settled,
            )
            for d in of_target[-PAST_MAX:]
        )

    def within_the_hour(self, now: Instant) -> int:
        """Return how many repairs were begun on the host within the last hour."""
        return sum(1 for d in self._deeds.values() if now.seconds_since(d.at) < HOUR_S)

    def running(self, target: Entity, repairs: Mapping[str, Repair]) -> tuple[Running, ...]:
        """Return the repairs whose targets are locked, and what could run on this target beside each."""
        return tuple(
            Running(decision_id=d.decision_id, repair=d.repair, target=d.target, phase=phase, beside=_beside(d, target, repairs))
            for decision_id, phase in self._phases.items()
            if (d := self._deeds.get(decision_id)) is not None
        )

    def masked(self, target: Entity, failure: Failure, within_s: float, now: Instant) -> tuple[str, ...]:
        """Return the repairs that helped against a symptom within a time, and yet it came back; oldest first."""
        return tuple(
            d.decision_id
            for d in self._deeds.values()
            if d.failure is failure
            and same_symptom(d.target, target)
            and d.ending in _HELPED
            and not d.settled
            and now.seconds_since(d.at) < within_s
        )

    def settle(self, target: Entity, failure: Failure) -> None:
        """Count nothing again that a closed ticket has counted."""
        for deed in list(self._deeds.values()):
            if deed.failure is failure and same_symptom(deed.target, target) and not deed.settled:
                self._replace(replace(deed, settled=True))

    def _replace(self, deed: Deed) -> None:
        self._deeds[deed.decision_id] = deed
        self._saver.put_late(Standing.REPAIR, deed.decision_id, deed)

    def _remembered(self, deed: Deed, now: Instant) -> bool:
        return deed.ending is None or now.seconds_since(deed.at) < self._remember_s

    def _make_room(self, now: Instant) -> None:
        ended = [d for d in self._deeds.values() if d.ending is not None and d.decision_id not in self._phases]
        surplus = max(0, len(self._deeds) - DEEDS_MAX + 1)
        for deed in (*ended[:surplus], *(d for d in ended[surplus:] if not self._remembered(d, now))):
            self._saver.drop(Standing.REPAIR, deed.decision_id)
            del self._deeds[deed.decision_id]


def same_symptom(one: Entity, other: Entity) -> bool:
    """Tell whether two entities count as one symptom: a process that runs away again has another number each time."""
    return one == other or (one.kind is EntityKind.PROCESS and other.kind is EntityKind.PROCESS)


def _beside(deed: Deed, target: Entity, repairs: Mapping[str, Repair]) -> tuple[str, ...]:
    mine = repairs.get(deed.repair)
    if mine is None:
        return ()
    fitting = (r for r in repairs.values() if r.target is target.kind)
    return tuple(sorted(r.name for r in fitting if disjoint(mine, deed.target, r, target)))
