"""The policy: climbing the ladder, waiting, calling a person, and deciding the same again from what was recorded."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards_desk import DISK, DOWN, OTHER, REPAIRS, UNIT, Host, at, config, facts, variant
from orderd.decision.consequences import COMMON_CAUSE_S, CONSEQUENCES, TRANSITION_S, UNREACHABLE_S, Ladder, action_for
from orderd.decision.facts import Facts, Limits, Past, Permit, decode, encode, permits_for, under
from orderd.decision.policy import Case, choose, proposal, reconsider
from orderd.domain.changes import Change, ChangeKind
from orderd.domain.faults import Entity, Failure
from orderd.domain.repairs import BlastRadius, Risk
from orderd.domain.standing import Authority, Denial, Lease
from orderd.domain.values import Action, Candidate, EntityRow, Hold, Mode, Reason, Source, entity_values

GENTLE, ROUGH = variant("gentle", rung=0, risk=Risk.NONE), variant("rough", rung=1, risk=Risk.RESTARTS)
SAME = variant("same", rung=1, risk=Risk.NONE)
LADDER = {r.name: r for r in (GENTLE, ROUGH)}
FULL = replace(DOWN, failure=Failure.DISK_FULL, entity=DISK)
HUNG = replace(DOWN, failure=Failure.SERVICE_HUNG)


def permits(**modes):
    return tuple(Permit(failure=Failure.SERVICE_DOWN, repair=name, mode=Mode(mode)) for name, mode in modes.items())


def decide(*repairs, diagnosis=DOWN, unusable="", **known):
    repairs = repairs or (GENTLE, ROUGH)
    known.setdefault("permits", permits(**{r.name: "auto" for r in repairs}))
    considered = tuple(Candidate(repair=r.name, rung=r.rung, refused_because=unusable) for r in repairs)
    known_facts = facts(**known)
    return choose(Case(diagnosis=diagnosis, considered=considered, repairs={r.name: r for r in repairs}, facts=known_facts))


def denial(name):
    return Denial(repair=name, target=UNIT, at=at(), why="d1, d2")


def test_every_reason_has_one_consequence():
    """A reason code without one could not be decided upon."""
    assert set(CONSEQUENCES) == set(Reason)


_WAITS = (
    "paused held window planned_change mode_observe mode_approve not_earned target_locked host_busy cause_first "
    "common_cause in_transition"
)
_PASSES = "not_yet cooldown fleet_budget fleet_unreachable journal_unavailable"


def test_what_waits_and_what_calls_a_person_is_stated_for_every_reason():
    """Rates, denials, tickets, abstention and the end of the ladder call; what passes or is asked about waits."""
    waits = {r for r in Reason if action_for(r, 0.0) is Action.WAIT}
    assert waits == {Reason(word) for word in f"{_WAITS} {_PASSES}".split()}
    assert {r for r in Reason if CONSEQUENCES[r].asks} == {Reason.MODE_APPROVE, Reason.NOT_EARNED}


def test_the_lowest_rung_is_taken():
    """The ladder is climbed from below."""
    choice = decide()
    assert (choice.action, choice.repair, choice.reason) == (Action.REPAIR, "gentle", Reason.ALLOWED)


def test_the_guard_is_asked_about_every_usable_repair():
    """Why not each other candidate is recorded beside it."""
    choice = decide(denials=(denial("rough"),))
    assert [(c.repair, c.reason) for c in choice.considered] == [("gentle", Reason.ALLOWED), ("rough", Reason.DENIED)]


def test_what_is_denied_makes_way_for_the_next_rung():
    """It is known not to help here."""
    choice = decide(denials=(denial("gentle"),))
    assert (choice.action, choice.repair) == (Action.REPAIR, "rough")


def test_when_all_rungs_are_denied_a_person_is_called():
    """Nothing that is known not to help is tried again."""
    choice = decide(denials=(denial("gentle"), denial("rough")))
    assert (choice.action, choice.reason) == (Action.ESCALATE, Reason.DENIED)


def test_behind_a_denied_rung_the_next_one_waits_or_asks_as_it_would_alone():
    """The reason told is that of the rung which may still be taken."""
    choice = decide(denials=(denial("gentle"),), permits=permits(gentle="auto", rough="approve"))
    assert (choice.action, choice.repair, choice.reason, choice.asks) == (Action.WAIT, "rough", Reason.MODE_APPROVE, True)


def test_a_cooldown_is_waited_for_and_not_climbed_over():
    """A rougher repair is no answer to having to wait ten seconds."""
    past = Past(decision_id="d0", repair="gentle", failure=Failure.SERVICE_DOWN, age_s=3)
    choice = decide(past=(past,))
    assert (choice.action, choice.repair, choice.reason) == (Action.WAIT, "gentle", Reason.COOLDOWN)


@pytest.mark.parametrize("mode", ["observe", "approve", "earned"])
def test_a_rougher_rung_does_not_stand_in_for_one_that_has_no_authority(mode):
    """Nobody knows that the gentle one would not help."""
    choice = decide(permits=permits(gentle=mode, rough="auto"))
    assert (choice.action, choice.repair) == (Action.WAIT, "gentle")


def test_a_rung_that_can_do_no_more_harm_stands_in():
    """Of two equally harmless repairs the one with authority runs."""
    assert decide(GENTLE, SAME, permits=permits(gentle="approve", same="auto")).repair == "same"
    wide = replace(SAME, blast_radius=BlastRadius.HOST)
    assert decide(GENTLE, wide, permits=permits(gentle="approve", same="auto")).repair == "gentle"


@pytest.mark.parametrize("reason", [r for r, c in CONSEQUENCES.items() if c.action is Action.REPAIR])
def test_only_permission_repairs(reason):
    """Three codes and no other lead to a repair."""
    assert reason in {Reason.ALLOWED, Reason.APPROVED, Reason.BY_HAND}


@pytest.mark.parametrize("source", Source)
def test_an_unknown_failure_is_never_repaired(source):
    """Something is wrong and nobody can name it: a person, with what was seen."""
    choice = decide(diagnosis=replace(DOWN, failure=Failure.UNKNOWN, source=source, evidence="P(wrong) 0.99"))
    assert (choice.action, choice.reason, choice.detail) == (Action.ESCALATE, Reason.UNKNOWN_FAILURE, "P(wrong) 0.99")


@pytest.mark.parametrize("probability", [0.0, 0.79, float("nan")])
def test_a_model_that_is_not_sure_never_repairs(probability):
    """Below inference.confidence_min a person is called, and no number is not a high one."""
    choice = decide(diagnosis=replace(DOWN, source=Source.MODEL, probability=probability))
    assert (choice.action, choice.reason) == (Action.ESCALATE, Reason.LOW_CONFIDENCE)


def test_a_sure_model_repairs():
    """At the bar it counts."""
    assert decide(diagnosis=replace(DOWN, source=Source.MODEL, probability=0.8)).action is Action.REPAIR


def test_what_a_repair_needs_to_find_is_waited_for_a_while():
    """The model sees a disk fill before it is full; then a person."""
    young = decide(GENTLE, unusable="precondition", opened=at(71))
    assert (young.action, young.reason) == (Action.WAIT, Reason.NOT_YET)
    old = decide(GENTLE, unusable="precondition", opened=at(69))
    assert (old.action, old.reason) == (Action.ESCALATE, Reason.NO_CANDIDATE)


def test_nobody_is_called_about_announced_work():
    """A held unit that no repair fits is left alone like one that a repair would fit."""
    hold = Hold(entity=UNIT, why="upgrade", by="alice", at=at(), until=at(130).mono_ns)
    assert decide(GENTLE, unusable="x", opened=at(0), hold=hold).reason is Reason.HELD
    change = Change(kind=ChangeKind.MARKER, entity=None, who="deploy", what="", since=at(), until=at(130).mono_ns)
    unknown = replace(DOWN, failure=Failure.UNKNOWN)
    assert decide(GENTLE, unusable="x", diagnosis=unknown, changes=(change,)).reason is Reason.PLANNED_CHANGE


def test_after_as_many_repairs_as_allowed_a_person_is_called():
    """decision.repairs_per_incident is a bound of its own."""
    choice = decide(tried=tuple("abcdefghijkl"))
    assert (choice.action, choice.reason) == (Action.ESCALATE, Reason.LADDER_EXHAUSTED)


def test_systemd_is_left_to_its_work_but_not_for_ever():
    """A unit in transition is waited for; one that stays there needs a person."""
    assert decide(in_transition=True).action is Action.WAIT
    stuck = decide(in_transition=True, opened=at(100 - TRANSITION_S))
    assert (stuck.action, stuck.reason) == (Action.ESCALATE, Reason.IN_TRANSITION)


def test_a_crash_loop_is_in_transition_all_the_time_and_repaired():
    """It would never be repaired otherwise."""
    looping = replace(DOWN, failure=Failure.SERVICE_CRASH_LOOP)
    known = (Permit(failure=Failure.SERVICE_CRASH_LOOP, repair="gentle", mode=Mode.AUTO),)
    assert decide(GENTLE, diagnosis=looping, in_transition=True, permits=known).action is Action.REPAIR


def test_consequences_wait_for_their_likely_cause():
    """A hung service waits for the full disk, before anybody is asked about it."""
    known = (Permit(failure=Failure.SERVICE_HUNG, repair="gentle", mode=Mode.APPROVE),)
    choice = decide(GENTLE, diagnosis=HUNG, others=(FULL,), permits=known)
    assert (choice.action, choice.reason, choice.asks) == (Action.WAIT, Reason.CAUSE_FIRST, False)


def test_services_that_fall_silent_together_are_not_repaired_one_by_one():
    """What they share is broken: it is waited for, then a person is called. One that is held is left to whoever holds it."""
    known = (Permit(failure=Failure.SERVICE_HUNG, repair="gentle", mode=Mode.AUTO),)
    assert decide(GENTLE, diagnosis=HUNG, permits=known).action is Action.REPAIR
    choice = decide(GENTLE, diagnosis=HUNG, permits=known, silent_together=4, opened=at(100))
    assert (choice.action, choice.reason) == (Action.WAIT, Reason.COMMON_CAUSE)
    choice = decide(GENTLE, diagnosis=HUNG, permits=known, silent_together=4, opened=at(100 - COMMON_CAUSE_S))
    assert (choice.action, choice.reason) == (Action.ESCALATE, Reason.COMMON_CAUSE)
    names = replace(HUNG, failure=Failure.DNS_BROKEN, entity=Entity.parse("resolver:system"))
    auto = (Permit(failure=Failure.DNS_BROKEN, repair="gentle", mode=Mode.AUTO),)
    assert decide(GENTLE, diagnosis=names, permits=auto, silent_together=4, opened=at(100)).reason is Reason.COMMON_CAUSE
    assert decide(GENTLE, diagnosis=DOWN, silent_together=4).action is Action.REPAIR
    hold = Hold(entity=UNIT, why="upgrade", by="alice", at=at(), until=at(130).mono_ns)
    assert decide(GENTLE, diagnosis=HUNG, permits=known, silent_together=4, hold=hold).reason is Reason.HELD


def test_people_come_before_causes():
    """What a person ordered is told first, whatever else there is to wait for."""
    hold = Hold(entity=UNIT, why="upgrade", by="alice", at=at(), until=at(130).mono_ns)
    assert decide(GENTLE, diagnosis=HUNG, others=(FULL,), hold=hold).reason is Reason.HELD


def test_an_unreachable_budget_is_waited_for_only_so_long():
    """With the trainer away and the allowance used up, nobody else will call a person."""
    assert action_for(Reason.FLEET_UNREACHABLE, UNREACHABLE_S - 1) is Action.WAIT
    assert action_for(Reason.FLEET_UNREACHABLE, UNREACHABLE_S) is Action.ESCALATE


def test_the_lease_is_asked_for_last():
    """The fleet's budget is not spent on a repair that something else forbids."""
    limits = Limits(fleet_budget=True)
    choice = decide(limits=limits)
    assert choice.needs_lease(facts(limits=limits))
    assert not decide(limits=limits, denials=(denial("gentle"), denial("rough"))).needs_lease(facts(limits=limits))
    refused = Lease(granted=False, unreachable=False, detail="2 of 20", until=0)
    assert not decide(limits=limits, lease=refused).needs_lease(facts(limits=limits, lease=refused))


@pytest.mark.parametrize("reason", [r for r, c in CONSEQUENCES.items() if c.ladder is not Ladder.STOP])
def test_only_what_is_about_the_repair_alone_lets_the_ladder_be_climbed(reason):
    """What is about the target, the host or the moment stands against every rung."""
    assert reason in {Reason.DENIED, Reason.MODE_OBSERVE, Reason.MODE_APPROVE, Reason.NOT_EARNED}


def test_what_a_wait_would_have_run_is_told_by_its_candidates():
    """So that a person can rate what a host that only observes would have done."""
    host = Host(settings=config(mode="observe"))
    choice = reconsider(host.facts(), DOWN, _ROW, REPAIRS)
    waiting = replace(host.decision(action=Action.WAIT, reason=choice.reason), candidates=choice.considered)
    assert (choice.reason, proposal(waiting)) == (Reason.MODE_OBSERVE, "service_start")
    assert proposal(host.decision("service_start")) == "service_start"
    assert proposal(host.decision(action=Action.ESCALATE, reason=Reason.NO_CANDIDATE)) == ""


_ROW = EntityRow(entity=UNIT, values=entity_values(unit_active_ratio=0.0, unit_masked_ratio=0.0))


def test_recorded_facts_give_the_same_choice_again():
    """Written as JSON and read back, they decide as they did."""
    host = Host()
    host.repair("unverified")
    host.second += 60
    known = host.facts()
    again = decode(encode(known))
    assert again == known
    assert reconsider(again, DOWN, _ROW, REPAIRS) == reconsider(known, DOWN, _ROW, REPAIRS)


def test_facts_of_an_older_orderd_can_be_read():
    """Fields that are missing are at their defaults, fields that are unknown are passed over."""
    bare = facts()
    text = encode(Facts(now=bare.now, incident_id="i", target=UNIT, failure=Failure.SERVICE_DOWN, opened=bare.now))
    assert decode(text.replace(b'"host_repairs":0', b'"dropped":1')).host_repairs == 0


def test_what_is_no_facts_is_refused():
    """Evidence that was damaged decides nothing."""
    with pytest.raises(ValueError, match="truncated"):
        decode(b'{"now":')


def test_another_configuration_changes_limits_and_modes_alone():
    """What happened stays, with the scorecard's word of then."""
    host = Host(settings=config(mode="approve"))
    known = replace(
        host.facts(), permits=tuple(replace(p, authority=Authority.EARNED) for p in host.facts().permits), host_repairs=7
    )
    changed = under(known, config(mode="auto", repairs_per_host_per_hour=5), REPAIRS)
    assert changed.permit("service_start") == Permit(
        failure=Failure.SERVICE_DOWN, repair="service_start", mode=Mode.AUTO, authority=Authority.EARNED, why=known.permits[0].why
    )
    assert (changed.host_repairs, changed.limits.repairs_per_host_per_hour) == (7, 5)


def test_permits_name_every_playbook_that_fits_the_kind():
    """A replay that diagnoses another failure of the same entity finds its mode too."""
    found = {(p.failure, p.repair) for p in permits_for(OTHER.kind, config(), REPAIRS)}
    assert (Failure.SERVICE_DOWN, "service_start") in found
    assert (Failure.DNS_BROKEN, "resolver_restore") not in found


_DIAGNOSES = st.builds(
    replace,
    st.just(DOWN),
    failure=st.sampled_from(list(Failure)),
    probability=st.floats(0, 1),
    source=st.sampled_from(list(Source)),
)


@given(_DIAGNOSES, st.sampled_from(list(Mode)), st.booleans(), st.sets(st.sampled_from(["gentle", "rough"])))
def test_a_repair_is_only_ever_chosen_with_the_guards_permission(diagnosis, mode, unit_held, denied):
    """Whatever is diagnosed, what runs was allowed, named, and neither unknown nor unsure."""
    hold = Hold(entity=UNIT, why="w", by="b", at=at(), until=at(130).mono_ns) if unit_held else None
    known = tuple(Permit(failure=diagnosis.failure, repair=name, mode=mode) for name in LADDER)
    choice = decide(diagnosis=diagnosis, permits=known, hold=hold, denials=tuple(denial(d) for d in sorted(denied)))
    if choice.action is Action.REPAIR:
        assert choice.reason is Reason.ALLOWED
        assert (mode, unit_held) == (Mode.AUTO, False)
        assert choice.repair not in denied
        assert diagnosis.failure not in {Failure.UNKNOWN, Failure.OK}
        assert diagnosis.source is Source.RULES or diagnosis.probability >= 0.8
