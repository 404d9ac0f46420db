"""Carry a decision out and judge it: repair, collateral check, verification, undo. Runs beside the ticks, one task a repair.

    repair -> finished -> verifying -> verified | unverified -> undone | undo_failed -> the next rung is decided
           -> refused for a reason that passes -> waiting: nothing was touched, no rung is used up

Only the target's signals say whether it helped; what a playbook that was interrupted has done is for them to say as well.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Coroutine
from dataclasses import replace
from typing import Final

from orderd.decision import Aftermath, Ending
from orderd.domain.clock import Instant
from orderd.domain.faults import EntityKind
from orderd.domain.inventory import Inventory
from orderd.domain.repairs import Repair, Verify
from orderd.domain.values import Decision, IncidentState, RepairOutcome, Sample, Verdict
from orderd.loop.core import Core
from orderd.loop.incidents import Incident
from orderd.repair import Attempt, RepairDesk
from orderd.verification import Verification
from orderd.verification.collateral import compare

log = logging.getLogger(__name__)

PATIENCE_S: Final = 2.0
"""A playbook that failed or was cut off gets only this long, and the contract's hold, to have helped all the same."""
INVENTORY_S_MAX: Final = 2.0
"""Longest wait for an inventory; a repair is not held up, and what was not taken is not compared."""
BEFORE_S_MAX: Final = 0.1
"""How long a repair waits for the inventory of what was there before it: 15 ms on an ordinary host."""
DETAIL_MAX: Final = 2000
_LONGEST_NS: Final = 360 * 10**9
"""A repair and its verification are over by then: deadlines are at most 300 s."""


class Carrier:
    """Runs repairs and undoes for incidents."""

    def __init__(self, core: Core) -> None:
        """Take the rooms."""
        self._core = core
        self._parts = core.parts
        self._book = core.book
        self._incidents = core.incidents
        self._memory = core.memory
        self._notices = core.notices
        self._tasks: set[asyncio.Task[None]] = set()
        self.defects = 0
        self._touched: deque[tuple[int, tuple[str, ...]]] = deque(maxlen=64)
        self.desk = RepairDesk(executor=core.parts.executor, append=core.book.note, clock=core.parts.clock)

    @property
    def running(self) -> int:
        """Return how many playbooks run, undoes included."""
        return len(self._tasks)

    def begin(self, incident: Incident, decision: Decision, *, by_hand: bool = False) -> None:
        """Begin a repair that is durable in the journal.

        Raises:
            JournalError: the guard could not remember it; it was not begun.
        """
        self._memory.started(decision, by_hand=by_hand)
        incident.tried.append(decision.repair)
        incident.verification, incident.wrong, incident.before = None, "", None
        self._parts.budget.spend()
        repair = self._parts.repairs[decision.repair]
        self._touched.append((decision.at.mono_ns, repair.touched(incident.entity)))
        self._run(incident, decision, self._repair(incident, decision, repair))

    def _run(self, incident: Incident, decision: Decision, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name=f"repair-{decision.decision_id}")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._done(incident, decision, done))

    def _done(self, incident: Incident, decision: Decision, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._parts.sampler.nudge()
        defect = None if task.cancelled() else task.exception()
        if defect is not None:
            # Whatever broke, the incident goes on: the target's signals judge.
            self.defects += 1
            log.error("work on %s broke off", decision.decision_id, exc_info=defect)
            repair = self._parts.repairs.get(decision.repair)
            if incident.state is IncidentState.REPAIRING and repair is not None:
                self.verify(incident, decision, repair, self._interrupted(f"defect of orderd: {defect!r}"))

    def _interrupted(self, detail: str) -> Attempt:
        return Attempt(outcome=RepairOutcome.INTERRUPTED, ended=self._parts.clock.now(), detail=detail)

    async def _repair(self, incident: Incident, decision: Decision, repair: Repair) -> None:
        before = await self._inventory(BEFORE_S_MAX)
        attempt = await self.desk.apply(decision, repair)
        if attempt.judged:
            incident.before = before
            self.verify(incident, decision, repair, attempt)
            return
        self._memory.ended(decision.decision_id, Ending.VOID, attempt.ended)
        if attempt.passing:
            incident.refused(attempt.ended)
        else:
            incident.state = IncidentState.DIAGNOSED
            self._book.note(self._core.step(decision, "unverified", attempt.detail, IncidentState.DIAGNOSED))

    def verify(self, incident: Incident, decision: Decision, repair: Repair, attempt: Attempt) -> None:
        """Begin to watch whether a repair helped."""
        self._memory.verifying(decision.decision_id)
        incident.verification = Verification(
            verify=_patience(repair.verify, attempt.outcome), target=decision.diagnosis.entity, started=attempt.ended
        )
        incident.interrupted = attempt.outcome is RepairOutcome.INTERRUPTED
        incident.state = IncidentState.VERIFYING
        self._parts.sampler.focus(incident.entity)

    def resume(self, incident: Incident, decision: Decision, repair: Repair, *, undo: bool) -> None:
        """Go on with a repair, or its undo, that an earlier run of orderd began: wait until it has ended, then judge."""
        self._run(incident, decision, self._resume(incident, decision, repair, undo=undo))

    async def _resume(self, incident: Incident, decision: Decision, repair: Repair, *, undo: bool) -> None:
        await self.desk.until_ended(decision.decision_id, repair.deadline_s)
        if undo:
            self._memory.undoing(decision.decision_id)
            await self._undo(incident, decision, repair)
            return
        self.verify(incident, decision, repair, self._interrupted("orderd was restarted while it ran"))

    async def _inventory(self, within_s: float) -> Inventory | None:
        if self._parts.inventory is None:
            return None
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(within_s):
                return await self._parts.inventory.take()
        return None

    async def _check(self, incident: Incident, decision: Decision, before: Inventory) -> None:
        try:
            await self._compare(incident, decision, before)
        finally:
            incident.comparing = False

    async def _compare(self, incident: Incident, decision: Decision, before: Inventory) -> None:
        """Compare what was there before and after; a difference the contract does not name counts against the repair."""
        after, repair = await self._inventory(INVENTORY_S_MAX), self._parts.repairs[decision.repair]
        if after is None:
            return
        found = compare(
            before, after, touches=repair.touches, target=incident.entity, meanwhile=self._meanwhile(incident, before)
        )
        if found:
            incident.wrong = "; ".join(found)[:DETAIL_MAX]
            self._book.note(self._core.step(decision, "collateral", incident.wrong, incident.state))
            self._notices.collateral(decision, incident.wrong)

    def _meanwhile(self, incident: Incident, before: Inventory) -> tuple[str, ...]:
        """Return patterns of what others may have changed since: other repairs, people, and units that fail by themselves."""
        touched = [pattern for at, patterns in self._touched if at >= before.at.mono_ns - _LONGEST_NS for pattern in patterns]
        failing = [i.entity for i in self._incidents if i is not incident]
        changed = [change.entity for change in self._core.hands.current()]
        changed += [hold.entity for hold in self._memory.holds(self._parts.clock.now()) if hold.seen]
        if None in changed:
            return ("*",)  # somebody changes the whole host: nothing can be blamed on the repair
        units = (e.key for e in (*failing, *changed) if e is not None and e.kind is EntityKind.UNIT)
        return (*touched, *(f"unit {key}" for key in units))

    def watch(self, sample: Sample) -> None:
        """Take a sample into account while no verdict can be recorded: what was healthy meanwhile was healthy."""
        for incident in self._incidents.in_state(IncidentState.VERIFYING):
            if incident.verification is not None:
                incident.verification.judge(sample)

    def judge(self, sample: Sample) -> tuple[Incident, ...]:
        """Take a sample into account for every repair that is being verified; return the incidents that are resolved.

        Raises:
            JournalError: a verdict could not be recorded; it is given again at the next tick.
        """
        resolved: list[Incident] = []
        for incident in self._incidents.in_state(IncidentState.VERIFYING):
            decision, verification = incident.decision, incident.verification
            if decision is None or verification is None or incident.comparing:
                continue
            verdict = verification.judge(sample)
            if verdict is not Verdict.PENDING and incident.before is not None:
                # What the repair started has come up or never will: what else changed is told before the verdict is written.
                before, incident.before, incident.comparing = incident.before, None, True
                self._run(incident, decision, self._check(incident, decision, before))
            elif verdict is Verdict.HEALTHY:
                self._helped(incident, decision, sample.at)
                resolved.append(incident)
            elif verdict is Verdict.UNHEALTHY:
                self._did_not_help(incident, decision, verification.unmet, sample.at)
        return tuple(resolved)

    def _helped(self, incident: Incident, decision: Decision, now: Instant) -> None:
        seconds = now.seconds_since(incident.opened)
        step = self._core.step(decision, "verified", "healthy and stayed healthy", IncidentState.RESOLVED)
        self._book.append(replace(step, at=now, seconds=seconds))
        incident.state = IncidentState.RESOLVED
        ending = Ending.COLLATERAL if incident.wrong else Ending.VERIFIED
        self._tell(incident, decision, self._memory.ended(decision.decision_id, ending, now))
        self._notices.repaired(incident, decision, seconds)

    def _did_not_help(self, incident: Incident, decision: Decision, unmet: str, now: Instant) -> None:
        """Take the repair back where it can be, then let the next rung be decided."""
        repair = self._parts.repairs.get(decision.repair)
        undo = repair is not None and bool(repair.undo)
        why = "" if undo else f"; no undo: {repair.undo_none_why if repair else 'the repair is no longer catalogued'}"
        self._book.append(self._core.step(decision, "unverified", f"not healthy in time: {unmet}{why}", IncidentState.DIAGNOSED))
        if incident.verification is not None:
            incident.unproven = incident.verification, now
        incident.verification, incident.state, incident.last_seen = None, IncidentState.DIAGNOSED, now
        ending = Ending.INTERRUPTED if incident.may_try_again(repair) else Ending.UNVERIFIED
        self._tell(incident, decision, self._memory.ended(decision.decision_id, ending, now))
        if repair is not None and undo:
            incident.state = IncidentState.REPAIRING
            self._memory.undoing(decision.decision_id)
            self._run(incident, decision, self._undo(incident, decision, repair))

    async def _undo(self, incident: Incident, decision: Decision, repair: Repair) -> None:
        try:
            await self.desk.undo(decision, repair)
        finally:
            self._memory.undone(decision.decision_id)
            incident.state, now = IncidentState.DIAGNOSED, self._parts.clock.now()
            # What was taken back is as broken as before, and has yet to show it.
            incident.last_seen = now
            if incident.unproven is not None:
                incident.unproven = incident.unproven[0], now

    def _tell(self, incident: Incident, decision: Decision, after: Aftermath) -> None:
        if after.ticket is not None:
            count = len(after.ticket.decision_ids)
            detail = (
                f"ticket {after.ticket.ticket_id}: {count} repairs only masked {after.ticket.failure} of {after.ticket.entity}"
            )
            self._book.note(self._core.step(decision, "ticket", detail, incident.state))
        self._notices.aftermath(decision, after)

    async def close(self) -> None:
        """Wait for nothing: a running repair belongs to the executor, and recovery at start settles its record."""
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _patience(verify: Verify, outcome: RepairOutcome) -> Verify:
    if outcome in {RepairOutcome.SUCCEEDED, RepairOutcome.REFUSED}:
        return verify
    return replace(verify, within_s=min(verify.within_s, verify.hold_s + PATIENCE_S))
