"""Ask the executor for a repair or its undo, and append what happened to the journal. Touches the executor's socket."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orderd.domain.clock import Clock, Instant
from orderd.domain.repairs import Repair
from orderd.domain.values import Decision, IncidentState, RepairOutcome, Step
from orderd.errors import ExecutorError, RepairRefusedError
from orderd.executor.client import ExecutorClient
from orderd.executor.messages import Finished, Mode, RepairRequest, Reply, Started

log = logging.getLogger(__name__)

_OUTCOMES: Final = {
    "succeeded": RepairOutcome.SUCCEEDED,
    "failed": RepairOutcome.FAILED,
    "timed_out": RepairOutcome.TIMED_OUT,
    "refused": RepairOutcome.REFUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How one repair ended, as the executor says; not whether it helped.

    Attributes:
        outcome: how the playbook ended.
        ended: when.
        detail: for people.
    """

    outcome: RepairOutcome
    ended: Instant
    detail: str


class RepairDesk:
    """Runs repairs one at a time through the executor."""

    def __init__(self, *, executor: ExecutorClient, append: Callable[[Step], None], clock: Clock) -> None:
        """Take the executor's client, the clock, and what takes a step for the journal and never raises."""
        self._executor = executor
        self._append = append
        self._clock = clock
        self.defects = 0

    async def apply(self, decision: Decision, repair: Repair) -> Attempt:
        """Run the decided repair.

        Args:
            decision: already durable in the journal.
            repair: its contract.
        """
        attempt = await self._run(decision, repair, Mode.APPLY)
        self._step(decision, IncidentState.VERIFYING, "finished", attempt)
        return attempt

    async def undo(self, decision: Decision, repair: Repair) -> Attempt:
        """Take a repair back that did not help."""
        attempt = await self._run(decision, repair, Mode.UNDO)
        self._step(decision, IncidentState.DIAGNOSED, "undone", attempt)
        return attempt

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
            finished = await self._executor.repair(request, lambda event: self._event(decision, event, begun))
            outcome, detail = _OUTCOMES[finished.outcome], _summary(finished)
        except RepairRefusedError as error:
            return Attempt(outcome=RepairOutcome.REFUSED, ended=self._clock.now(), detail=str(error))
        except ExecutorError as error:
            return Attempt(outcome=RepairOutcome.INTERRUPTED, ended=self._clock.now(), detail=str(error))
        except Exception as defect:
            # The repair worker's supervision: whatever broke here, the incident goes on, and the target's signals judge.
            self.defects += 1
            log.exception("repair %s broke off", decision.decision_id)
            return Attempt(outcome=RepairOutcome.INTERRUPTED, ended=self._clock.now(), detail=f"defect of orderd: {defect!r}")
        return Attempt(outcome=outcome, ended=self._clock.now(), detail=detail)

    def _event(self, decision: Decision, event: Reply, begun: Instant) -> None:
        if isinstance(event, Started):
            now = self._clock.now()
            self._append(
                Step(
                    decision_id=decision.decision_id,
                    at=now,
                    state=IncidentState.REPAIRING,
                    what="started",
                    detail=event.scope,
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


def _summary(finished: Finished) -> str:
    changed = [task.name for task in finished.tasks if task.changed]
    failed = [f"{task.name}: {task.msg}" for task in finished.tasks if task.status in {"failed", "unreachable"}]
    if failed:
        return "; ".join(failed)
    if finished.detail:
        return finished.detail
    return f"changed: {', '.join(changed)}" if changed else "nothing had to be changed"
