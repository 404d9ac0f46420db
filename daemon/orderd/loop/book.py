"""The loop's side of the journal: record, append, tell everybody; keep what could not be written. Touches the journal.

A decision that cannot be recorded raises, and nothing is done. A step of something that was done already is kept and written
later: the host was touched, and the record has to say so in the end.
"""

import logging
from collections import deque
from typing import Final

from orderd.domain.values import Decision, DecisionRecord, Evidence, Step
from orderd.errors import JournalError
from orderd.loop.parts import HubPart, JournalPart, UplinkPart

log = logging.getLogger(__name__)

UNWRITTEN_MAX: Final = 200
"""No repair begins while the journal fails, so only the steps of those that run can come: far fewer than this."""


class Book:
    """Writes decisions and steps, and tells watchers and the trainer."""

    def __init__(self, journal: JournalPart, hub: HubPart, uplink: UplinkPart) -> None:
        """Take who keeps and who is told."""
        self._journal = journal
        self._hub = hub
        self._uplink = uplink
        self._unwritten: deque[Step] = deque()
        self.lost = 0
        self.error = ""

    def record(self, decision: Decision, evidence: Evidence | None) -> DecisionRecord:
        """Make a decision durable.

        Raises:
            JournalError: it was not; nothing may be touched.
        """
        record = self._journal.record(decision, evidence)
        self.publish(record)
        return record

    def append(self, step: Step) -> DecisionRecord:
        """Make a step durable, after all that waits.

        Raises:
            JournalError: it was not.
        """
        self.catch_up()
        record = self._journal.append(step)
        self.publish(record)
        return record

    def note(self, step: Step) -> None:
        """Append what happened while a playbook ran; it is kept for later where the journal fails. Never raises."""
        try:
            self.append(step)
        except JournalError as error:
            self.fails(error)
            if len(self._unwritten) >= UNWRITTEN_MAX:
                self.lost += 1
                log.error("step %s of %s is lost: %s", step.what, step.decision_id, error)  # noqa: TRY400  the message says all
                return
            self._unwritten.append(step)

    def catch_up(self) -> None:
        """Append what could not be appended when it happened.

        Raises:
            JournalError: it still cannot be.
        """
        while self._unwritten:
            step = self._unwritten[0]
            self.publish(self._journal.append(step))
            self._unwritten.popleft()

    @property
    def behind(self) -> bool:
        """Tell whether steps wait to be written."""
        return bool(self._unwritten)

    def pass_over(self, error: JournalError) -> None:
        """Give up the oldest step that waits: the journal can be written, it is this step that it will never take."""
        step = self._unwritten.popleft()
        self.lost += 1
        log.error("step %s of %s is lost: %s", step.what, step.decision_id, error)

    def fails(self, error: JournalError) -> None:
        """Say once that the journal fails; `works` takes it back."""
        if str(error) != self.error:
            log.error("no repairs while the journal cannot be written: %s", error)
        self.error = str(error)

    def works(self) -> None:
        """Say that the journal works."""
        if self.error:
            log.info("the journal can be written again")
        self.error = ""

    def publish(self, record: DecisionRecord) -> None:
        """Tell watchers and the trainer of a change that is durable."""
        self._hub.publish(record)
        self._uplink.offer_decision(record)
