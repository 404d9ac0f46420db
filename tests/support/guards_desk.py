"""What the guard's tests share: a clock that is set by hand, the real catalogue, facts and a memory to begin with."""

from dataclasses import replace
from itertools import count

import msgspec

from founding import founding_repairs
from orderd.config import Config
from orderd.decision.facts import Facts, Limits, Permit
from orderd.decision.kept import KeptInMemory
from orderd.decision.memory import GuardMemory, Situation
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure
from orderd.domain.repairs import Condition
from orderd.domain.values import Action, Decision, Diagnosis, Mode, Reason, Source
from orderd.errors import JournalError

REPAIRS = founding_repairs()
START = REPAIRS["service_start"]
UNIT, OTHER, DISK = Entity.parse("unit:a.service"), Entity.parse("unit:b.service"), Entity.parse("mount:/data")
DOWN = Diagnosis(failure=Failure.SERVICE_DOWN, entity=UNIT, probability=1.0, source=Source.RULES)
UTC_0 = 1_780_000_000 * 10**9


def at(second=0.0, *, jump_s=0.0):
    """Return a moment on both clocks; ``jump_s`` says how far the wall clock is off."""
    return Instant(mono_ns=10**15 + int(second * 1e9), utc_ns=UTC_0 + int((second + jump_s) * 1e9))


def config(**decision):
    """Return a configuration that repairs by itself."""
    return msgspec.convert({"decision": {"mode": "auto"} | decision}, Config)


def facts(**known):
    """Return facts that speak against nothing."""
    permits = tuple(
        Permit(failure=f, repair=r.name, mode=Mode.AUTO) for r in REPAIRS.values() for f in r.repairs if r.target is UNIT.kind
    )
    blank = Facts(
        now=at(100), incident_id="i1", target=UNIT, failure=Failure.SERVICE_DOWN, opened=at(99), permits=permits, limits=Limits()
    )
    return replace(blank, **known)


def variant(name, **changed):
    """Return a repair like ``service_start`` under another name, usable always."""
    return replace(START, name=name, preconditions=Condition(), **changed)


class Host:
    """One host's guard memory with a clock of its own."""

    def __init__(self, *, keep=None, boot="boot-1", repairs=None, settings=None, second=0.0, jump_s=0.0):
        self.keep = keep or KeptInMemory()
        self.repairs = REPAIRS if repairs is None else repairs
        self.settings = settings or config()
        self.second, self.jump_s, self.boot = second, jump_s, boot
        self.ids = count(1)
        self._booted_s, self._first_ns = 0.0, at().mono_ns
        self.memory = self.restart()

    @property
    def now(self):
        mono_ns = self._first_ns + int((self.second - self._booted_s) * 1e9)
        return replace(at(self.second, jump_s=self.jump_s), mono_ns=mono_ns)

    def restart(self, *, boot=None, away_s=0.0):
        """Start orderd anew; another boot begins with another monotonic clock."""
        self.second += away_s
        if boot not in {None, self.boot}:
            self.boot, self._booted_s, self._first_ns = boot, self.second, 20 * 10**9
        self.memory = GuardMemory(
            config=self.settings,
            repairs=self.repairs,
            keep=self.keep,
            now=self.now,
            boot_id=self.boot,
            ticket_id=lambda: f"t{next(self.ids):04d}",
        )
        return self.memory

    def facts(self, diagnosis=DOWN, incident="i1", **known):
        situation = Situation(incident_id=incident, diagnosis=diagnosis, opened=known.pop("opened", self.now), **known)
        return self.memory.facts(situation, self.now)

    def decision(self, repair="service_start", diagnosis=DOWN, incident="i1", action=Action.REPAIR, reason=Reason.ALLOWED):
        return Decision(
            decision_id=f"d{next(self.ids):04d}",
            incident_id=incident,
            at=self.now,
            detected_at=self.now,
            diagnosis=diagnosis,
            other_diagnosis=None,
            action=action,
            repair=repair if action is Action.REPAIR else "",
            reason=reason,
            detail="",
            candidates=(),
            model_version="",
            provider="",
        )

    def repair(self, ending, repair="service_start", diagnosis=DOWN, *, takes_s=5.0, by_hand=False):
        """Run one repair to its end; return the decision's id and what followed."""
        decision = self.decision(repair, diagnosis)
        self.memory.started(decision, by_hand=by_hand)
        self.second += takes_s
        return decision.decision_id, self.memory.ended(decision.decision_id, ending, self.now)


class BrokenKeep(KeptInMemory):
    """A store that can be full."""

    full = False

    def put(self, kind, key, value):
        if self.full:
            raise JournalError("no space left on device")
        super().put(kind, key, value)

    def drop(self, kind, key):
        if self.full:
            raise JournalError("no space left on device")
        super().drop(kind, key)
