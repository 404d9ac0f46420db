"""The loop: one tick a second, more when something happens. Owns no mechanism; calls the rooms and branches.

    wait -> sample -> window -> diagnose -> open or refresh incidents -> act on each -> judge those being verified

Repairs run beside the loop in a task of their own, so that sampling goes on; one repair runs at a time on a host.
"""

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import replace
from typing import Final

from orderd.decision import Choice, Guard, Holds, candidates, cause_of, choose
from orderd.diagnosis import Opinion, by_model, by_rules, merge
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure
from orderd.domain.repairs import Repair
from orderd.domain.values import (
    Action,
    Candidate,
    Decision,
    DecisionRecord,
    EntityRow,
    IncidentState,
    Reason,
    RepairOutcome,
    Sample,
    Source,
    Step,
    Verdict,
)
from orderd.domain.window import History, Window
from orderd.errors import InferenceError, JournalError
from orderd.loop.incidents import QUIET_S, Incident, Incidents
from orderd.loop.parts import Parts
from orderd.repair import RepairDesk
from orderd.verification import Verification

log = logging.getLogger(__name__)

MODEL_ALONE_S: Final = 0.8
"""A diagnosis only the model makes must stand this long: one odd window is no reason to touch a host."""
NOT_YET_S: Final = 30.0
"""How long a diagnosis may stand whose repairs' preconditions do not hold, before a person is called."""


class Loop:
    """Drives one host. ``run`` until cancelled."""

    def __init__(self, parts: Parts) -> None:
        """Take the rooms, ready to use."""
        self._parts = parts
        self._config = parts.config
        self._clock = parts.clock
        self._history = History()
        self._incidents = Incidents()
        self.holds = Holds()
        self.guard = Guard(parts.config, self.holds)
        self._desk = RepairDesk(executor=parts.executor, append=self._note, clock=parts.clock)
        self._repair_task: asyncio.Task[None] | None = None
        self._model_alone: dict[Entity, Instant] = {}
        self.newest: Sample | None = None
        self.opinions: tuple[Opinion, ...] = ()
        self.samples = 0
        self.journal_error = ""
        self._unwritten: deque[Step] = deque()

    @property
    def open_incidents(self) -> int:
        """Return how many incidents are not in a terminal state."""
        return len(self._incidents.open())

    async def run(self) -> None:
        """Tick until cancelled.

        Raises:
            asyncio.CancelledError: on shutdown; a running repair is left to the executor, recovery at start settles it.
        """
        next_timer = self._clock.now().mono_ns
        while True:
            # The period shortens while a repair is verified, also for a wait that has begun with the longer one.
            next_timer = min(next_timer, self._clock.now().mono_ns + int(self._period_s() * 1e9))
            wait_s = max(0.0, (next_timer - self._clock.now().mono_ns) / 1e9)
            cause = await self._parts.sampler.wait(wait_s)
            if cause == "timer":
                next_timer = self._clock.now().mono_ns + int(self._period_s() * 1e9)
            await self.tick(cause)

    def _period_s(self) -> float:
        verifying = self._incidents.in_state(IncidentState.VERIFYING)
        return self._config.sampling.verify_period_s if verifying else self._config.sampling.period_s

    async def tick(self, cause: str) -> None:
        """Take one sample and act on it."""
        sample = await self._parts.sampler.sample(cause)
        window = self._history.add(sample)
        self.newest, self.samples = sample, self.samples + 1
        self._parts.uplink.offer_sample(sample)
        self.opinions = await self._diagnose(window)
        try:
            self._catch_up()
            self._refresh(self.opinions, sample)
            self._judge(sample)
            self._act(sample)
            self.journal_error = ""
        except JournalError as error:
            # Nothing may be done unrecorded: the host is watched on, and said to be degraded.
            self._journal_fails(error)
        self._parts.heartbeat()

    async def _diagnose(self, window: Window) -> tuple[Opinion, ...]:
        rules = by_rules(window)
        try:
            scores = await self._parts.inference.classify(window)
        except InferenceError:
            return merge(rules, (), self._config.inference.confidence_min)
        opinions = merge(rules, by_model(window, scores), self._config.inference.confidence_min)
        return self._without_flickers(opinions, window.at)

    def _without_flickers(self, opinions: tuple[Opinion, ...], now: Instant) -> tuple[Opinion, ...]:
        alone = {o.chosen.entity for o in opinions if o.chosen.source is Source.MODEL and o.other is None}
        self._model_alone = {entity: self._model_alone.get(entity, now) for entity in alone}
        young = {e for e, since in self._model_alone.items() if now.seconds_since(since) < MODEL_ALONE_S}
        return tuple(o for o in opinions if o.chosen.entity not in young)

    def _refresh(self, opinions: tuple[Opinion, ...], sample: Sample) -> None:
        """Open incidents for new symptoms, keep the others current, close those whose entity has been quiet."""
        for opinion in opinions:
            incident = self._incidents.get(opinion.chosen.entity)
            if incident is None:
                incident_id = self._parts.ids.incident()
                self._incidents.add(
                    Incident(incident_id=incident_id, diagnosis=opinion.chosen, opened=sample.at, last_seen=sample.at)
                )
                self._parts.sampler.focus(opinion.chosen.entity)
                continue
            incident.last_seen = sample.at
            if incident.state not in {IncidentState.REPAIRING, IncidentState.VERIFYING}:
                incident.diagnosis = opinion.chosen
        for incident in self._incidents:
            if incident.state in {IncidentState.REPAIRING, IncidentState.VERIFYING}:
                continue
            if sample.at.seconds_since(incident.last_seen) >= QUIET_S:
                self._close_quiet(incident, sample.at)

    def _close_quiet(self, incident: Incident, now: Instant) -> None:
        if not incident.state.terminal and incident.decision is not None:
            detail = "the symptom went away " + ("after a repair that was not verified" if incident.tried else "without a repair")
            self._end(incident, IncidentState.CLOSED, "closed", detail, now)
        self._forget(incident)

    def _forget(self, incident: Incident) -> None:
        self._parts.sampler.unfocus(incident.diagnosis.entity)
        self._incidents.drop(incident)

    def _act(self, sample: Sample) -> None:
        """Decide about every incident that is neither under repair nor ended."""
        seen = {o.chosen.entity: o for o in self.opinions}
        for incident in self._incidents.in_state(IncidentState.OPEN, IncidentState.DIAGNOSED, IncidentState.WAITING):
            opinion = seen.get(incident.diagnosis.entity)
            if opinion is not None:
                self._decide(incident, opinion, sample)

    def _decide(self, incident: Incident, opinion: Opinion, sample: Sample) -> None:
        row = sample.row(incident.diagnosis.entity)
        repairs = self._parts.repairs
        considered = candidates(incident.diagnosis, row, repairs.values(), incident.tried)
        choice = self._choose(incident, considered, row)
        repair = choice.repair if choice.action is Action.REPAIR else ""
        if incident.already_decided(choice.action, choice.reason, repair, incident.diagnosis.failure):
            return
        info = self._parts.inference.info
        decision = Decision(
            decision_id=self._parts.ids.decision(),
            incident_id=incident.incident_id,
            at=self._clock.now(),
            detected_at=incident.opened,
            diagnosis=opinion.chosen,
            other_diagnosis=opinion.other,
            action=choice.action,
            repair=repair,
            reason=choice.reason,
            detail=choice.detail,
            candidates=considered,
            model_version=info.version,
            provider=info.provider,
        )
        self._carry_out(incident, decision)

    def _choose(self, incident: Incident, considered: tuple[Candidate, ...], row: EntityRow | None) -> Choice:
        target = incident.diagnosis.entity
        looping = incident.diagnosis.failure is Failure.SERVICE_CRASH_LOOP
        if row is not None and row.signal("unit_transition_ratio") >= 1 and not looping:
            return Choice(action=Action.WAIT, repair="", reason=Reason.IN_TRANSITION, detail="systemd is already working on it")
        others = [i.diagnosis for i in self._incidents.open() if i is not incident]
        choice = choose(
            considered,
            repairs=self._parts.repairs,
            target=target,
            attempts=len(incident.tried),
            guard=self.guard,
            now=self._clock.now(),
        )
        if choice.reason is Reason.NO_CANDIDATE and considered and self._age_s(incident) < NOT_YET_S:
            # The model sees a disk fill before it is full: what a repair needs to find may still come, or the model was wrong.
            return replace(choice, action=Action.WAIT, reason=Reason.NOT_YET)
        if choice.action is not Action.REPAIR:
            return choice
        if len(incident.tried) >= self._config.decision.repairs_per_incident:
            detail = f"{len(incident.tried)} repairs tried (decision.repairs_per_incident)"
            return Choice(action=Action.ESCALATE, repair="", reason=Reason.LADDER_EXHAUSTED, detail=detail)
        if cause := cause_of(incident.diagnosis, others):
            detail = f"{cause.failure} of {cause.entity} comes first: it may be the cause"
            return replace(choice, action=Action.WAIT, reason=Reason.CAUSE_FIRST, detail=detail)
        if self._repair_task is not None:
            return replace(choice, action=Action.WAIT, reason=Reason.HOST_BUSY, detail="another repair is running")
        return choice

    def _age_s(self, incident: Incident) -> float:
        return self._clock.now().seconds_since(incident.opened)

    def _carry_out(self, incident: Incident, decision: Decision) -> None:
        """Make the decision durable, then act on it; never the other way round."""
        record = self._parts.journal.record(decision)
        incident.decision, incident.state = decision, record.state
        self._publish(record)
        if decision.action is Action.REPAIR:
            repair = self._parts.repairs[decision.repair]
            incident.tried.append(repair.name)
            self.guard.started(decision.at, decision.diagnosis.entity, repair.name)
            self._repair_task = asyncio.create_task(self._repair(incident, decision, repair))

    async def _repair(self, incident: Incident, decision: Decision, repair: Repair) -> None:
        try:
            attempt = await self._desk.apply(decision, repair)
            if attempt.outcome is RepairOutcome.REFUSED and not repair.verify.absent_is_healthy:
                self._note(self._unverified(decision, attempt.detail))
                incident.state = IncidentState.DIAGNOSED
                return
            incident.verification = Verification(verify=repair.verify, target=decision.diagnosis.entity, started=attempt.ended)
            incident.state = IncidentState.VERIFYING
        finally:
            self._repair_task = None
            self._parts.sampler.nudge()

    def _unverified(self, decision: Decision, detail: str) -> Step:
        return Step(
            decision_id=decision.decision_id,
            at=self._clock.now(),
            state=IncidentState.DIAGNOSED,
            what="unverified",
            detail=detail,
        )

    def _judge(self, sample: Sample) -> None:
        for incident in self._incidents.in_state(IncidentState.VERIFYING):
            if incident.verification is None or incident.decision is None:
                continue
            verdict = incident.verification.judge(sample)
            if verdict is Verdict.HEALTHY:
                self._end(incident, IncidentState.RESOLVED, "verified", "healthy and stayed healthy", sample.at)
                self._forget(incident)
            elif verdict is Verdict.UNHEALTHY:
                self._give_up_on(incident, incident.decision, incident.verification.unmet)

    def _give_up_on(self, incident: Incident, decision: Decision, unmet: str) -> None:
        """The repair did not help: take it back where it can be, then let the next rung be decided."""
        repair = self._parts.repairs[decision.repair]
        if repair.undo and self._repair_task is not None:
            return  # one playbook at a time on a host: it is judged again at the next tick, and the undo is not forgotten
        self._append(self._unverified(decision, f"not healthy in time: {unmet}"))
        incident.verification, incident.state = None, IncidentState.DIAGNOSED
        if repair.undo:
            incident.state = IncidentState.REPAIRING
            self._repair_task = asyncio.create_task(self._undo(incident, decision, repair))

    async def _undo(self, incident: Incident, decision: Decision, repair: Repair) -> None:
        try:
            await self._desk.undo(decision, repair)
        finally:
            incident.state = IncidentState.DIAGNOSED
            self._repair_task = None
            self._parts.sampler.nudge()

    def _end(self, incident: Incident, state: IncidentState, what: str, detail: str, at: Instant) -> None:
        if incident.decision is None:
            return
        since = at.seconds_since(incident.opened)
        self._append(Step(decision_id=incident.decision.decision_id, at=at, state=state, what=what, detail=detail, seconds=since))
        incident.state = state

    def _append(self, step: Step) -> None:
        self._publish(self._parts.journal.append(step))

    def _note(self, step: Step) -> None:
        """Append what happened while a playbook ran; kept for later where the journal fails: the host was touched already."""
        try:
            self._catch_up()
            self._append(step)
        except JournalError as error:
            self._journal_fails(error)
            self._unwritten.append(step)

    def _catch_up(self) -> None:
        """Append what could not be appended when it happened; no repair begins before, so there are few."""
        while self._unwritten:
            self._append(self._unwritten[0])
            self._unwritten.popleft()

    def _journal_fails(self, error: JournalError) -> None:
        if str(error) != self.journal_error:
            log.error("no repairs while the journal cannot be written: %s", error)
        self.journal_error = str(error)

    def _publish(self, record: DecisionRecord) -> None:
        self._parts.hub.publish(record)
        self._parts.uplink.offer_decision(record)

    async def close(self) -> None:
        """Wait for nothing: a running repair belongs to the executor, and recovery at start settles its record."""
        if self._repair_task is not None:
            self._repair_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._repair_task
