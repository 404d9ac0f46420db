"""What people order, and what they ask about the past: the gRPC interface's view. Every order is durable before it counts.

See orderd.rpc.view.HostView for what each method promises; ``validate_only`` checks everything and changes nothing.
"""

import asyncio
import contextlib
import math
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

from orderd.catalogue import Catalogue
from orderd.decision import Choice, candidates, proposal, rule
from orderd.decision.scorecard import Overrule
from orderd.diagnosis import Opinion
from orderd.domain.clock import Instant
from orderd.domain.explanation import Explanation, Replay
from orderd.domain.faults import Entity, Failure
from orderd.domain.repairs import Repair
from orderd.domain.standing import Authority, Denial, Pause, Rating, Score, Ticket
from orderd.domain.status import HostStatus
from orderd.domain.values import (
    Action,
    Candidate,
    DecisionRecord,
    Diagnosis,
    Hold,
    IncidentState,
    Mode,
    ModelInfo,
    Reason,
    Source,
    Step,
)
from orderd.errors import StateError
from orderd.loop.deciding import Judged
from orderd.loop.explain import explain
from orderd.loop.incidents import Incident
from orderd.loop.loop import Loop
from orderd.loop.parts import Parts
from orderd.loop.replay import Bench, replay
from orderd.loop.status import Status

T = TypeVar("T")

QUESTIONS_S_MAX: Final = 30.0
"""An explanation asks the model some thirty times, with pauses."""
WAITING_MAX: Final = 4
"""Explanations and replays that wait for their turn; one is made at a time."""
WORDS_MAX: Final = 500
_SHADOWS: Final = frozenset({Reason.MODE_OBSERVE, Reason.MODE_APPROVE, Reason.NOT_EARNED})
"""Waits that say what orderd would have run: a rating of one is the outcome of that repair. Of others it is about waiting."""


class LoopView:
    """Answers for the loop, and gives it people's orders."""

    def __init__(self, *, loop: Loop, parts: Parts, catalogue: Catalogue, status: Status) -> None:
        """Take what is asked about."""
        self._loop = loop
        self._memory = loop.memory
        self._parts = parts
        self._catalogue = catalogue
        self._status = status
        self._turn = asyncio.Lock()
        self._waiting = 0

    # What is.

    def status(self) -> HostStatus:
        """Return the host as of now."""
        return self._status.now()

    def repairs(self) -> dict[str, Repair]:
        """Return the catalogue that serves, by name."""
        return dict(self._catalogue.repairs)

    def holds(self) -> tuple[Hold, ...]:
        """Return the holds that have not ended."""
        return self._memory.holds(self._now())

    def tickets(self) -> tuple[Ticket, ...]:
        """Return all tickets that are kept, newest first."""
        return self._memory.tickets()

    def scorecard(self) -> tuple[tuple[Score, Mode], ...]:
        """Return every score with the mode in force."""
        return self._memory.scorecard()

    def ratings(self, decision_id: str) -> tuple[Rating, ...]:
        """Return what people thought of a decision, newest first."""
        return self._parts.journal.ratings(decision_id)

    def bundle(self, incident_id: str) -> str:
        """Return the path of an incident's diagnosis bundle, empty when it is not there."""
        place = self._parts.bundle.place(incident_id) if self._parts.bundle else ""
        with contextlib.suppress(OSError):
            return place if place and Path(place).is_file() else ""
        return ""

    # Holds and the pause.

    def hold(self, entity: Entity, duration_s: float, why: str, by: str, *, validate_only: bool = False) -> Hold:
        """Leave an entity alone for a while."""
        self._check_duration(duration_s, self._parts.config.decision.hold_max_s)
        self._check_words(why)
        self._check_watched(entity)
        now = self._now()
        hold = Hold(entity=entity, why=why, by=by, at=now, until=now.mono_ns + int(duration_s * 1e9))
        if not validate_only:
            self._memory.hold(hold)
        return hold

    def release(self, entity: Entity, by: str, *, validate_only: bool = False) -> bool:  # noqa: ARG002 - the interface's
        """End a hold early, and what a person was seen doing; return False when there was neither."""
        return self._loop.hands.release(entity, self._now(), validate_only=validate_only)

    def pause(self, why: str, by: str, duration_s: float = 0.0, *, validate_only: bool = False) -> Pause:
        """Stop all repairs on this host."""
        if duration_s:
            self._check_duration(duration_s, self._parts.config.decision.hold_max_s)
        self._check_words(why)
        now = self._now()
        pause = Pause(why=why, by=by, at=now, until=now.mono_ns + int(duration_s * 1e9) if duration_s else 0)
        if not validate_only:
            self._memory.pause(pause)
        return pause

    def resume(self, by: str, *, validate_only: bool = False) -> bool:  # noqa: ARG002 - the interface's
        """End a pause; return False when there was none."""
        if validate_only:
            return self._memory.paused(self._now()) is not None
        ended = self._memory.resume()
        self._parts.sampler.nudge()
        return ended

    # Answers to questions.

    def approve(self, decision_id: str, why: str, by: str, *, validate_only: bool = False) -> DecisionRecord:
        """Let a waiting repair run; the next tick decides it anew, as approved, unless something else has come in between."""
        return self._answer(decision_id, yes=True, why=why, by=by, validate_only=validate_only)

    def reject(self, decision_id: str, why: str, by: str, *, validate_only: bool = False) -> DecisionRecord:
        """Answer no to a waiting repair; the next tick calls a person."""
        return self._answer(decision_id, yes=False, why=why, by=by, validate_only=validate_only)

    def _answer(self, decision_id: str, *, yes: bool, why: str, by: str, validate_only: bool) -> DecisionRecord:
        record = self._record(decision_id)
        self._check_words(why)
        now = self._now()
        asked = self._memory.answer(decision_id, yes=yes, why=why, by=by, now=now, validate_only=True)
        incident = self._loop.incidents.by_id(asked.incident_id)
        if incident is None or incident.state is not IncidentState.WAITING:
            raise StateError("not_waiting", f"{decision_id} does not wait any more: its incident {asked.incident_id} went on")
        if validate_only:
            return record
        said = self._memory.answer(decision_id, yes=yes, why=why, by=by, now=now)
        detail = f"{by}: {why}" if why else by
        word = "approved" if yes else "rejected"
        step = Step(decision_id=decision_id, at=now, state=IncidentState.WAITING, what=word, detail=f"{said.repair}: {detail}")
        self._loop.book.note(step)
        self._loop.notices.answered(said.incident_id)
        self._parts.sampler.nudge()
        return self._record(decision_id)

    # By hand.

    def run_repair(self, repair: str, entity: Entity, why: str, by: str, *, validate_only: bool = False) -> str:
        """Run a catalogued repair by hand; return the id of its decision."""
        contract = self._catalogue.repairs.get(repair)
        if contract is None:
            raise LookupError(f"there is no repair {repair!r}; the catalogue has {', '.join(sorted(self._catalogue.repairs))}")
        if contract.target is not entity.kind:
            raise ValueError(f"{repair} takes a {contract.target}, not {entity}")
        self._check_words(why)
        self._check_watched(entity)
        incident, judged = self._by_hand(contract, entity, f"by {by}: {why}" if why else f"by {by}")
        if validate_only:
            return ""
        decision = self._loop.decider.decision(incident, judged)
        self._loop.decider.carry_out(incident, decision, judged, by_hand=True)
        before = self._loop.incidents.get(entity)
        if before is not None and before is not incident:
            self._loop.notices.over(before)  # a person is at it; from here on the new incident tells
        self._loop.incidents.add(incident)
        return decision.decision_id

    def _by_hand(self, contract: Repair, entity: Entity, words: str) -> tuple[Incident, Judged]:
        seen, now = self._loop.seen, self._now()
        if seen is None:
            raise StateError("not_yet", "nothing has been measured yet; ask again in a second")
        if self._loop.journal_error:
            raise StateError("journal_unavailable", self._loop.journal_error)
        opinion = seen.opinion(entity) or _nobody_says(contract, entity, words)
        incident = self._loop.incidents.get(entity)
        if incident is None or incident.state.terminal:
            incident_id = self._parts.ids.incident()
            incident = Incident(incident_id=incident_id, diagnosis=opinion.chosen, opened=now, last_seen=now)
        facts = self._loop.decider.facts(incident, opinion, seen)
        ruling = rule(facts, contract, by_hand=True)
        if not ruling.allowed:
            raise StateError(str(ruling.reason), ruling.detail)
        row = seen.sample.row(entity)
        if row is not None and (unmet := contract.preconditions.unmet(row.values)):
            raise StateError(str(Reason.NO_CANDIDATE), f"a precondition of {contract.name} does not hold: {unmet}")
        fitting = candidates(opinion.chosen, row, self._parts.repairs.values(), ())
        considered = fitting or (Candidate(repair=contract.name, rung=contract.rung),)
        detail = f"{contract.name} by hand {words}"
        choice = Choice(action=Action.REPAIR, repair=contract.name, reason=Reason.BY_HAND, detail=detail, considered=considered)
        return incident, Judged(choice=choice, facts=facts, opinion=opinion, seen=seen)

    # What came of it.

    def rate(self, decision_id: str, good: bool, note: str, by: str, *, validate_only: bool = False) -> DecisionRecord:  # noqa: FBT001 - the interface's own yes or no
        """Say whether a decision was right."""
        record = self._record(decision_id)
        self._check_words(note)
        if validate_only:
            return record
        counted = self._counted(record)
        rated = self._parts.journal.rate(Rating(decision_id=decision_id, good=good, note=note, by=by, at=self._now()))
        decision = record.decision
        repair = proposal(decision) if decision.reason in _SHADOWS else decision.repair
        after = self._memory.rated(decision.diagnosis.failure, repair, good=good, counted=counted)
        self._loop.notices.aftermath(decision, after)
        self._loop.book.publish(rated)
        return rated

    def _counted(self, record: DecisionRecord) -> bool | None:
        """Return what counts for a decision so far: the newest rating, else what verification said."""
        if ratings := self._parts.journal.ratings(record.decision.decision_id):
            return ratings[0].good
        words = {step.what for step in record.steps}
        if record.decision.reason is Reason.BY_HAND or not words & {"verified", "unverified", "rejected"}:
            return None
        return "verified" in words and "collateral" not in words

    def close_ticket(self, ticket_id: str, why: str, by: str, *, validate_only: bool = False) -> Ticket:
        """Say that the cause was found."""
        self._check_words(why)
        ticket = self._memory.close_ticket(ticket_id, why=why, by=by, now=self._now(), validate_only=validate_only)
        if not validate_only:
            self._parts.notifier.resolve(f"ticket/{ticket_id}")
        return ticket

    def set_authority(
        self, failure: Failure, repair: str, authority: Authority | None, why: str, by: str, *, validate_only: bool = False
    ) -> tuple[Score, Mode]:
        """Overrule the scorecard; None gives it back its word."""
        self._check_words(why)
        word = None
        if authority is not None:
            word = Overrule(failure=failure, repair=repair, authority=authority, why=why, by=by, at=self._now())
        return self._memory.set_authority(word, failure=failure, repair=repair, validate_only=validate_only)

    def lift_denial(self, repair: str, entity: Entity, why: str, by: str, *, validate_only: bool = False) -> Denial:  # noqa: ARG002 - the interface's
        """Let a repair be used on a target again."""
        self._check_words(why)
        denial = self._memory.lift_denial(repair, entity, validate_only=validate_only)
        if not validate_only:
            self._parts.notifier.resolve(f"denied/{repair}/{entity}")
        return denial

    # Questions about the past.

    async def explain(self, decision_id: str, signals_max: int) -> Explanation:
        """Say why a decision was made, and which signals mattered."""
        record, evidence = self._record(decision_id), self._parts.journal.evidence(decision_id)
        work = explain(
            record,
            evidence,
            classify=self._parts.inference.classify,
            info=self._parts.inference.info,
            signals_max=max(1, min(signals_max, 50)),
        )
        return await self._in_turn(work)

    async def replay(self, decision_id: str) -> Replay:
        """Decide a recorded decision again."""
        record, evidence = self._record(decision_id), self._parts.journal.evidence(decision_id)
        return await self._in_turn(replay(record, evidence, self._bench(self._parts.inference.info)))

    def _bench(self, info: ModelInfo) -> Bench:
        return Bench(classify=self._parts.inference.classify, info=info, config=self._parts.config, repairs=self._parts.repairs)

    async def _in_turn(self, work: Coroutine[Any, Any, T]) -> T:
        """Do one at a time, so that ticks never wait for more than one question to the model."""
        if self._waiting >= WAITING_MAX:
            work.close()
            raise StateError("busy", f"{self._waiting} explanations are being made already; ask again in a moment")
        self._waiting += 1
        try:
            async with self._turn, asyncio.timeout(QUESTIONS_S_MAX):
                return await work
        except TimeoutError as error:
            raise StateError("busy", f"not explained within {QUESTIONS_S_MAX:g} s: the model has other things to do") from error
        finally:
            self._waiting -= 1

    # Checks.

    def _now(self) -> Instant:
        return self._parts.clock.now()

    def _record(self, decision_id: str) -> DecisionRecord:
        record = self._parts.journal.get(decision_id)
        if record is None:
            raise LookupError(f"there is no decision {decision_id}")
        return record

    def _check_watched(self, entity: Entity) -> None:
        newest = self._loop.newest
        if newest is not None and newest.row(entity) is None:
            raise LookupError(f"{entity} is not watched; `orderctl status` lists what is")

    def _check_duration(self, duration_s: float, limit_s: float) -> None:
        if not (math.isfinite(duration_s) and 0 < duration_s <= limit_s):
            raise ValueError(f"{duration_s:g} s: more than 0 and at most {limit_s:g} s (decision.hold_max_s)")

    def _check_words(self, words: str) -> None:
        if len(words) > WORDS_MAX:
            raise ValueError(f"{len(words)} characters; at most {WORDS_MAX}")


def _nobody_says(contract: Repair, entity: Entity, words: str) -> Opinion:
    """Return the diagnosis of a repair by hand where nobody sees anything wrong: what the person says by asking for it."""
    evidence = f"asked for by hand {words}"
    diagnosis = Diagnosis(failure=contract.repairs[0], entity=entity, probability=1.0, source=Source.RULES, evidence=evidence)
    return Opinion(chosen=diagnosis, other=None)
