"""Candidates and precedence: what could answer a diagnosis, and which open incident comes first."""

from dataclasses import replace

import pytest

from guards_desk import DISK, DOWN, REPAIRS, UNIT
from orderd.decision import candidates, cause_of
from orderd.domain.faults import Entity, Failure
from orderd.domain.values import EntityRow, entity_values


def row(**signals):
    return EntityRow(entity=UNIT, values=entity_values(**signals))


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


def test_consequences_wait_for_their_likely_cause():
    """A hung service waits for the full disk, a failed unit for nothing."""
    full = replace(DOWN, failure=Failure.DISK_FULL, entity=DISK)
    hung = replace(DOWN, failure=Failure.SERVICE_HUNG)
    assert cause_of(hung, [full]) == full
    assert cause_of(full, [hung]) is None
    assert cause_of(DOWN, [full]) is None
    assert cause_of(hung, [hung]) is None


@pytest.mark.parametrize("failure", list(Failure))
def test_precedence_knows_every_failure_class(failure):
    """One that nobody can name waits for the likely cause too."""
    full = replace(DOWN, failure=Failure.DISK_FULL, entity=DISK)
    assert cause_of(replace(DOWN, failure=failure), [full]) in {None, full}
    assert cause_of(replace(DOWN, failure=Failure.UNKNOWN), [full]) == full


def test_a_link_explains_name_resolution_and_nothing_else():
    """Name servers are beyond it; services are asked on their own host. It waits for nobody itself."""
    link = replace(DOWN, failure=Failure.NIC_DOWN, entity=Entity.parse("nic:eth0"))
    dns = replace(DOWN, failure=Failure.DNS_BROKEN, entity=Entity.parse("resolver:system"))
    hung = replace(DOWN, failure=Failure.SERVICE_HUNG)
    full = replace(DOWN, failure=Failure.DISK_FULL, entity=Entity.parse("mount:/data"))
    assert cause_of(dns, [link]) == link
    assert cause_of(hung, [link]) is None
    assert cause_of(link, [full, hung, dns]) is None


@pytest.mark.parametrize("failure", [Failure.HOST_MISCONFIGURED, Failure.SERVICE_SQUEEZED])
def test_a_difference_from_the_record_keeps_no_repair_waiting(failure):
    """A person is asked about it, and may not answer tonight."""
    entity = Entity.parse("host:system" if failure is Failure.HOST_MISCONFIGURED else "unit:other.service")
    difference = replace(DOWN, failure=failure, entity=entity)
    for waiting in (Failure.SERVICE_HUNG, Failure.DNS_BROKEN):
        assert cause_of(replace(DOWN, failure=waiting), [difference]) is None
