"""The judge: healthy means held, in time, by signals."""

from dataclasses import replace

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.repairs import Comparison, Condition, Op, Verify
from orderd.domain.values import EntityRow, Sample, Verdict, entity_values
from orderd.verification import Verification

UNIT, PID = Entity.parse("unit:a.service"), Entity.parse("process:7:7")
ACTIVE = Condition(all_of=((Comparison(signal="unit_active_ratio", op=Op.GE, value=1.0),),))


def at(second):
    return Instant(mono_ns=int(second * 1e9), utc_ns=0)


def judge(verify, target=UNIT):
    return Verification(verify=verify, target=target, started=at(10))


def sample(second, active=None, entity=UNIT):
    rows = () if active is None else (EntityRow(entity=entity, values=entity_values(unit_active_ratio=active)),)
    return Sample(at=at(second), cause="verify", host=(), entities=rows)


def contract(**changes):
    return Verify(**({"healthy": ACTIVE, "absent_is_healthy": False, "hold_s": 2.0, "within_s": 5.0} | changes))


def test_health_has_to_be_held():
    """One good sample is no proof."""
    watch = judge(contract())
    assert watch.judge(sample(10.5, 1.0)) is Verdict.PENDING
    assert watch.judge(sample(12.4, 1.0)) is Verdict.PENDING
    assert watch.judge(sample(12.5, 1.0)) is Verdict.HEALTHY


def test_a_break_starts_the_hold_anew():
    """Flapping is not healthy."""
    watch = judge(contract())
    watch.judge(sample(10.5, 1.0))
    watch.judge(sample(11.5, 0.0))
    assert watch.judge(sample(12.6, 1.0)) is Verdict.PENDING
    assert watch.judge(sample(14.6, 1.0)) is Verdict.HEALTHY


def test_samples_from_before_the_repair_do_not_count():
    """What was measured earlier proves nothing."""
    watch = judge(contract(hold_s=0.0))
    assert watch.judge(sample(9.9, 1.0)) is Verdict.PENDING


def test_too_late_is_unhealthy_and_says_why():
    """The limit ends the wait."""
    watch = judge(contract())
    assert watch.judge(sample(15.0, 0.0)) is Verdict.UNHEALTHY
    assert watch.unmet == "unit_active_ratio ge 1"


def test_a_missing_signal_is_not_healthy():
    """Missing stays missing."""
    watch = judge(contract(hold_s=0.0))
    assert watch.judge(sample(11, float("nan"))) is Verdict.PENDING


def test_a_process_that_is_gone_is_healthy_only_where_the_contract_says_so():
    """Absence is success for a stopped process, failure for a service."""
    gone = contract(healthy=Condition(), absent_is_healthy=True, hold_s=0.0)
    assert judge(gone, PID).judge(sample(11)) is Verdict.HEALTHY
    assert judge(contract(hold_s=0.0)).judge(sample(16)) is Verdict.UNHEALTHY


def test_a_process_that_cannot_be_seen_is_not_gone():
    """The collector failed: no row is no proof, the repair is judged when it works again."""
    watch = judge(contract(healthy=Condition(), absent_is_healthy=True, hold_s=0.0), PID)
    blind = replace(sample(11), failed_collectors=("process",))
    assert watch.judge(blind) is Verdict.PENDING
    assert "cannot be seen" in watch.unmet
    assert watch.judge(sample(12)) is Verdict.HEALTHY
