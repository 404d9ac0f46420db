"""Decide about every incident: facts, choice, evidence, record, and then act. Guard and policy are pure; this calls them."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, replace
from typing import Final

from orderd.decision import Case, Choice, Facts, Situation, candidates, choose, encode_facts, silent_together
from orderd.diagnosis import Opinion
from orderd.domain.clock import Instant
from orderd.domain.faults import Failure
from orderd.domain.packed import pack
from orderd.domain.standing import ApprovalState
from orderd.domain.values import Action, Decision, Evidence, IncidentState, Reason, Step
from orderd.errors import JournalError, StateError
from orderd.loop.carrying import Carrier
from orderd.loop.core import Core
from orderd.loop.incidents import REFUSALS_MAX, Incident
from orderd.loop.parts import BundlePart
from orderd.loop.seeing import Seen

log = logging.getLogger(__name__)

BUNDLE_S_MAX: Final = 30.0
_UNDECIDED: Final = (IncidentState.OPEN, IncidentState.DIAGNOSED, IncidentState.WAITING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A choice with what it was made from.

    Attributes:
        choice: what the policy chose and the guard allowed.
        facts: what the guard knew.
        opinion: the diagnosis it answers.
        seen: the tick's view.
    """

    choice: Choice
    facts: Facts
    opinion: Opinion
    seen: Seen


class Decider:
    """Turns incidents into decisions."""

    def __init__(self, core: Core, carrier: Carrier) -> None:
        """Take the rooms."""
        self._core = core
        self._parts = core.parts
        self._book = core.book
        self._incidents = core.incidents
        self._memory = core.memory
        self._notices = core.notices
        self._carrier = carrier
        self._bundles: set[asyncio.Task[None]] = set()

    async def act(self, seen: Seen) -> bool:
        """Decide about every incident that is neither under repair nor ended.

        Returns:
            Whether a lease of the fleet's budget is needed or wanted.

        Raises:
            JournalError: a decision could not be recorded; nothing was done about it.
        """
        wanted = False
        for incident in self._incidents.in_state(*_UNDECIDED):
            opinion = seen.opinion(incident.entity)
            due = self._parts.clock.now().mono_ns >= incident.not_before
            if opinion is not None and due and self._is_undecided(incident):
                wanted |= await self._decide(incident, opinion, seen)
        return wanted or bool(self._carrier.running) or bool(self._incidents.in_state(IncidentState.VERIFYING))

    def _is_undecided(self, incident: Incident) -> bool:
        """Tell whether nobody has taken an incident in hand since the tick began: the fleet may have been waited for."""
        return incident.state in _UNDECIDED and self._incidents.get(incident.entity) is incident

    async def _decide(self, incident: Incident, opinion: Opinion, seen: Seen) -> bool:
        facts = self.facts(incident, opinion, seen)
        considered = candidates(opinion.chosen, seen.sample.row(incident.entity), self._parts.repairs.values(), incident.tried)
        case = Case(diagnosis=opinion.chosen, considered=considered, repairs=self._parts.repairs, facts=facts)
        choice = choose(case)
        wanted = choice.needs_lease(facts)
        if wanted:
            # The only question that leaves this host: at most fleet.timeout_s, then the local allowance answers.
            lease = await self._parts.budget.prepare(True)  # noqa: FBT003 - the budget's one question
            if not self._is_undecided(incident):
                return True
            # Whoever has held, paused or repaired something meanwhile was told that it counts: the facts are taken anew.
            facts = replace(self.facts(incident, opinion, seen), lease=lease)
            choice = choose(replace(case, facts=facts))
        if incident.refusals > REFUSALS_MAX and choice.action is Action.REPAIR:
            detail = f"orderd-exec refused {incident.refusals} times, last: {self._carrier.desk.problem}"
            choice = replace(choice, action=Action.ESCALATE, repair="", reason=Reason.EXECUTOR_REFUSES, detail=detail)
        judged = Judged(choice=choice, facts=facts, opinion=opinion, seen=seen)
        if self._worth_recording(incident, judged):
            with contextlib.suppress(StateError):  # the record says why it was not begun; the next tick decides anew
                self.carry_out(incident, self.decision(incident, judged), judged)
        elif choice.asks:
            self._ask(incident, judged)
        return wanted

    def facts(self, incident: Incident, opinion: Opinion, seen: Seen) -> Facts:
        """Return what the guard knows about an incident now."""
        row, now = seen.sample.row(incident.entity), self._parts.clock.now()
        others = (i for i in self._incidents.open() if i is not incident and i.may_be_a_cause(now))
        situation = Situation(
            incident_id=incident.incident_id,
            diagnosis=opinion.chosen,
            opened=incident.opened,
            tried=tuple(incident.tried),
            others=(*(i.diagnosis for i in others if i.diagnosis.failure is not Failure.UNKNOWN), *seen.emerging),
            in_transition=row is not None and row.signal("unit_transition_ratio") >= 1,
            silent_together=incident.silent_with(silent_together(incident.entity, seen.sample), now),
            changes=self._core.hands.current(),
        )
        return self._memory.facts(situation, now)

    def _worth_recording(self, incident: Incident, judged: Judged) -> bool:
        """Tell whether a choice becomes a decision: repairs and calls always do, a wait only when it says something new."""
        choice, last = judged.choice, incident.decision
        if choice.action is not Action.WAIT or last is None:
            return True
        if incident.already_decided(choice.action, choice.reason, judged.opinion.chosen.failure):
            return False
        new_question = choice.asks and not _is_asked(judged.facts, choice.repair)
        return new_question or incident.may_record_wait(judged.facts.now)

    def decision(self, incident: Incident, judged: Judged) -> Decision:
        """Put a choice into the words of the record."""
        choice, info = judged.choice, self._parts.inference.info
        answered = judged.seen.scores is not None
        return Decision(
            decision_id=self._parts.ids.decision(),
            incident_id=incident.incident_id,
            at=self._parts.clock.now(),
            detected_at=incident.opened,
            diagnosis=judged.opinion.chosen,
            other_diagnosis=judged.opinion.other,
            action=choice.action,
            repair=choice.repair if choice.action is Action.REPAIR else "",
            reason=choice.reason,
            detail=choice.detail,
            candidates=choice.considered,
            model_version=info.version if answered else "",
            provider=info.provider if answered else "",
        )

    def carry_out(self, incident: Incident, decision: Decision, judged: Judged, *, by_hand: bool = False) -> None:
        """Make the decision durable, then act on it; never the other way round.

        Only the notice that a person is needed goes before: an orderd that is killed in between has told somebody about an
        incident that is still open, and tells nobody twice when it ends; the other way round nobody would ever be told.

        Raises:
            JournalError: it could not be recorded; nothing was done.
            StateError: another repair has the target; nothing was done.
        """
        evidence = Evidence(
            decision_id=decision.decision_id,
            window=pack(judged.seen.window),
            scores=judged.seen.scores,
            facts=encode_facts(judged.facts),
        )
        if decision.action is Action.ESCALATE:
            self._notices.escalated(decision, self._parts.bundle.place(decision.incident_id) if self._parts.bundle else "")
        record = self._book.record(decision, evidence)
        self._memory.count(decision.reason)
        incident.decision, incident.state = decision, record.state
        if decision.action is Action.REPAIR:
            self._begin(incident, decision, by_hand=by_hand)
        elif decision.action is Action.ESCALATE:
            self._escalate(decision, judged.seen)
        else:
            incident.waits += 1
            if judged.choice.asks:
                self._ask(incident, judged)

    def _begin(self, incident: Incident, decision: Decision, *, by_hand: bool) -> None:
        try:
            self._carrier.begin(incident, decision, by_hand=by_hand)
        except (JournalError, StateError) as error:
            # The guard could not remember it, or another has the target: it must not run, and the record says so.
            incident.state = IncidentState.WAITING
            incident.not_before = self._parts.clock.now().mono_ns + 10**9
            self._book.note(self._core.step(decision, "unverified", f"not begun: {error}", IncidentState.WAITING))
            raise
        if decision.reason is Reason.APPROVED:
            self._notices.answered(decision.incident_id)

    def _escalate(self, decision: Decision, seen: Seen) -> None:
        self._memory.incident_ended(decision.incident_id)
        if self._parts.bundle is None:
            return
        work = self._collect(self._parts.bundle, decision, seen)
        task = asyncio.create_task(work, name=f"bundle-{decision.decision_id}")
        self._bundles.add(task)
        task.add_done_callback(self._bundles.discard)

    async def _collect(self, bundle: BundlePart, decision: Decision, seen: Seen) -> None:
        """Collect what a person needs, where the notice said it would be."""
        try:
            async with asyncio.timeout(BUNDLE_S_MAX):
                recent = self._parts.journal.incident(decision.incident_id)
                await bundle.collect(decision, window=seen.window, recent=recent)
        except (OSError, TimeoutError, JournalError) as error:
            log.warning("no diagnosis bundle for %s: %r", decision.decision_id, error)

    def _ask(self, incident: Incident, judged: Judged) -> None:
        decision, repair = incident.decision, judged.choice.repair
        if decision is None or _is_asked(judged.facts, repair):
            return
        approval = self._memory.ask(decision, repair, self._parts.clock.now())
        self._notices.asked(approval, decision)

    def expire(self, now: Instant) -> None:
        """Let questions expire that nobody answered; the next decision calls a person about it."""
        for approval in self._memory.expire(now):
            incident = self._incidents.by_id(approval.incident_id)
            if incident is not None and incident.state is IncidentState.WAITING:
                detail = f"nobody answered whether {approval.repair} may run"
                step = Step(decision_id=approval.decision_id, at=now, state=IncidentState.WAITING, what="expired", detail=detail)
                self._book.note(step)
            self._notices.answered(approval.incident_id)

    async def close(self) -> None:
        """Stop collecting."""
        for task in (tasks := list(self._bundles)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_asked(facts: Facts, repair: str) -> bool:
    """Tell whether a person is being asked about a repair in this incident already."""
    return any(a.state is ApprovalState.PENDING and a.repair == repair for a in facts.approvals)
