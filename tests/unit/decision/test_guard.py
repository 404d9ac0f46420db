"""The guard: each refusal, its reason code and its numbers, and the one order they come in."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards_desk import OTHER, REPAIRS, START, UNIT, at, facts
from orderd.decision.facts import Ending, Limits, OpenWindow, Past, Permit, Phase, Running
from orderd.decision.guard import rule
from orderd.domain.changes import Change, ChangeKind
from orderd.domain.faults import Entity, Failure
from orderd.domain.standing import Approval, ApprovalState, Authority, Denial, Lease, Pause, Ticket
from orderd.domain.values import Hold, Mode, Reason

DOWN = Failure.SERVICE_DOWN


def mode(value, authority=Authority.SHADOW, why=""):
    return {"permits": (Permit(failure=DOWN, repair=START.name, mode=value, authority=authority, why=why),)}


def approval(state, **changed):
    blank = Approval(
        decision_id="d1",
        incident_id="i1",
        target=UNIT,
        failure=DOWN,
        repair=START.name,
        asked=at(90),
        until=at(200).mono_ns,
        state=state,
        by="alice",
        why="because",
    )
    return replace(blank, **changed)


def past(age_s, repair=START.name, ending=None):
    return Past(decision_id="d0", repair=repair, failure=DOWN, age_s=age_s, ending=ending)


def hold(*, seen=False):
    return Hold(entity=UNIT, why="upgrade", by="alice", at=at(), until=at(130).mono_ns, seen=seen)


def change(kind=ChangeKind.PACKAGES, entity=None):
    return Change(kind=kind, entity=entity, who="dpkg (pid 7)", what="installs", since=at(95), until=at(130).mono_ns)


def running(target, phase=Phase.WORKING, beside=()):
    return Running(decision_id="d9", repair="service_start", target=target, phase=phase, beside=beside)


TICKET = Ticket(ticket_id="t1", entity=UNIT, failure=DOWN, opened=at(), decision_ids=("d1", "d2", "d3", "d4"))
BUDGET = Limits(fleet_budget=True)
LEASE = Lease(granted=True, unreachable=False, detail="1 of 10 hosts", until=at(130).mono_ns)

AGAINST = {
    Reason.PAUSED: {"pause": Pause(why="incident", by="bob", at=at(), until=at(160).mono_ns)},
    Reason.REJECTED: {"approvals": (approval(ApprovalState.REJECTED),)},
    Reason.HELD: {"hold": hold()},
    Reason.WINDOW: {"windows": (OpenWindow(name="backup", mode=Mode.OBSERVE, until="Sat 04:00 UTC"),)},
    Reason.PLANNED_CHANGE: {"changes": (change(),)},
    Reason.MODE_OBSERVE: mode(Mode.OBSERVE),
    Reason.DENIED: {"denials": (Denial(repair=START.name, target=UNIT, at=at(), why="d1, d2"),)},
    Reason.MASKING: {"tickets": (TICKET,)},
    Reason.TARGET_LOCKED: {"running": (running(UNIT, Phase.VERIFYING),)},
    Reason.COOLDOWN: {"past": (past(3),)},
    Reason.TARGET_RATE: {"past": (past(3000), past(2000), past(1000))},
    Reason.HOST_RATE: {"host_repairs": 20},
    Reason.FLEET_BUDGET: {"limits": BUDGET},
}
"""What stands against a repair, in the order in which refusals come."""


def against(*reasons):
    known = {}
    for reason in reasons:
        more = AGAINST[reason]
        known |= {k: (known[k] + v if k == "past" and k in known else v) for k, v in more.items()}
    return facts(**known)


def test_nothing_against_it_allows():
    """A first repair in mode auto runs."""
    assert rule(facts(), START).reason is Reason.ALLOWED


@pytest.mark.parametrize("reason", AGAINST)
def test_each_fact_refuses_with_its_own_reason(reason):
    """One fact, one stable code, and words for people."""
    ruling = rule(against(reason), START)
    assert (ruling.reason, ruling.allowed) == (reason, False)
    assert ruling.detail


@given(st.sets(st.sampled_from(list(AGAINST)), min_size=1))
def test_the_first_refusal_in_the_stated_order_counts(reasons):
    """Whatever else is against it, people hear of what they can act on first."""
    first = next(r for r in AGAINST if r in reasons)
    assert rule(against(*(r for r in AGAINST if r in reasons)), START).reason is first


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Reason.PAUSED, ["bob", "incident", "60 s"]),
        (Reason.HELD, ["alice", "upgrade", "30 s"]),
        (Reason.WINDOW, ["backup", "Sat 04:00"]),
        (Reason.PLANNED_CHANGE, ["dpkg (pid 7)", "installs", "30 s"]),
        (Reason.COOLDOWN, ["3 s", "10 s"]),
        (Reason.TARGET_RATE, ["3 repairs", "3 allowed", "repairs_per_target_per_hour"]),
        (Reason.HOST_RATE, ["20 repairs", "20 allowed", "repairs_per_host_per_hour"]),
        (Reason.MASKING, ["4 repairs", "t1"]),
        (Reason.DENIED, ["d1, d2"]),
    ],
)
def test_a_refusal_tells_its_numbers(reason, words):
    """A person reads who, what and how much."""
    detail = rule(against(reason), START).detail
    assert [w for w in words if w not in detail] == []


def test_a_repair_that_waits_for_approval_runs_once_a_person_said_yes():
    """The same facts with a yes in them are allowed, and say by whom."""
    asks = facts(**mode(Mode.APPROVE))
    assert rule(asks, START).reason is Reason.MODE_APPROVE
    ruling = rule(replace(asks, approvals=(approval(ApprovalState.APPROVED),)), START)
    assert (ruling.reason, ruling.allowed, "alice" in ruling.detail) == (Reason.APPROVED, True, True)


@pytest.mark.parametrize(
    "answer",
    [
        approval(ApprovalState.APPROVED, repair="another"),
        approval(ApprovalState.APPROVED, failure=Failure.SERVICE_HUNG),
        approval(ApprovalState.APPROVED, target=OTHER),
        approval(ApprovalState.PENDING),
    ],
)
def test_a_yes_to_something_else_is_no_yes(answer):
    """An approval is for one repair of one failure of one target."""
    assert rule(facts(**mode(Mode.APPROVE), approvals=(answer,)), START).reason is Reason.MODE_APPROVE


@pytest.mark.parametrize("answer", [approval(ApprovalState.EXPIRED), approval(ApprovalState.APPROVED, until=at(100).mono_ns)])
def test_a_late_yes_and_no_answer_are_expired(answer):
    """What a person allowed an hour ago is not done now."""
    assert rule(facts(**mode(Mode.APPROVE), approvals=(answer,)), START).reason is Reason.APPROVAL_EXPIRED


@pytest.mark.parametrize("reason", [Reason.DENIED, Reason.MASKING, Reason.TARGET_RATE, Reason.HOST_RATE])
def test_nobody_is_asked_for_what_would_be_refused_all_the_same(reason):
    """A question whose yes would change nothing is not put to a person."""
    assert rule(replace(against(reason), **mode(Mode.APPROVE)), START).reason is reason


def test_a_repair_that_was_cut_off_has_no_cooldown_but_counts_for_the_rate():
    """Nobody could judge it: it may be repeated at once, as often as the rates allow."""
    assert rule(facts(past=(past(3, ending=Ending.INTERRUPTED),)), START).reason is Reason.ALLOWED
    assert rule(facts(past=(past(3, ending=Ending.UNVERIFIED),)), START).reason is Reason.COOLDOWN
    assert rule(facts(past=(past(3, ending=Ending.INTERRUPTED),) * 3), START).reason is Reason.TARGET_RATE


@pytest.mark.parametrize("reason", [Reason.TARGET_LOCKED, Reason.COOLDOWN, Reason.FLEET_BUDGET])
def test_a_person_is_asked_early_about_what_only_has_to_wait(reason):
    """The answer may come while the cooldown passes."""
    assert rule(replace(against(reason), **mode(Mode.APPROVE)), START).reason is Reason.MODE_APPROVE


@pytest.mark.parametrize("reason", [r for r in AGAINST if r not in {Reason.REJECTED, Reason.MODE_OBSERVE}])
def test_a_yes_overcomes_nothing_but_the_mode(reason):
    """Holds, locks, denials and rates stand against an approved repair too."""
    yes = {"approvals": (approval(ApprovalState.APPROVED),)}
    assert rule(replace(against(reason), **mode(Mode.APPROVE), **yes), START).reason is reason


@pytest.mark.parametrize(
    ("authority", "reason"),
    [
        (Authority.SHADOW, Reason.NOT_EARNED),
        (Authority.WITHDRAWN, Reason.NOT_EARNED),
        (Authority.DENIED_BY_PERSON, Reason.NOT_EARNED),
        (Authority.EARNED, Reason.ALLOWED),
        (Authority.GRANTED_BY_PERSON, Reason.ALLOWED),
    ],
)
def test_mode_earned_goes_by_the_scorecard(authority, reason):
    """Only what was earned or granted runs by itself."""
    assert rule(facts(**mode(Mode.EARNED, authority)), START).reason is reason


def test_what_a_person_denied_is_asked_for_in_mode_auto_too():
    """A person's word stands above the configured mode where it is stricter."""
    ruling = rule(facts(**mode(Mode.AUTO, Authority.DENIED_BY_PERSON, "bob: too rough")), START)
    assert (ruling.reason, "too rough" in ruling.detail) == (Reason.NOT_EARNED, True)


def test_a_grant_does_not_go_beyond_mode_approve():
    """Authority is a word within mode earned, not a way around the configuration."""
    assert rule(facts(**mode(Mode.APPROVE, Authority.GRANTED_BY_PERSON)), START).reason is Reason.MODE_APPROVE


def test_a_window_may_lower_the_mode_without_closing():
    """In a window of mode approve a person is asked, and told of the window."""
    opened = (OpenWindow(name="freeze", mode=Mode.APPROVE, until="Sat 04:00 UTC"),)
    ruling = rule(facts(windows=opened), START)
    assert (ruling.reason, "freeze" in ruling.detail) == (Reason.MODE_APPROVE, True)


def test_a_repair_nobody_configured_is_only_observed():
    """What is missing from the facts is not allowed by them."""
    assert rule(facts(permits=()), START).reason is Reason.MODE_OBSERVE


def test_a_change_that_was_seen_is_no_announcement():
    """A unit a person stopped is left alone, under a reason of its own."""
    assert rule(facts(hold=hold(seen=True)), START).reason is Reason.PLANNED_CHANGE


def test_disjoint_repairs_run_side_by_side_up_to_the_limit():
    """Another target's repair does not wait for a disjoint one, but the number is bounded."""
    beside = running(OTHER, beside=(START.name,))
    assert rule(facts(running=(beside,)), START).allowed
    assert rule(facts(running=(beside, beside)), START).reason is Reason.HOST_BUSY
    assert rule(facts(running=(running(OTHER),)), START).reason is Reason.HOST_BUSY


def test_a_verification_locks_its_target_and_not_the_host():
    """While one target is watched another may be repaired."""
    assert rule(facts(running=(running(OTHER, Phase.VERIFYING),)), START).allowed
    assert rule(facts(running=(running(UNIT, Phase.VERIFYING, beside=(START.name,)),)), START).reason is Reason.TARGET_LOCKED


def test_another_repair_does_not_cool_this_one_down():
    """Cooldown is per repair, the rate per target."""
    assert rule(facts(past=(past(3, "another"),)), START).allowed


@pytest.mark.parametrize(
    ("lease", "reason"),
    [
        (None, Reason.FLEET_BUDGET),
        (LEASE, Reason.ALLOWED),
        (replace(LEASE, granted=False), Reason.FLEET_BUDGET),
        (replace(LEASE, granted=False, unreachable=True), Reason.FLEET_UNREACHABLE),
        (replace(LEASE, unreachable=True), Reason.ALLOWED),
        (replace(LEASE, until=at(100).mono_ns), Reason.FLEET_BUDGET),
    ],
)
def test_with_a_budget_every_repair_needs_a_lease_that_lasts(lease, reason):
    """Not asked, refused, unreachable and ended leases each say so."""
    assert rule(facts(limits=BUDGET, lease=lease), START).reason is reason


def test_without_a_budget_no_lease_is_needed():
    """fleet.budget is off by default."""
    assert rule(facts(lease=replace(LEASE, granted=False)), START).allowed


_HOLD_BY_HAND = {Reason.PAUSED, Reason.HELD, Reason.WINDOW, Reason.PLANNED_CHANGE, Reason.DENIED, Reason.TARGET_LOCKED}


@pytest.mark.parametrize("reason", AGAINST)
def test_by_hand_people_locks_and_denials_hold_and_nothing_else(reason):
    """Modes, tickets, cooldowns, rates and budgets are for orderd's own decisions."""
    expected = reason if reason in _HOLD_BY_HAND else Reason.BY_HAND
    assert rule(against(reason), START, by_hand=True).reason is expected


def test_by_hand_a_host_that_is_busy_refuses():
    """Two playbooks that may touch the same thing never run at once, whoever asks."""
    assert rule(facts(running=(running(OTHER),)), START, by_hand=True).reason is Reason.HOST_BUSY


def test_by_hand_a_person_may_start_what_a_person_stopped():
    """Who asks for the repair knows of the stop; a package transaction is another matter."""
    stopped = change(ChangeKind.PERSON, UNIT)
    assert rule(facts(hold=hold(seen=True), changes=(stopped,)), START, by_hand=True).allowed
    assert rule(facts(changes=(stopped, change())), START, by_hand=True).reason is Reason.PLANNED_CHANGE


def test_a_ticket_about_another_failure_of_the_target_masks_nothing():
    """A symptom is an entity and a failure."""
    assert rule(facts(tickets=(replace(TICKET, failure=Failure.SERVICE_HUNG),)), START).allowed


def test_every_catalogued_repair_can_be_ruled_on():
    """Ruling needs nothing but facts and contract."""
    for repair in REPAIRS.values():
        known = facts(
            target=Entity.parse("unit:c.service"),
            failure=repair.repairs[0],
            permits=(Permit(failure=repair.repairs[0], repair=repair.name, mode=Mode.AUTO),),
        )
        assert rule(known, repair).allowed
