"""Ask the executor for a repair or its undo, and append what happened to the journal. Touches the executor's socket."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from orderd.domain.clock import Clock, Instant
from orderd.domain.repairs import Repair
from orderd.domain.values import Decision, IncidentState, RepairOutcome, Step
from orderd.errors import ExecutorError, RepairRefusedError
from orderd.executor.client import GRACE_S, ExecutorClient
from orderd.executor.messages import Code, Finished, Mode, RepairRequest, Reply, Started

log = logging.getLogger(__name__)

UNREACHABLE: Final = "unreachable"
"""Code of a request that never arrived: nobody listens."""
PASSES: Final = frozenset(
    {
        UNREACHABLE,
        *map(
            str,
            (
                Code.BUSY,
                Code.RATE_LIMITED,
                Code.NOT_ARMED,
                Code.NOT_RECORDED,
                Code.ZYGOTE_UNAVAILABLE,
                Code.WORKSPACE_FAILED,
                Code.SCOPE_FAILED,
            ),
        ),
    }
)
"""Refusals that say nothing about the repair: nothing was touched, and asking again later may be answered otherwise."""
NOT_THE_CASE: Final = "not the case: "
"""How a repair's module begins to say that it looked, touched nothing, and is not what helps here."""
POLL_S: Final = 0.25
UNDO_PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0)
"""Pauses before an undo that was refused for a reason that passes is asked for again; then it has failed."""

_OUTCOMES: Final = {
    "succeeded": RepairOutcome.SUCCEEDED,
    "failed": RepairOutcome.FAILED,
    "timed_out": RepairOutcome.TIMED_OUT,
    "refused": RepairOutcome.REFUSED,
}
_NOBODY_LISTENS: Final = (ConnectionRefusedError, FileNotFoundError, PermissionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How one repair ended, as the executor says; not whether it helped.

    Attributes:
        outcome: how the playbook ended.
        ended: when.
        detail: for people.
        code: the executor's reason for a refusal, else empty.
    """

    outcome: RepairOutcome
    ended: Instant
    detail: str
    code: str = ""

    @property
    def passing(self) -> bool:
        """Tell whether nothing was touched for a reason that has nothing to do with this repair."""
        return self.outcome is RepairOutcome.REFUSED and self.code in PASSES

    @property
    def judged(self) -> bool:
        """Tell whether the host may have been touched, so that the target's signals have to judge."""
        # A target that is gone, or a repair that ran already, is for the signals to judge as well.
        known = {str(Code.TARGET_GONE), str(Code.ALREADY_RUN)}
        return self.outcome is not RepairOutcome.REFUSED or self.code in known


class RepairDesk:
    """Runs repairs through the executor."""

    def __init__(
        self,
        *,
        executor: ExecutorClient,
        append: Callable[[Step], None],
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take the executor's client, the clock, what takes a step for the journal and never raises, and how to wait."""
        self._executor = executor
        self._append = append
        self._clock = clock
        self._sleep = sleep
        self.defects = 0
        self.problem = ""

    async def apply(self, decision: Decision, repair: Repair) -> Attempt:
        """Run the decided repair.

        Args:
            decision: already durable in the journal.
            repair: its contract.
        """
        attempt = await self._run(decision, repair, Mode.APPLY)
        state = IncidentState.VERIFYING if attempt.judged else IncidentState.DIAGNOSED
        self._step(decision, IncidentState.WAITING if attempt.passing else state, "finished", attempt)
        return attempt

    async def undo(self, decision: Decision, repair: Repair) -> Attempt:
        """Take a repair back that did not help; asked for again while the executor has other things to do."""
        attempt = await self._run(decision, repair, Mode.UNDO)
        for pause_s in UNDO_PAUSES_S:
            if not attempt.passing:
                break
            await self._sleep(pause_s)
            attempt = await self._run(decision, repair, Mode.UNDO)
        done = attempt.outcome is RepairOutcome.SUCCEEDED
        self._step(decision, IncidentState.DIAGNOSED, "undone" if done else "undo_failed", attempt)
        return attempt

    async def until_ended(self, decision_id: str, deadline_s: float) -> None:
        """Wait until no process of a repair is left, that an earlier run of orderd may have begun; never longer than it may take.

        Args:
            decision_id: the repair, or its undo.
            deadline_s: of its contract; the executor kills what is left then.
        """
        begun, limit_s = self._clock.now(), deadline_s + GRACE_S
        while self._clock.now().seconds_since(begun) < limit_s:
            try:
                running = await self._executor.running()
            except ExecutorError as error:
                # One that was killed ends every scope it does not know before it runs anything again.
                log.warning("what runs is not known: %s", error)
                return
            if not any(one.repair_id == decision_id for one in running):
                return
            await self._sleep(POLL_S)

    async def _run(self, decision: Decision, repair: Repair, mode: Mode) -> Attempt:
        request = RepairRequest(
            repair_id=decision.decision_id,  # an undo finds by it what its repair put into quarantine
            playbook=repair.name,
            target=str(decision.diagnosis.entity),
            deadline_s=repair.deadline_s,
            mode=mode,
        )
        begun = self._clock.now()
        try:
            finished = await self._executor.repair(request, lambda event: self._event(decision, event, begun, mode))
        except RepairRefusedError as error:
            self.problem = str(error) if error.code in PASSES else ""
            return self._attempt(RepairOutcome.REFUSED, str(error), error.code)
        except ExecutorError as error:
            self.problem = str(error)
            if isinstance(error.__cause__, _NOBODY_LISTENS):
                return self._attempt(RepairOutcome.REFUSED, str(error), UNREACHABLE)
            return self._attempt(RepairOutcome.INTERRUPTED, str(error))
        except Exception as defect:
            # The repair worker's supervision: whatever broke here, the incident goes on, and the target's signals judge.
            self.defects += 1
            log.exception("repair %s broke off", decision.decision_id)
            return self._attempt(RepairOutcome.INTERRUPTED, f"defect of orderd: {defect!r}")
        self.problem = ""
        # A process that was killed (out of memory, say) has not failed by itself: whoever may repeat it, may.
        killed = finished.code is Code.DIED
        if mode is Mode.APPLY and not finished.changed and (why := _not_the_case(finished)):
            return self._attempt(RepairOutcome.REFUSED, why)
        return self._attempt(RepairOutcome.INTERRUPTED if killed else _OUTCOMES[finished.outcome], _summary(finished))

    def _attempt(self, outcome: RepairOutcome, detail: str, code: str = "") -> Attempt:
        return Attempt(outcome=outcome, ended=self._clock.now(), detail=detail, code=code)

    def _event(self, decision: Decision, event: Reply, begun: Instant, mode: Mode) -> None:
        if isinstance(event, Started):
            now = self._clock.now()
            self._append(
                Step(
                    decision_id=decision.decision_id,
                    at=now,
                    state=IncidentState.REPAIRING,
                    what="started",
                    detail=event.scope if mode is Mode.APPLY else f"undo in {event.scope}",
                    seconds=now.seconds_since(begun),
                )
            )

    def _step(self, decision: Decision, state: IncidentState, what: str, attempt: Attempt) -> None:
        self._append(
            Step(
                decision_id=decision.decision_id,
                at=attempt.ended,
                state=state,
                what=what,
                detail=attempt.detail,
                outcome=attempt.outcome,
                seconds=attempt.ended.seconds_since(decision.at),
            )
        )


def _not_the_case(finished: Finished) -> str:
    """Return why a repair says that it is not for this; what only looked has neither helped nor failed."""
    return next((task.msg for task in finished.tasks if task.msg.startswith(NOT_THE_CASE)), "")


def _summary(finished: Finished) -> str:
    changed = [task.name for task in finished.tasks if task.changed]
    failed = [f"{task.name}: {task.msg}" for task in finished.tasks if task.status in {"failed", "unreachable"}]
    if failed:
        return "; ".join(failed)
    if finished.detail:
        return finished.detail
    return f"changed: {', '.join(changed)}" if changed else "nothing had to be changed"
