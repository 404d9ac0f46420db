"""Whatever happens in whatever order: what guard and memory never let happen, checked against a plain model of the truth."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from guards_desk import DOWN, REPAIRS, Host, config, variant
from orderd.decision.candidates import candidates
from orderd.decision.facts import Ending
from orderd.decision.policy import Case, choose
from orderd.domain.faults import Entity
from orderd.domain.repairs import BlastRadius, disjoint
from orderd.domain.standing import Pause
from orderd.domain.values import Action, EntityRow, Hold, entity_values
from orderd.errors import StateError

UNITS = [Entity.parse(f"unit:{name}.service") for name in "abc"]
LADDER = {
    r.name: r
    for r in (
        variant("first", rung=0, cooldown_s=30.0),
        variant("second", rung=1, cooldown_s=30.0),
        variant("widest", rung=2, cooldown_s=30.0, blast_radius=BlastRadius.HOST),
    )
}
PER_TARGET, PER_HOST, AT_ONCE, FAILED_MAX = 3, 6, 2, 2
_ROW = entity_values(unit_active_ratio=0.0)

units = st.sampled_from(UNITS)
names = st.sampled_from(sorted(LADDER))


class Truth(RuleBasedStateMachine):
    """One host whose time, clock, people, crashes and repairs are all at somebody else's will."""

    @initialize()
    def begin(self):
        self.host = Host(
            repairs=LADDER,
            settings=config(repairs_per_target_per_hour=PER_TARGET, repairs_per_host_per_hour=PER_HOST, repairs_at_once=AT_ONCE),
        )
        self.starts = []
        self.running = {}
        self.held = {}
        self.paused_until = None
        self.failed = {}
        self.incidents = 0
        self.was_set = False

    # Time and the machine.

    @rule(seconds=st.sampled_from([0.1, 5.0, 31.0, 700.0, 1900.0, 3601.0]))
    def time_passes(self, seconds):
        self.host.second += seconds

    @rule(years=st.sampled_from([-56.0, -10.0, 10.0, 30.0]))
    def the_clock_jumps(self, years):
        self.host.jump_s = years * 31_536_000.0

    @rule(seconds=st.sampled_from([-7200.0, -60.0, 60.0, 7200.0]))
    def the_clock_is_set(self, seconds):
        self.was_set = True
        self.host.jump_s = seconds

    @rule()
    def orderd_restarts(self):
        self.host.restart()

    # After a reboot an hour by which the clock was set cannot be told from an hour that passed.
    @precondition(lambda self: not self.was_set)
    @rule()
    def the_host_reboots(self):
        self.host.restart(boot=f"boot-{self.host.second}-{len(self.starts)}")

    # People.

    @rule(unit=units, seconds=st.sampled_from([10.0, 3600.0]))
    def somebody_holds(self, unit, seconds):
        now = self.host.now
        self.host.memory.hold(Hold(entity=unit, why="w", by="b", at=now, until=now.mono_ns + int(seconds * 1e9)))
        self.held[unit] = self.host.second + seconds

    @rule(unit=units)
    def somebody_releases(self, unit):
        self.host.memory.release(unit)
        self.held.pop(unit, None)

    @rule(seconds=st.sampled_from([0.0, 60.0]))
    def somebody_pauses(self, seconds):
        now = self.host.now
        until = now.mono_ns + int(seconds * 1e9) if seconds else 0
        self.host.memory.pause(Pause(why="w", by="b", at=now, until=until))
        self.paused_until = self.host.second + seconds if seconds else float("inf")

    @rule()
    def somebody_resumes(self):
        self.host.memory.resume()
        self.paused_until = None

    @rule(unit=units, name=names)
    def somebody_lifts_a_denial(self, unit, name):
        if any((d.repair, d.target) == (name, unit) for d in self.host.memory.denials()):
            self.host.memory.lift_denial(name, unit)
            self.failed[unit, name] = 0

    # Repairs.

    @rule(unit=units)
    def a_unit_fails(self, unit):
        self.incidents += 1
        diagnosis = replace(DOWN, entity=unit)
        facts = self.host.facts(diagnosis, incident=f"i{self.incidents}")
        considered = candidates(diagnosis, EntityRow(entity=unit, values=_ROW), LADDER.values(), ())
        choice = choose(Case(diagnosis=diagnosis, considered=considered, repairs=LADDER, facts=facts))
        if choice.action is Action.REPAIR:
            decision = self.host.decision(choice.repair, diagnosis, incident=f"i{self.incidents}")
            self.host.memory.started(decision)
            self.starts.append((self.host.second, unit))
            self._nothing_stood_against(unit, choice.repair)
            self.running[decision.decision_id] = (unit, choice.repair)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), ending=st.sampled_from(list(Ending)))
    def a_repair_ends(self, data, ending):
        decision_id = data.draw(st.sampled_from(sorted(self.running)))
        unit, name = self.running.pop(decision_id)
        self.host.memory.ended(decision_id, ending, self.host.now)
        if ending is Ending.UNVERIFIED:
            self.failed[unit, name] = self.failed.get((unit, name), 0) + 1
        elif ending in {Ending.VERIFIED, Ending.COLLATERAL} and self.failed.get((unit, name), 0) < FAILED_MAX:
            self.failed[unit, name] = 0
        if ending is Ending.VOID:
            # Nothing was touched: it counts for no rate.
            self.starts.remove(next(s for s in reversed(self.starts) if s[1] == unit))

    def _nothing_stood_against(self, unit, name):
        second = self.host.second
        assert self.held.get(unit, 0.0) <= second, "a held unit was repaired"
        assert self.paused_until is None or self.paused_until <= second, "a paused host was repaired"
        assert self.failed.get((unit, name), 0) < FAILED_MAX, "a denied repair ran"
        for other, other_name in self.running.values():
            assert disjoint(LADDER[name], unit, LADDER[other_name], other), "two repairs ran that are not disjoint"

    @invariant()
    def one_repair_per_target_and_few_per_host(self):
        busy = [unit for unit, _ in self.running.values()] if hasattr(self, "running") else []
        assert len(busy) == len(set(busy)), "two repairs of one target"
        assert len(busy) <= AT_ONCE

    @invariant()
    def never_more_than_the_rates(self):
        for newest, _ in getattr(self, "starts", []):
            within = [unit for second, unit in self.starts if newest - 3600 < second <= newest]
            assert len(within) <= PER_HOST
            assert max((within.count(unit) for unit in UNITS), default=0) <= PER_TARGET


TestTruth = Truth.TestCase
TestTruth.settings = settings(
    max_examples=100, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_the_memory_itself_refuses_a_second_repair_of_one_target():
    """Facts of another moment do not get past the lock."""
    host = Host(repairs=REPAIRS)
    host.memory.started(host.decision())
    with pytest.raises(StateError, match="locked"):
        host.memory.started(host.decision())
