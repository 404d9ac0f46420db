"""The guard: may this repair run on this target now? Pure: the same facts give the same ruling, with a stable reason code.

One order of refusals, and the first one counts, so that the reason a person reads is one that a person can act on: what people
said (pause, answer, hold, window), what is being changed, authority (mode, scorecard), what experience forbids (denial, masking),
locks, rates, the fleet's budget. One exception: a person is only asked for approval when nothing forbids the repair anyway.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orderd.config.modes import stricter
from orderd.decision.facts import HOUR_S, Ending, Facts, Permit, Phase
from orderd.domain.changes import Change, ChangeKind
from orderd.domain.repairs import Repair
from orderd.domain.standing import Approval, ApprovalState, Authority
from orderd.domain.values import Mode, Reason

_ALLOWED: Final = frozenset({Reason.ALLOWED, Reason.APPROVED, Reason.BY_HAND})
_ASKS: Final = frozenset({Reason.MODE_APPROVE, Reason.NOT_EARNED})
_FORBIDS: Final = frozenset({Reason.DENIED, Reason.MASKING, Reason.TARGET_RATE, Reason.HOST_RATE})
"""Reasons that an approval would not overcome: no person is asked for what would be refused all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the guard said: ``reason`` is ALLOWED, APPROVED or BY_HAND, or why not; ``detail`` is for people."""

    reason: Reason
    detail: str = ""

    @property
    def allowed(self) -> bool:
        """Tell whether the repair may run."""
        return self.reason in _ALLOWED


Check = Callable[[Facts, Repair], Ruling | None]


def rule(facts: Facts, repair: Repair, *, by_hand: bool = False) -> Ruling:
    """Decide whether a repair may run now.

    Args:
        facts: everything known about the incident's target.
        repair: its contract.
        by_hand: a person asks for this very repair: pause, holds, windows, other people's changes, denials and locks still hold;
            modes, tickets, cooldowns, rates and the fleet's budget do not.

    Returns:
        Why it may run, or the first reason against it.
    """
    if by_hand:
        return _first(_BY_HAND, facts, repair) or Ruling(reason=Reason.BY_HAND, detail=repair.summary)
    against = _first(_IN_ORDER, facts, repair)
    if against is None:
        return _permission(facts, repair)
    if against.reason in _ASKS:
        later = (check(facts, repair) for check in _IN_ORDER[_IN_ORDER.index(authority) :])
        return next((r for r in later if r is not None and r.reason in _FORBIDS), against)
    return against


def _first(checks: tuple[Check, ...], facts: Facts, repair: Repair) -> Ruling | None:
    return next((ruling for check in checks if (ruling := check(facts, repair)) is not None), None)


def _permission(facts: Facts, repair: Repair) -> Ruling:
    answer = answer_for(facts, repair)
    if answer is not None and answer.state is ApprovalState.APPROVED:
        words = f": {answer.why}" if answer.why else ""
        return Ruling(reason=Reason.APPROVED, detail=f"approved by {answer.by}{words}")
    return Ruling(reason=Reason.ALLOWED, detail=repair.summary)


def answer_for(facts: Facts, repair: Repair) -> Approval | None:
    """Return the newest question about this repair for this failure in this incident, answered or not."""
    asked = [a for a in facts.approvals if (a.repair, a.failure, a.target) == (repair.name, facts.failure, facts.target)]
    return asked[-1] if asked else None


def paused(facts: Facts, _: Repair) -> Ruling | None:
    """Refuse while somebody has paused this host."""
    pause = facts.pause
    if pause is None:
        return None
    left = f"; {_left(facts, pause.until)} left" if pause.until else ", until somebody resumes"
    return Ruling(reason=Reason.PAUSED, detail=f"paused by {pause.by}: {pause.why}{left}")


def answered(facts: Facts, repair: Repair) -> Ruling | None:
    """Refuse what a person has rejected, or has not answered in time."""
    answer = answer_for(facts, repair)
    if answer is None or answer.state is ApprovalState.PENDING:
        return None
    if answer.state is ApprovalState.REJECTED:
        return Ruling(reason=Reason.REJECTED, detail=f"rejected by {answer.by}: {answer.why}")
    if answer.state is ApprovalState.EXPIRED:
        return Ruling(reason=Reason.APPROVAL_EXPIRED, detail=f"nobody answered the question about {repair.name} in time")
    if answer.until <= facts.now.mono_ns:
        detail = f"approved by {answer.by}, but {repair.name} could not run before the question expired"
        return Ruling(reason=Reason.APPROVAL_EXPIRED, detail=detail)
    return None


def held(facts: Facts, _: Repair) -> Ruling | None:
    """Refuse while a person has announced a change of the target."""
    return announced(facts)


def window(facts: Facts, _: Repair) -> Ruling | None:
    """Refuse while a maintenance window is open in which orderd only observes."""
    closed = next((w for w in facts.windows if w.mode is Mode.OBSERVE), None)
    if closed is None:
        return None
    return Ruling(reason=Reason.WINDOW, detail=f"maintenance window {closed.name!r} is open until {closed.until}")


def planned_change(facts: Facts, _: Repair) -> Ruling | None:
    """Refuse while somebody changes the target or the host without having announced it."""
    return being_changed(facts)


def announced(facts: Facts) -> Ruling | None:
    """Return the refusal of a hold that a person put on the target, None without one."""
    hold = facts.hold
    if hold is None or hold.seen:
        return None
    return Ruling(reason=Reason.HELD, detail=f"held by {hold.by}: {hold.why}; {_left(facts, hold.until)} left")


def being_changed(facts: Facts) -> Ruling | None:
    """Return the refusal of a change that was seen, None without one."""
    hold = facts.hold
    if hold is not None and hold.seen:
        detail = f"{hold.by} is changing it: {hold.why}; {_left(facts, hold.until)} left"
        return Ruling(reason=Reason.PLANNED_CHANGE, detail=detail)
    return _in_the_way(facts, next(iter(facts.changes), None))


def _others_change(facts: Facts, _: Repair) -> Ruling | None:
    """Refuse by hand only what a program changes now: who asks by hand knows what people do to the target."""
    return _in_the_way(facts, next((c for c in facts.changes if c.kind is not ChangeKind.PERSON), None))


def _in_the_way(facts: Facts, change: Change | None) -> Ruling | None:
    if change is None:
        return None
    what = f"{change.who}: {change.what}" if change.what else change.who
    return Ruling(reason=Reason.PLANNED_CHANGE, detail=f"{what}; orderd keeps out of its way for {_left(facts, change.until)}")


def authority(facts: Facts, repair: Repair) -> Ruling | None:
    """Refuse what the mode or the scorecard leaves to a person, unless that person has said yes."""
    permit = facts.permit(repair.name)
    mode, whence = _mode_in_force(facts, permit)
    if mode is Mode.OBSERVE:
        return Ruling(reason=Reason.MODE_OBSERVE, detail=f"orderd only observes {permit.failure} with {repair.name} ({whence})")
    answer = answer_for(facts, repair)
    if answer is not None and answer.state is ApprovalState.APPROVED:
        return None
    if mode is Mode.APPROVE:
        return Ruling(reason=Reason.MODE_APPROVE, detail=f"a person has to approve {repair.name} ({whence})")
    if permit.authority is Authority.DENIED_BY_PERSON:
        return Ruling(reason=Reason.NOT_EARNED, detail=f"a person has to approve {repair.name}: {permit.why}")
    earned = permit.authority in {Authority.EARNED, Authority.GRANTED_BY_PERSON}
    if mode is Mode.EARNED and not earned:
        why = permit.why or "no outcomes yet"
        return Ruling(reason=Reason.NOT_EARNED, detail=f"{repair.name} has not earned it for {permit.failure}: {why}")
    return None


def _mode_in_force(facts: Facts, permit: Permit) -> tuple[Mode, str]:
    mode, whence = permit.mode, f"mode {permit.mode}"
    for opened in facts.windows:
        if stricter(mode, opened.mode) is not mode:
            mode, whence = opened.mode, f"maintenance window {opened.name!r}: mode {opened.mode}"
    return mode, whence


def denied(facts: Facts, repair: Repair) -> Ruling | None:
    """Refuse what did not help this target before."""
    denial = next((d for d in facts.denials if d.repair == repair.name), None)
    if denial is None:
        return None
    return Ruling(reason=Reason.DENIED, detail=f"{repair.name} is not used on {facts.target} any more: {denial.why}")


def masking(facts: Facts, repair: Repair) -> Ruling | None:
    """Refuse while a ticket says that repairs only mask this symptom."""
    ticket = next((t for t in facts.tickets if t.failure is facts.failure), None)
    if ticket is None:
        return None
    count = len(ticket.decision_ids)
    detail = f"{count} repairs only masked it: ticket {ticket.ticket_id} is open; {repair.name} would be one more"
    return Ruling(reason=Reason.MASKING, detail=detail)


def locked(facts: Facts, repair: Repair) -> Ruling | None:
    """Refuse while the target is being repaired or verified, or another repair works that is not disjoint."""
    mine = next((r for r in facts.running if r.target == facts.target), None)
    if mine is not None:
        return Ruling(reason=Reason.TARGET_LOCKED, detail=f"{mine.repair} of {mine.decision_id} is {mine.phase} on {mine.target}")
    working = [r for r in facts.running if r.phase is Phase.WORKING]
    beside = next((r for r in working if repair.name not in r.beside), None)
    if beside is not None:
        detail = f"{beside.repair} works on {beside.target}; beside it {repair.name} could touch the same thing"
        return Ruling(reason=Reason.HOST_BUSY, detail=detail)
    if len(working) >= facts.limits.repairs_at_once:
        detail = f"{len(working)} repairs are running, {facts.limits.repairs_at_once} allowed at once (decision.repairs_at_once)"
        return Ruling(reason=Reason.HOST_BUSY, detail=detail)
    return None


def cooldown(facts: Facts, repair: Repair) -> Ruling | None:
    """Refuse the same repair on the same target before its contract's cooldown is over.

    One that was cut off and judged by nobody has not been tried: what is broken is not left broken for it. Rates still count it.
    """
    ages = [p.age_s for p in facts.past if p.repair == repair.name and p.ending is not Ending.INTERRUPTED]
    if not ages or min(ages) >= repair.cooldown_s:
        return None
    detail = f"{repair.name} ran on {facts.target} {min(ages):.0f} s ago; its cooldown is {repair.cooldown_s:g} s"
    return Ruling(reason=Reason.COOLDOWN, detail=detail)


def target_rate(facts: Facts, repair: Repair) -> Ruling | None:
    """Refuse more repairs of one target within an hour than are allowed."""
    count = sum(1 for p in facts.past if p.age_s < HOUR_S)
    most = facts.limits.repairs_per_target_per_hour
    if count < most:
        return None
    detail = f"{count} repairs of {facts.target} in the last hour, {most} allowed (decision.repairs_per_target_per_hour)"
    return Ruling(reason=Reason.TARGET_RATE, detail=f"{detail}; {repair.name} would be one more")


def host_rate(facts: Facts, repair: Repair) -> Ruling | None:
    """Refuse more repairs of the host within an hour than are allowed."""
    most = facts.limits.repairs_per_host_per_hour
    if facts.host_repairs < most:
        return None
    detail = f"{facts.host_repairs} repairs on this host in the last hour, {most} allowed (decision.repairs_per_host_per_hour)"
    return Ruling(reason=Reason.HOST_RATE, detail=f"{detail}; {repair.name} would be one more")


def fleet(facts: Facts, repair: Repair) -> Ruling | None:
    """Refuse without a lease of the fleet's budget, where there is a budget; ``facts.lease`` None then means: not asked yet."""
    if not facts.limits.fleet_budget:
        return None
    lease = facts.lease
    if lease is None:
        return Ruling(reason=Reason.FLEET_BUDGET, detail=f"the fleet's budget has not been asked about {repair.name} yet")
    if lease.granted and lease.until > facts.now.mono_ns:
        return None
    reason = Reason.FLEET_UNREACHABLE if lease.unreachable else Reason.FLEET_BUDGET
    return Ruling(reason=reason, detail=lease.detail if not lease.granted else f"the lease has ended: {lease.detail}")


_IN_ORDER: Final[tuple[Check, ...]] = (
    paused,
    answered,
    held,
    window,
    planned_change,
    authority,
    denied,
    masking,
    locked,
    cooldown,
    target_rate,
    host_rate,
    fleet,
)
_BY_HAND: Final[tuple[Check, ...]] = (paused, held, window, _others_change, denied, locked)


def _left(facts: Facts, until: int) -> str:
    return f"{max(0.0, (until - facts.now.mono_ns) / 1e9):.0f} s"
