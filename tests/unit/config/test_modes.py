"""Which mode counts: the class's own, at most the playbook's; differences from the record are asked about."""

import pytest

from orderd.config.modes import laxest_mode, mode_of
from orderd.config.schema import DecisionConfig, ModesConfig
from orderd.domain.faults import ASKED_FIRST, Failure
from orderd.domain.values import Mode


def config(mode, failures=None, repairs=None):
    return DecisionConfig(mode=mode, modes=ModesConfig(failures=failures or {}, repairs=repairs or {}))


@pytest.mark.parametrize("failure", sorted(ASKED_FIRST))
def test_what_only_differs_from_the_record_is_asked_about(failure):
    """Nobody who changed a thing on purpose and did not record it finds it changed back without a question."""
    assert mode_of(config(Mode.AUTO), failure, "r") is Mode.APPROVE
    assert mode_of(config(Mode.EARNED), failure, "r") is Mode.APPROVE
    assert mode_of(config(Mode.OBSERVE), failure, "r") is Mode.OBSERVE
    assert mode_of(config(Mode.APPROVE, {failure: Mode.AUTO}), failure, "r") is Mode.AUTO


def test_a_failure_with_a_symptom_has_the_mode_of_the_host():
    """A service that is down, and a link that is, are no question of taste."""
    for failure in (Failure.SERVICE_DOWN, Failure.NIC_DOWN):
        assert mode_of(config(Mode.AUTO), failure, "r") is Mode.AUTO


def test_a_playbook_may_only_be_stricter():
    """Its mode never widens what the class allows."""
    assert mode_of(config(Mode.AUTO, repairs={"r": Mode.OBSERVE}), Failure.SERVICE_DOWN, "r") is Mode.OBSERVE
    assert mode_of(config(Mode.OBSERVE, repairs={"r": Mode.AUTO}), Failure.SERVICE_DOWN, "r") is Mode.OBSERVE


def test_the_executor_allows_what_the_laxest_class_does():
    """It is told no class."""
    assert laxest_mode(config(Mode.OBSERVE, {Failure.NIC_MISCONFIGURED: Mode.AUTO}), "r") is Mode.AUTO
