"""Repairs that wait for a person: asked, answered, expired. In memory, kept durably, bounded.

A question belongs to one repair in one incident. An answer counts once, and only until the question would have expired: a yes
that could not be carried out by then is no yes any more. A yes is set aside while its repair is carried out, and used up when
the host was touched; where nothing was touched it stands again, and nobody is asked a second time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from orderd.decision.kept import Boot, Saver
from orderd.domain.clock import Instant
from orderd.domain.standing import Approval, ApprovalState, Standing
from orderd.errors import StateError

QUESTIONS_MAX: Final = 500
"""More open questions than a host has entities mean that something is broken; the oldest makes room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptApproval:
    """An approval as it is kept: with the boot its times belong to, and the decision that carries it out; empty for none."""

    approval: Approval
    boot_id: str
    used_by: str = ""


class Questions:
    """The questions of incidents that have not ended, by the id of the decision that waits."""

    def __init__(self, *, saver: Saver, boot: Boot, kept: Mapping[str, KeptApproval]) -> None:
        """Take those of this boot; a reboot changes more than a person was asked about, so older ones are dropped."""
        self._saver = saver
        self._boot_id = boot.boot_id
        mine = {key: k for key, k in kept.items() if boot.same(k.boot_id)}
        standing = (k.approval for k in mine.values() if not k.used_by)
        self._by_id = {a.decision_id: a for a in sorted(standing, key=lambda a: a.asked.mono_ns)}
        self._used = {k.used_by: k.approval for k in mine.values() if k.used_by}
        for key in kept.keys() - mine.keys():
            saver.put_late(Standing.APPROVAL, key, None)

    def ask(self, approval: Approval) -> Approval:
        """Ask, unless the same was asked in the same incident already; return the question that stands.

        Raises:
            JournalError: it could not be made durable.
        """
        for asked in self._by_id.values():
            same = (asked.incident_id, asked.repair, asked.failure) == (approval.incident_id, approval.repair, approval.failure)
            if same and state_at(asked, approval.asked) is ApprovalState.PENDING:
                return asked
        while len(self._by_id) >= QUESTIONS_MAX:
            self._drop(next(iter(self._by_id)))
        self._put(approval)
        return approval

    def answer(self, decision_id: str, *, yes: bool, why: str, by: str, now: Instant, validate_only: bool = False) -> Approval:
        """Take a person's answer.

        Raises:
            StateError: nothing waits under this id (``not_waiting``), it was ``answered``, or it expired (``approval_expired``).
            JournalError: it could not be made durable, so it does not count.
        """
        asked = self._by_id.get(decision_id)
        if asked is None:
            raise StateError("not_waiting", f"{decision_id} does not wait for a person")
        state = state_at(asked, now)
        if state is ApprovalState.EXPIRED:
            raise StateError("approval_expired", f"the question of {decision_id} has expired")
        if state is not ApprovalState.PENDING:
            raise StateError("answered", f"{decision_id} was {asked.state} by {asked.by}")
        said = replace(asked, state=ApprovalState.APPROVED if yes else ApprovalState.REJECTED, by=by, why=why)
        if not validate_only:
            self._put(said)
        return said

    def get(self, decision_id: str) -> Approval | None:
        """Return the question of a decision."""
        return self._by_id.get(decision_id)

    def expire(self, now: Instant) -> tuple[Approval, ...]:
        """Let questions expire whose time is over; return those, each once."""
        over = [a for a in self._by_id.values() if a.state is ApprovalState.PENDING and a.until <= now.mono_ns]
        expired = tuple(replace(a, state=ApprovalState.EXPIRED) for a in over)
        for approval in expired:
            self._by_id[approval.decision_id] = approval
            self._keep_late(approval)
        return expired

    def pending(self, now: Instant) -> tuple[Approval, ...]:
        """Return the questions that wait, oldest first."""
        return tuple(a for a in self._by_id.values() if state_at(a, now) is ApprovalState.PENDING)

    def of_incident(self, incident_id: str, now: Instant) -> tuple[Approval, ...]:
        """Return an incident's questions as they stand at a moment, oldest first."""
        mine = (a for a in self._by_id.values() if a.incident_id == incident_id)
        return tuple(replace(a, state=state_at(a, now)) for a in mine)

    def used(self, incident_id: str, repair: str, by: str) -> None:
        """Set an answer aside while the repair of decision ``by`` carries it out: it counts once."""
        for approval in [a for a in self._by_id.values() if (a.incident_id, a.repair) == (incident_id, repair)]:
            if approval.state is ApprovalState.APPROVED and by not in self._used:
                del self._by_id[approval.decision_id]
                self._used[by] = approval
                self._keep_late(approval, used_by=by)
            else:
                self._forget(approval.decision_id)

    def give_back(self, by: str) -> None:
        """Let the answer that decision ``by`` could not carry out stand again: nothing was touched."""
        approval = self._used.pop(by, None)
        if approval is not None:
            self._by_id[approval.decision_id] = approval
            self._keep_late(approval)

    def use_up(self, by: str) -> None:
        """Forget the answer that decision ``by`` has carried out."""
        approval = self._used.pop(by, None)
        if approval is not None:
            self._saver.put_late(Standing.APPROVAL, approval.decision_id, None)

    def forget(self, incident_id: str) -> None:
        """Forget the questions of an incident that has ended."""
        for approval in [a for a in self._by_id.values() if a.incident_id == incident_id]:
            self._forget(approval.decision_id)
        for by in [by for by, approval in self._used.items() if approval.incident_id == incident_id]:
            self.use_up(by)

    def _put(self, approval: Approval) -> None:
        self._saver.put(Standing.APPROVAL, approval.decision_id, KeptApproval(approval=approval, boot_id=self._boot_id))
        self._by_id[approval.decision_id] = approval

    def _keep_late(self, approval: Approval, used_by: str = "") -> None:
        kept = KeptApproval(approval=approval, boot_id=self._boot_id, used_by=used_by)
        self._saver.put_late(Standing.APPROVAL, approval.decision_id, kept)

    def _drop(self, decision_id: str) -> None:
        self._saver.drop(Standing.APPROVAL, decision_id)
        del self._by_id[decision_id]

    def _forget(self, decision_id: str) -> None:
        del self._by_id[decision_id]
        self._saver.put_late(Standing.APPROVAL, decision_id, None)


def state_at(approval: Approval, now: Instant) -> ApprovalState:
    """Return what has become of a question by a moment, whether or not anybody has noted it."""
    over = approval.state is ApprovalState.PENDING and approval.until <= now.mono_ns
    return ApprovalState.EXPIRED if over else approval.state
