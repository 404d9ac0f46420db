"""What people are told, in words, and under which key: the same trouble is said once. Pure but for the notifier."""

import re
from collections.abc import Iterable
from typing import Final

from orderd.decision import Aftermath
from orderd.domain.standing import Approval
from orderd.domain.values import Decision
from orderd.loop.incidents import Incident
from orderd.loop.parts import NotifierPart

KEY_MAX: Final = 100
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


class Notices:
    """Turns what happened into notices."""

    def __init__(self, notifier: NotifierPart) -> None:
        """Take who tells people."""
        self._notifier = notifier
        self._degraded: set[str] = set()
        self._last_look: frozenset[str] = frozenset()

    def escalated(self, decision: Decision, bundle: str = "") -> None:
        """Say that a person has to look; durable when it returns.

        Args:
            decision: which gave up; it is recorded after this, so that no restart comes between it and the notice.
            bundle: where its diagnosis bundle will be; empty when none is collected.

        Raises:
            JournalError: it could not be made durable.
        """
        diagnosis = decision.diagnosis
        title = f"{diagnosis.failure} of {diagnosis.entity} needs a person ({decision.reason})"
        body = {"seen": diagnosis.evidence, "why": decision.detail, "more": f"orderctl explain {decision.decision_id}"}
        self._notifier.say_durably("escalated", decision.incident_id, title, {**body, "bundle": bundle} if bundle else body)

    def asked(self, approval: Approval, decision: Decision) -> None:
        """Say that a repair waits for a person."""
        minutes = (approval.until - approval.asked.mono_ns) / 60e9
        title = f"{approval.failure} of {approval.target}: may {approval.repair} run?"
        answer = f"orderctl approve {approval.decision_id} or orderctl reject {approval.decision_id}"
        body = {"seen": decision.diagnosis.evidence, "why": decision.detail, "answer": answer, "expires": f"in {minutes:.0f} min"}
        self._notifier.say("approval", f"{approval.incident_id}/approval", title, body)

    def answered(self, incident_id: str) -> None:
        """Take the question back: it was answered, or nobody waits any more."""
        self._notifier.resolve(f"{incident_id}/approval")

    def repaired(self, incident: Incident, decision: Decision, seconds: float) -> None:
        """Say that something was repaired, and take back what was said of its incident."""
        title = f"{decision.diagnosis.failure} of {incident.entity} repaired with {decision.repair} in {seconds:.1f} s"
        self._notifier.say(
            "repaired", f"{incident.incident_id}/repaired", title, {"more": f"orderctl show {decision.decision_id}"}
        )
        self.over(incident)

    def over(self, incident: Incident) -> None:
        """Take back what was said of an incident: its entity is healthy again."""
        self._notifier.resolve(incident.incident_id)
        self._notifier.resolve(f"{incident.incident_id}/approval")

    def collateral(self, decision: Decision, found: str) -> None:
        """Say that a repair changed what its contract does not name."""
        title = f"{decision.repair} on {decision.diagnosis.entity} changed more than its contract says"
        self._notifier.say("collateral", f"{decision.decision_id}/collateral", title, {"changed": found})

    def aftermath(self, decision: Decision, after: Aftermath) -> None:
        """Say what an outcome changed."""
        diagnosis = decision.diagnosis
        if (denial := after.denial) is not None:
            title = f"{denial.repair} is not used on {denial.target} any more"
            self._notifier.say("denied", f"denied/{denial.repair}/{denial.target}", title, {"why": denial.why})
        if (ticket := after.ticket) is not None:
            title = f"{ticket.failure} of {ticket.entity} comes back however often it is repaired: ticket {ticket.ticket_id}"
            body = {"repairs": ", ".join(ticket.decision_ids), "now": "it is not repaired any more until the ticket is closed"}
            self._notifier.say("ticket", f"ticket/{ticket.ticket_id}", title, body)
        if (score := after.withdrawn) is not None:
            title = f"{score.repair} has lost its authority for {diagnosis.failure}"
            self._notifier.say("withdrawn", f"withdrawn/{score.failure}/{score.repair}", title, {"why": score.why})

    def degraded(self, problems: Iterable[str]) -> None:
        """Say what does not work, once each, when it stood at the last look as well; take back what works again.

        Args:
            problems: all there are now; numbers in them may change, it is the same problem then.
        """
        now = {_without_numbers(problem): problem for problem in problems}
        for key in sorted(now.keys() & self._last_look - self._degraded):
            self._notifier.say("degraded", f"degraded/{key}", now[key], {})
            self._degraded.add(key)
        for key in sorted(self._degraded - now.keys()):
            self._notifier.resolve(f"degraded/{key}")
            self._degraded.discard(key)
        self._last_look = frozenset(now)


def _without_numbers(problem: str) -> str:
    return _NUMBER.sub("N", problem)[:KEY_MAX]
