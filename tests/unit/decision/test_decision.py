"""Candidates, guard, policy, precedence and holds."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from orderd.catalogue import load_repairs
from orderd.config import Config
from orderd.decision import Guard, Holds, candidates, cause_of, choose
from orderd.decision.holds import HOLDS_MAX
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure
from orderd.domain.values import Action, Diagnosis, EntityRow, Hold, Reason, Source, entity_values

REPAIRS = load_repairs(Path(__file__).parents[3] / "playbooks" / "repairs").repairs
UNIT, OTHER, DISK = Entity.parse("unit:a.service"), Entity.parse("unit:b.service"), Entity.parse("mount:/data")
DOWN = Diagnosis(failure=Failure.SERVICE_DOWN, entity=UNIT, probability=1.0, source=Source.RULES)
START = REPAIRS["service_start"]


def now(second=0.0):
    return Instant(mono_ns=10**15 + int(second * 1e9), utc_ns=0)


def row(**signals):
    return EntityRow(entity=UNIT, values=entity_values(**signals))


def guard(holds=None, **decision):
    return Guard(msgspec.convert({"decision": {"mode": "auto"} | decision}, Config), holds or Holds())


def test_only_repairs_of_the_failure_and_kind_are_candidates():
    """The contract says what a repair is for."""
    found = candidates(DOWN, row(unit_active_ratio=0.0, unit_masked_ratio=0.0), REPAIRS.values(), ())
    assert [c.repair for c in found] == ["service_start"]
    assert found[0].refused_because == ""


def test_a_candidate_whose_precondition_fails_says_which():
    """A healthy service cannot be started again."""
    (found,) = candidates(DOWN, row(unit_active_ratio=1.0, unit_masked_ratio=0.0), REPAIRS.values(), ())
    assert "unit_active_ratio" in found.refused_because


@pytest.mark.parametrize(
    ("given", "tried", "why"), [(None, (), "gone"), (row(unit_active_ratio=0.0), ("service_start",), "already tried")]
)
def test_gone_targets_and_tried_repairs_are_no_candidates(given, tried, why):
    """Each refusal has its reason."""
    (found,) = candidates(DOWN, given, REPAIRS.values(), tried)
    assert why in found.refused_because


def test_the_guard_allows_a_first_repair():
    """Nothing stands against it."""
    assert guard().rule(START, UNIT, now()).allowed


@pytest.mark.parametrize(("mode", "reason"), [("observe", Reason.MODE_OBSERVE), ("approve", Reason.MODE_APPROVE)])
def test_the_guard_obeys_the_mode(mode, reason):
    """Only auto repairs by itself."""
    assert guard(mode=mode).rule(START, UNIT, now()).reason is reason


def test_the_guard_refuses_a_second_repair_inside_cooldown():
    """The same repair on the same target waits; another target does not."""
    keeper = guard()
    keeper.started(now(), UNIT, START.name)
    assert keeper.rule(START, UNIT, now(START.cooldown_s - 0.1)).reason is Reason.COOLDOWN
    assert keeper.rule(START, OTHER, now(1)).allowed
    assert keeper.rule(START, UNIT, now(START.cooldown_s + 0.1)).allowed


def test_the_guard_counts_repairs_of_one_target_by_the_hour():
    """The third within an hour is the last; an hour later it may again."""
    keeper = guard(repairs_per_target_per_hour=2)
    keeper.started(now(0), UNIT, "x")
    keeper.started(now(60), UNIT, "y")
    assert keeper.rule(START, UNIT, now(3000)).reason is Reason.TARGET_RATE
    assert keeper.rule(START, UNIT, now(3601)).allowed


def test_the_guard_counts_repairs_of_the_host_by_the_hour():
    """Many targets share one budget."""
    keeper = guard(repairs_per_host_per_hour=2)
    keeper.started(now(0), OTHER, "x")
    keeper.started(now(1), DISK, "y")
    assert keeper.rule(START, UNIT, now(100)).reason is Reason.HOST_RATE


def test_a_hold_comes_before_everything_and_ends_by_itself():
    """A person's word counts more than any mode."""
    holds = Holds()
    holds.put(Hold(entity=UNIT, why="upgrade", by="alice", at=now(), until=now(10).mono_ns))
    keeper = guard(holds, mode="observe")
    ruling = keeper.rule(START, UNIT, now(5))
    assert ruling.reason is Reason.HELD
    assert "alice" in ruling.detail
    assert keeper.rule(START, UNIT, now(10)).reason is Reason.MODE_OBSERVE


def test_holds_are_bounded():
    """A broken client cannot fill the memory."""
    holds = Holds()
    for n in range(HOLDS_MAX):
        holds.put(Hold(entity=Entity.parse(f"unit:u{n}.service"), why="w", by="b", at=now(), until=now(9).mono_ns))
    with pytest.raises(ValueError, match="holds"):
        holds.put(Hold(entity=UNIT, why="w", by="b", at=now(), until=now(9).mono_ns))


def decide(considered, keeper=None, attempts=0):
    return choose(considered, repairs=REPAIRS, target=UNIT, attempts=attempts, guard=keeper or guard(), now=now())


def usable():
    return candidates(DOWN, row(unit_active_ratio=0.0, unit_masked_ratio=0.0), REPAIRS.values(), ())


def test_the_policy_repairs_with_the_lowest_usable_rung():
    """The ladder is climbed from below."""
    assert (decide(usable()).action, decide(usable()).repair) == (Action.REPAIR, "service_start")


def test_the_policy_waits_for_what_passes_by_itself():
    """A cooldown is no reason to call a person."""
    keeper = guard()
    keeper.started(now(-1), UNIT, START.name)
    assert decide(usable(), keeper).action is Action.WAIT


def test_the_policy_escalates_when_nothing_is_catalogued():
    """clock_stepped has no repair."""
    stepped = Diagnosis(failure=Failure.CLOCK_STEPPED, entity=Entity.parse("clock:system"), probability=1.0, source=Source.RULES)
    choice = decide(candidates(stepped, None, REPAIRS.values(), ()))
    assert (choice.action, choice.reason) == (Action.ESCALATE, Reason.NO_CANDIDATE)


def test_the_policy_escalates_when_all_was_tried():
    """Then a person, not a second round."""
    tried = candidates(DOWN, row(unit_active_ratio=0.0), REPAIRS.values(), ("service_start",))
    assert decide(tried, attempts=1).reason is Reason.LADDER_EXHAUSTED


def test_consequences_wait_for_their_likely_cause():
    """A hung service waits for the full disk, a failed unit for nothing."""
    full = Diagnosis(failure=Failure.DISK_FULL, entity=DISK, probability=1.0, source=Source.RULES)
    hung = replace(DOWN, failure=Failure.SERVICE_HUNG)
    assert cause_of(hung, [full]) == full
    assert cause_of(full, [hung]) is None
    assert cause_of(DOWN, [full]) is None
    assert cause_of(hung, [hung]) is None
