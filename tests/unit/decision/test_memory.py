"""The guard's memory: locks, rates, denials, tickets, questions and orders, through restarts, reboots and clocks that jump."""

from dataclasses import replace

import pytest

from guards_desk import DOWN, OTHER, REPAIRS, START, UNIT, BrokenKeep, Host, at, config
from orderd.decision.doubts import DOUBTS_MAX
from orderd.decision.facts import Ending, Phase
from orderd.decision.guard import rule
from orderd.decision.history import DEEDS_MAX
from orderd.decision.orders import HOLDS_MAX
from orderd.decision.questions import QUESTIONS_MAX
from orderd.decision.tickets import TICKETS_MAX
from orderd.domain.changes import Change, ChangeKind
from orderd.domain.faults import Entity, Failure
from orderd.domain.standing import ApprovalState, Pause, Standing
from orderd.domain.values import Action, Hold, Reason
from orderd.errors import JournalError, StateError

YEARS_10 = 10 * 31_536_000.0
JUMPS = [3600.0, -3600.0, YEARS_10, -YEARS_10, -1_780_000_000.0]
KILL = REPAIRS["service_kill_and_restart"]


def ruled(host, diagnosis=DOWN, repair=START, **known):
    return rule(host.facts(diagnosis, **known), repair).reason


def hold(host, seconds=3600.0, entity=UNIT, **more):
    return Hold(entity=entity, why="upgrade", by="alice", at=host.now, until=host.now.mono_ns + int(seconds * 1e9), **more)


def ask(host, incident="i1"):
    waiting = host.decision(action=Action.WAIT, reason=Reason.MODE_APPROVE, incident=incident)
    return host.memory.ask(waiting, START.name, host.now)


# Locks.


def test_a_repair_locks_its_target_until_it_has_been_judged():
    """Working, then verifying, then free; other units go on beside it."""
    host = Host(settings=config())
    decision = host.decision()
    host.memory.started(decision)
    host.second += 60
    assert ruled(host) is Reason.TARGET_LOCKED
    host.memory.verifying(decision.decision_id)
    assert ruled(host) is Reason.TARGET_LOCKED
    host.memory.ended(decision.decision_id, Ending.VERIFIED, host.now)
    assert ruled(host) is Reason.ALLOWED


def test_an_undo_locks_the_target_again():
    """A repair that did not help is taken back before the next rung."""
    host = Host()
    decision_id, _ = host.repair(Ending.UNVERIFIED)
    host.second += 60
    host.memory.undoing(decision_id)
    assert ruled(host) is Reason.TARGET_LOCKED
    host.memory.undone(decision_id)
    assert ruled(host) is Reason.ALLOWED


def test_what_may_run_beside_a_repair_follows_from_both_contracts():
    """A unit's repair runs beside another unit's; nothing runs beside one that reaches the whole host."""
    host = Host()
    host.memory.started(host.decision())
    (running,) = host.facts(replace(DOWN, entity=OTHER)).running
    assert (running.phase, START.name in running.beside) == (Phase.WORKING, True)
    wide = Host()
    full = replace(DOWN, failure=Failure.DISK_FULL, entity=Entity.parse("mount:/data"))
    wide.memory.started(wide.decision("disk_reclaim_log_space", full))
    assert ruled(wide) is Reason.HOST_BUSY


def test_a_repair_that_was_running_at_a_crash_locks_its_target_after_the_restart():
    """Until somebody says what became of it."""
    host = Host()
    decision = host.decision()
    host.memory.started(decision)
    host.second += 120
    host.restart()
    assert ruled(host) is Reason.TARGET_LOCKED
    assert [d.decision_id for d in host.memory.unfinished()] == [decision.decision_id]
    host.memory.ended(decision.decision_id, Ending.INTERRUPTED, host.now)
    assert (ruled(host), host.memory.unfinished()) == (Reason.ALLOWED, ())


# Rates.


@pytest.mark.parametrize(
    ("boot", "jump_s"),
    [(None, 0.0), *((None, j) for j in JUMPS), ("boot-2", 0.0), *(("boot-2", j) for j in JUMPS if j != 3600.0)],
)
def test_no_restart_and_no_clock_forgets_a_rate(boot, jump_s):
    """Three repairs within the hour stay three. Only after a reboot an hour's jump cannot be told from an hour that passed."""
    host = Host()
    host.second += 4000
    for _ in range(3):
        host.repair(Ending.VERIFIED)
        host.second += 30
    host.jump_s = jump_s
    host.restart(boot=boot, away_s=10)
    assert len([p for p in host.facts().past if p.age_s < 3600]) == 3
    assert not rule(host.facts(), START).allowed


def test_after_an_hour_it_may_again():
    """The window slides."""
    host = Host()
    for _ in range(3):
        host.repair(Ending.VERIFIED)
    host.second += 3500
    assert ruled(host) is Reason.TARGET_RATE
    host.second += 101
    assert ruled(host) is Reason.ALLOWED


def test_many_targets_share_the_hosts_rate():
    """repairs_per_host_per_hour counts every target."""
    host = Host(settings=config(repairs_per_host_per_hour=2))
    for name in "xy":
        host.repair(Ending.VERIFIED, diagnosis=replace(DOWN, entity=Entity.parse(f"unit:{name}.service")))
    assert ruled(host) is Reason.HOST_RATE


def test_an_interrupted_repair_counts_for_rates_and_one_that_was_refused_for_nothing():
    """The host was touched by the one and not by the other."""
    host = Host()
    for _ in range(3):
        host.repair(Ending.VOID)
    assert host.facts().past == ()
    for _ in range(3):
        host.repair(Ending.INTERRUPTED)
    host.second += 60
    assert ruled(host) is Reason.TARGET_RATE


def test_a_cooldown_longer_than_an_hour_is_not_forgotten():
    """Contracts may ask for a day."""
    slow = replace(START, cooldown_s=80_000.0)
    host = Host(repairs=REPAIRS | {START.name: slow}, settings=config(masking={"within_s": 60.0}))
    host.repair(Ending.VERIFIED)
    host.second += 79_000
    assert ruled(host, repair=slow) is Reason.COOLDOWN
    host.second += 1_001
    assert ruled(host, repair=slow) is Reason.ALLOWED


# Denials.


def test_after_two_failed_verifications_a_repair_is_denied_on_that_target():
    """Told once, with both decisions in it, and only there."""
    host = Host(settings=config(repairs_per_target_per_hour=1000))
    first, aftermath = host.repair(Ending.UNVERIFIED)
    assert aftermath.denial is None
    second, aftermath = host.repair(Ending.UNVERIFIED)
    assert aftermath.denial is not None
    assert first in aftermath.denial.why
    assert second in aftermath.denial.why
    host.second += 60
    assert ruled(host) is Reason.DENIED
    assert ruled(host, replace(DOWN, entity=OTHER)) is Reason.ALLOWED


def test_a_repair_that_helped_in_between_is_not_denied():
    """Two failures in a row are needed."""
    host = Host(settings=config(repairs_per_target_per_hour=1000))
    for ending in (Ending.UNVERIFIED, Ending.VERIFIED, Ending.UNVERIFIED):
        host.repair(ending)
    assert host.memory.denials() == ()


@pytest.mark.parametrize("jump_s", [0.0, *JUMPS])
@pytest.mark.parametrize("boot", [None, "boot-2"])
def test_a_denial_stands_through_restarts_and_clocks_until_a_person_lifts_it(boot, jump_s):
    """Nothing else ends it."""
    host = Host(settings=config(repairs_per_target_per_hour=1000))
    for _ in range(2):
        host.repair(Ending.UNVERIFIED)
    host.jump_s = jump_s
    host.restart(boot=boot, away_s=86_400.0)
    assert ruled(host) is Reason.DENIED
    lifted = host.memory.lift_denial(START.name, UNIT, validate_only=True)
    assert host.memory.denials() == (lifted,)
    host.memory.lift_denial(START.name, UNIT)
    assert ruled(host) is not Reason.DENIED
    with pytest.raises(LookupError):
        host.memory.lift_denial(START.name, UNIT)


def test_a_denial_stands_even_when_the_repair_helps_after_all():
    """One that was under way when it was denied does not lift it; a person does."""
    host = Host(settings=config(repairs_per_target_per_hour=1000))
    for ending in (Ending.UNVERIFIED, Ending.UNVERIFIED, Ending.VERIFIED):
        host.repair(ending)
    assert len(host.memory.denials()) == 1


def test_a_lifted_denial_begins_anew():
    """It takes two failures again, not one."""
    host = Host(settings=config(repairs_per_target_per_hour=1000))
    for _ in range(2):
        host.repair(Ending.UNVERIFIED)
    host.memory.lift_denial(START.name, UNIT)
    host.repair(Ending.UNVERIFIED)
    assert host.memory.denials() == ()


def test_a_failure_told_twice_counts_once():
    """A verdict that is repeated after a full disk is the same verdict."""
    host = Host()
    decision_id, _ = host.repair(Ending.UNVERIFIED)
    again = host.memory.ended(decision_id, Ending.UNVERIFIED, host.now)
    assert (again.denial, host.memory.denials()) == (None, ())


def test_denials_of_processes_end_with_their_boot():
    """The same number is another process then."""
    host = Host(settings=config(repairs_per_target_per_hour=1000))
    runaway = replace(DOWN, failure=Failure.CPU_RUNAWAY, entity=Entity.parse("process:42:7"))
    for _ in range(2):
        host.repair(Ending.UNVERIFIED, "process_stop", runaway)
    host.restart()
    assert len(host.memory.denials()) == 1
    host.restart(boot="boot-2")
    assert host.memory.denials() == ()


# The masking detector.


def masked_host(**more):
    host = Host(settings=config(repairs_per_target_per_hour=1000) if not more else config(**more))
    aftermaths = []
    for _ in range(4):
        host.second += 600
        aftermaths.append(host.repair(Ending.VERIFIED)[1])
    host.second += 600
    return host, aftermaths


def test_the_fourth_repair_of_one_symptom_opens_one_ticket_with_its_history():
    """Then it is refused until a person has found the cause."""
    host, aftermaths = masked_host()
    assert [a.ticket is not None for a in aftermaths] == [False, False, False, True]
    (ticket,) = host.memory.tickets()
    assert (ticket.entity, ticket.failure, len(ticket.decision_ids)) == (UNIT, Failure.SERVICE_DOWN, 4)
    assert ruled(host) is Reason.MASKING
    hung = replace(DOWN, failure=Failure.SERVICE_HUNG)
    assert ruled(host, hung, KILL) is Reason.ALLOWED


@pytest.mark.parametrize("jump_s", [0.0, *JUMPS])
@pytest.mark.parametrize("boot", [None, "boot-2"])
def test_a_ticket_stands_through_restarts_and_clocks_until_a_person_closes_it(boot, jump_s):
    """And once closed, its repairs count no more."""
    host, _ = masked_host()
    host.jump_s = jump_s
    host.restart(boot=boot)
    assert ruled(host) is Reason.MASKING
    (ticket,) = host.memory.tickets()
    host.memory.close_ticket(ticket.ticket_id, why="disk", by="bob", now=host.now, validate_only=True)
    assert ruled(host) is Reason.MASKING
    closed = host.memory.close_ticket(ticket.ticket_id, why="disk", by="bob", now=host.now)
    assert (closed.by, closed.closed) == ("bob", host.now)
    assert ruled(host) is not Reason.MASKING
    host.restart()
    host.second += 7200
    _, aftermath = host.repair(Ending.VERIFIED)
    assert aftermath.ticket is None
    with pytest.raises(StateError, match="bob"):
        host.memory.close_ticket(ticket.ticket_id, why="again", by="eve", now=host.now)
    with pytest.raises(LookupError):
        host.memory.close_ticket("t9", why="", by="", now=host.now)


def test_a_repair_by_hand_while_the_ticket_is_open_opens_no_second_one():
    """One symptom, one ticket."""
    host, _ = masked_host()
    assert host.repair(Ending.VERIFIED, by_hand=True)[1].ticket is None
    assert len(host.memory.tickets()) == 1


def test_what_lies_further_apart_than_the_window_masks_nothing():
    """decision.masking.within_s, on the monotonic clock."""
    host = Host(settings=config(masking={"repairs": 2, "within_s": 100.0}))
    host.repair(Ending.VERIFIED)
    host.second += 200
    assert host.repair(Ending.VERIFIED)[1].ticket is None
    host.second += 20
    assert host.repair(Ending.VERIFIED)[1].ticket is not None


def test_repairs_that_did_not_help_mask_nothing():
    """They end in a denial."""
    host = Host(settings=config(repairs_per_target_per_hour=1000, masking={"repairs": 2}))
    assert [host.repair(Ending.UNVERIFIED)[1].ticket for _ in range(3)] == [None] * 3


def test_a_process_that_runs_away_again_is_the_same_symptom_under_another_number():
    """Stopping it every time masks whatever starts it."""
    host = Host()
    tickets = []
    for number in range(1, 5):
        runaway = replace(DOWN, failure=Failure.CPU_RUNAWAY, entity=Entity.parse(f"process:{number}:7"))
        tickets.append(host.repair(Ending.VERIFIED, "process_stop", runaway)[1].ticket)
    assert [t is not None for t in tickets] == [False, False, False, True]
    fifth = replace(DOWN, failure=Failure.CPU_RUNAWAY, entity=Entity.parse("process:5:7"))
    assert ruled(host, fifth, REPAIRS["process_stop"]) is Reason.MASKING


# Questions.


def test_a_question_is_asked_once_per_incident_and_answered_once():
    """Asked again it is the same question; a second answer is refused."""
    host = Host(settings=config(mode="approve"))
    asked = ask(host)
    assert ask(host) == asked
    assert host.memory.approvals(host.now) == (asked,)
    host.memory.answer(asked.decision_id, yes=True, why="go", by="alice", now=host.now)
    assert ruled(host) is Reason.APPROVED
    with pytest.raises(StateError) as caught:
        host.memory.answer(asked.decision_id, yes=False, why="", by="eve", now=host.now)
    assert caught.value.reason == "answered"


def test_a_yes_is_used_up_by_the_repair_it_was_for():
    """The next one in the same incident is asked about again."""
    host = Host(settings=config(mode="approve"))
    asked = ask(host)
    host.memory.answer(asked.decision_id, yes=True, why="go", by="alice", now=host.now)
    host.repair(Ending.UNVERIFIED)
    host.second += 60
    assert ruled(host) is Reason.MODE_APPROVE


def test_a_yes_in_one_incident_is_none_in_another():
    """Another incident is another question."""
    host = Host(settings=config(mode="approve"))
    asked = ask(host)
    host.memory.answer(asked.decision_id, yes=True, why="go", by="alice", now=host.now)
    assert ruled(host, incident="i2") is Reason.MODE_APPROVE


def test_a_question_expires_by_itself_and_is_told_once():
    """Also when nobody notes it: the guard goes by the time."""
    host = Host(settings=config(mode="approve", approval_s=60.0))
    asked = ask(host)
    host.second += 61
    assert ruled(host) is Reason.APPROVAL_EXPIRED
    with pytest.raises(StateError) as caught:
        host.memory.answer(asked.decision_id, yes=True, why="late", by="alice", now=host.now)
    assert caught.value.reason == "approval_expired"
    assert [a.state for a in host.memory.expire(host.now)] == [ApprovalState.EXPIRED]
    assert host.memory.expire(host.now) == ()


@pytest.mark.parametrize("jump_s", JUMPS)
def test_no_jump_of_the_clock_expires_a_question_or_prolongs_it(jump_s):
    """It is asked for an hour on the monotonic clock, through a restart too."""
    host = Host(settings=config(mode="approve"))
    asked = ask(host)
    host.jump_s = jump_s
    host.restart(away_s=3500.0)
    assert host.memory.approvals(host.now) == (asked,)
    host.second += 101
    assert host.memory.approvals(host.now) == ()


def test_no_answer_is_carried_over_a_reboot():
    """A reboot changes more than a person was asked about."""
    host = Host(settings=config(mode="approve"))
    asked = ask(host)
    host.memory.answer(asked.decision_id, yes=True, why="go", by="alice", now=host.now)
    host.restart(boot="boot-2")
    assert ruled(host) is Reason.MODE_APPROVE
    with pytest.raises(StateError) as caught:
        host.memory.answer(asked.decision_id, yes=True, why="", by="alice", now=host.now)
    assert caught.value.reason == "not_waiting"


def test_a_trial_answer_changes_nothing():
    """validate_only."""
    host = Host(settings=config(mode="approve"))
    asked = ask(host)
    assert host.memory.answer(asked.decision_id, yes=False, why="", by="a", now=host.now, validate_only=True).by == "a"
    assert (host.memory.approvals(host.now), host.memory.scorecard()) == ((asked,), ())


def test_an_incident_that_ended_asks_nothing_any_more():
    """Its questions are forgotten, also durably."""
    host = Host(settings=config(mode="approve"))
    asked = ask(host)
    host.memory.incident_ended("i1")
    host.restart()
    assert host.memory.approval(asked.decision_id) is None


# Orders.


@pytest.mark.parametrize("jump_s", [0.0, *JUMPS])
def test_a_hold_lasts_as_long_as_it_was_given_whatever_the_clock_does(jump_s):
    """Through a restart of orderd the monotonic clock goes on."""
    host = Host()
    host.second += 4000
    host.memory.hold(hold(host))
    host.second += 1800
    host.jump_s = jump_s
    host.restart()
    assert ruled(host) is Reason.HELD
    host.second += 1799
    assert ruled(host) is Reason.HELD
    host.second += 2
    assert ruled(host) is Reason.ALLOWED


@pytest.mark.parametrize(("jump_s", "left_s"), [(0.0, 1800), (-YEARS_10, 3600), (YEARS_10, 3600), (900.0, 900), (-3600.0, 3600)])
def test_after_a_reboot_a_hold_lasts_never_longer_than_it_was_given(jump_s, left_s):
    """Only UTC is left then: what it says is believed where it can be, else the hold begins anew."""
    host = Host()
    host.memory.hold(hold(host))
    host.jump_s = jump_s
    host.restart(boot="boot-2", away_s=1800.0)
    (restored,) = host.memory.holds(host.now)
    assert (restored.until - host.now.mono_ns) / 1e9 == pytest.approx(left_s)


def test_a_clock_that_is_set_after_a_reboot_changes_nothing_at_the_next_start():
    """What earlier boots left is placed in time once, when orderd first starts in a boot."""
    host = Host()
    host.memory.hold(hold(host, 3600.0))
    host.repair(Ending.UNVERIFIED)
    host.restart(boot="boot-2", away_s=60.0)
    held, past = host.memory.holds(host.now), host.facts().past
    for jump_s in JUMPS:
        host.jump_s = jump_s
        host.restart()
        assert (host.memory.holds(host.now), host.facts().past) == (held, past)


def test_a_hold_is_replaced_and_released():
    """The newest counts; a release is durable."""
    host = Host()
    host.memory.hold(hold(host))
    host.memory.hold(hold(host, 10.0))
    assert host.memory.hold_on(UNIT, at(5)) is not None
    assert (host.memory.release(UNIT), host.memory.release(UNIT)) == (True, False)
    host.restart()
    assert host.memory.holds(host.now) == ()


@pytest.mark.parametrize("until_s", [0.0, 3600.0])
@pytest.mark.parametrize("boot", [None, "boot-2"])
def test_a_pause_survives_and_ends_when_somebody_resumes(until_s, boot):
    """With and without an end of its own."""
    host = Host()
    until = host.now.mono_ns + int(until_s * 1e9) if until_s else 0
    host.memory.pause(Pause(why="incident", by="bob", at=host.now, until=until))
    host.restart(boot=boot, away_s=60.0)
    assert ruled(host) is Reason.PAUSED
    assert (host.memory.resume(), host.memory.resume()) == (True, False)
    assert ruled(host) is Reason.ALLOWED


def test_a_pause_ends_by_itself_at_its_end():
    """And is forgotten durably."""
    host = Host()
    host.memory.pause(Pause(why="w", by="b", at=host.now, until=host.now.mono_ns + 60 * 10**9))
    host.second += 61
    assert (host.memory.paused(host.now), ruled(host)) == (None, Reason.ALLOWED)
    assert host.keep.load(Standing.PAUSE, dict) == {}


def test_only_changes_of_the_target_or_of_the_whole_host_are_in_the_way():
    """And only while they last."""
    host = Host()
    mine = Change(kind=ChangeKind.PERSON, entity=UNIT, who="a", what="", since=host.now, until=at(10).mono_ns)
    others = (replace(mine, entity=OTHER), replace(mine, until=at(0).mono_ns))
    everywhere = replace(mine, entity=None)
    assert host.facts(changes=(mine, *others, everywhere)).changes == (mine, everywhere)


# What cannot be kept.


def test_what_people_order_counts_only_once_it_is_durable():
    """A hold that would be forgotten is refused."""
    host = Host(keep=BrokenKeep())
    asked = ask(host)
    host.keep.full = True
    with pytest.raises(JournalError):
        host.memory.hold(hold(host))
    with pytest.raises(JournalError):
        host.memory.pause(Pause(why="w", by="b", at=host.now))
    with pytest.raises(JournalError):
        host.memory.answer(asked.decision_id, yes=True, why="", by="a", now=host.now)
    assert (host.memory.holds(host.now), host.memory.paused(host.now)) == ((), None)
    assert host.memory.approvals(host.now) == (asked,)


def test_a_repair_that_cannot_be_remembered_does_not_begin():
    """Else a restart would forget it."""
    host = Host(keep=BrokenKeep())
    host.keep.full = True
    with pytest.raises(JournalError):
        host.memory.started(host.decision())
    assert host.memory.unfinished() == ()


def test_what_has_happened_is_remembered_and_written_later():
    """A full disk does not undo a failed verification."""
    host = Host(keep=BrokenKeep(), settings=config(repairs_per_target_per_hour=1000))
    host.repair(Ending.UNVERIFIED)
    decision = host.decision()
    host.memory.started(decision)
    host.keep.full = True
    assert host.memory.ended(decision.decision_id, Ending.UNVERIFIED, host.now).denial is not None
    with pytest.raises(JournalError):
        host.memory.catch_up()
    host.second += 60
    assert ruled(host) is Reason.DENIED
    host.keep.full = False
    host.memory.catch_up()
    host.restart()
    assert (ruled(host), host.memory.unfinished()) == (Reason.DENIED, ())


# Bounds.


def test_holds_are_bounded():
    """A broken client cannot fill the memory; what has ended makes room."""
    host = Host()
    for n in range(HOLDS_MAX):
        host.memory.hold(hold(host, 9.0, Entity.parse(f"unit:u{n}.service")))
    with pytest.raises(ValueError, match="holds"):
        host.memory.hold(hold(host, 9.0))
    host.second += 10
    host.memory.hold(hold(host, 9.0))
    assert len(host.memory.holds(host.now)) == 1


def test_everything_remembered_is_bounded():
    """Years of failures later there are as many rows as allowed, and open tickets are all there."""
    host = Host(settings=config(masking={"repairs": 2}))
    for n in range(DEEDS_MAX + 50):
        unit = replace(DOWN, entity=Entity.parse(f"unit:u{n}.service"))
        host.repair(Ending.UNVERIFIED, diagnosis=unit, takes_s=0.001)
        ask(host, incident=f"i{n}")
    rows = {kind: len(host.keep.load(kind, dict)) for kind in Standing}
    assert rows[Standing.REPAIR] <= DEEDS_MAX
    assert rows[Standing.APPROVAL] <= QUESTIONS_MAX
    assert rows[Standing.DENIAL] <= DOUBTS_MAX
    assert TICKETS_MAX < DEEDS_MAX


def test_reasons_are_counted_by_code():
    """Every recorded decision once."""
    memory = Host().memory
    for reason in (Reason.ALLOWED, Reason.HELD, Reason.HELD):
        memory.count(reason)
    assert memory.reasons == {"allowed": 1, "held": 2}
