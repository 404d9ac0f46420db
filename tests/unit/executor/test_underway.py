"""Which repairs may run side by side, as the executor sees it."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderd.catalogue import load_repairs
from orderd.domain.faults import Entity
from orderd.domain.repairs import disjoint
from orderd.executor.messages import Code, Mode, RepairRequest
from orderd.executor.targets import Refusal
from orderd.executor.underway import UnderWay

REPAIRS = load_repairs(Path(__file__).parents[3] / "playbooks" / "repairs").repairs
TARGETS = ("unit:nginx.service", "unit:redis.service", "mount:/srv/data", "resolver:system", "process:4711:99")


def request(playbook="service_start", target="unit:nginx.service", repair_id="d1"):
    return RepairRequest(repair_id=repair_id, playbook=playbook, target=target, deadline_s=10, mode=Mode.APPLY)


def under_way(at_once=2):
    return UnderWay(REPAIRS, at_once=at_once, monotonic=lambda: 0.0)


def test_two_services_are_started_at_once():
    """Starting nginx and starting redis cannot touch the same thing."""
    repairs = under_way()
    with repairs.one_more(request()), repairs.one_more(request(target="unit:redis.service", repair_id="d2")):
        assert [r.target for r in repairs.now()] == ["unit:nginx.service", "unit:redis.service"]
    assert repairs.now() == ()


@pytest.mark.parametrize(
    "second",
    [
        request(repair_id="d2"),
        request("service_kill_and_restart", repair_id="d2"),
        request("resolver_restore", "resolver:system", "d2"),
        request("disk_reclaim_log_space", "mount:/srv/data", "d2"),
        request("no_such_repair", "unit:redis.service", "d2"),
        request(target="unit:../etc", repair_id="d2"),
    ],
    ids=lambda r: f"{r.playbook} {r.target}",
)
def test_what_may_touch_the_same_thing_waits(second):
    """The same target, anything that reaches the whole host, and anything unknown waits for its turn."""
    repairs = under_way()
    with repairs.one_more(request()), pytest.raises(Refusal) as refused, repairs.one_more(second):
        pass
    assert refused.value.code is Code.BUSY


def test_never_more_than_configured_at_once():
    """The bound holds however disjoint the contracts are."""
    repairs, second = under_way(at_once=1), request(target="unit:redis.service", repair_id="d2")
    with repairs.one_more(request()), pytest.raises(Refusal, match="at most 1"), repairs.one_more(second):
        pass


@given(st.sampled_from(sorted(REPAIRS)), st.sampled_from(TARGETS), st.sampled_from(sorted(REPAIRS)), st.sampled_from(TARGETS))
def test_being_disjoint_goes_both_ways_and_never_to_itself(one, one_target, other, other_target):
    """The order of two repairs does not matter, and no target is repaired twice at once."""
    a, b = Entity.parse(one_target), Entity.parse(other_target)
    assert disjoint(REPAIRS[one], a, REPAIRS[other], b) == disjoint(REPAIRS[other], b, REPAIRS[one], a)
    assert not disjoint(REPAIRS[one], a, REPAIRS[other], a)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("file /srv/a/*.log", "file /srv/b/*.log", True),
        ("file /srv/a*", "file /srv/*b", False),
        ("file /srv/**", "file /srv/a/*.log", False),
        ("unit nginx.service", "file /etc/nginx.conf", True),
        ("process", "unit nginx.service", False),
    ],
)
def test_patterns_that_may_match_the_same_thing_are_not_disjoint(one, other, apart):
    """Where it cannot be told, two repairs wait for each other."""
    a = replace(REPAIRS["service_start"], touches=(one,))
    b = replace(REPAIRS["service_start"], touches=(other,))
    assert disjoint(a, Entity.parse(TARGETS[0]), b, Entity.parse(TARGETS[1])) is apart
