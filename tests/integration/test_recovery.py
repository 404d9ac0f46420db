"""orderd was killed in mid-repair: what the next start makes of it."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from orderd.app import _recover
from orderd.catalogue import load_repairs
from orderd.config import Config
from orderd.decision import Guard, Holds
from orderd.domain.clock import SystemClock
from orderd.domain.faults import Entity, Failure
from orderd.domain.values import Action, Decision, Diagnosis, IncidentState, Mode, Reason, Source
from orderd.record import Journal

NGINX = Entity.parse("unit:nginx.service")
REPAIRS = Path(__file__).parents[2] / "playbooks" / "repairs"


@pytest.fixture
def killed(tmp_path):
    """A journal whose newest decision is under repair."""
    now = SystemClock().now()
    diagnosis = Diagnosis(failure=Failure.SERVICE_DOWN, entity=NGINX, probability=1.0, source=Source.RULES)
    journal = Journal.open(tmp_path / "journal.sqlite")
    journal.record(
        Decision(
            decision_id="d1",
            incident_id="i1",
            at=now,
            detected_at=now,
            diagnosis=diagnosis,
            other_diagnosis=None,
            action=Action.REPAIR,
            repair="service_start",
            reason=Reason.ALLOWED,
            detail="",
            candidates=(),
            model_version="",
            provider="",
        )
    )
    yield journal
    journal.close()


def test_an_incident_that_was_under_repair_is_ended_and_its_repair_remembered(killed):
    """No incident stays open for ever, and the repair that may still be running is not started again at once."""
    config = Config(decision=type(Config().decision)(mode=Mode.AUTO))
    guard = Guard(config, Holds())
    _recover(killed, SimpleNamespace(guard=guard), SystemClock())
    assert killed.unfinished() == []
    assert killed.get("d1").state is IncidentState.CLOSED
    assert killed.get("d1").steps[-1].what == "recovered"
    repair = load_repairs(REPAIRS).repairs["service_start"]
    assert guard.rule(repair, NGINX, SystemClock().now()).reason is Reason.COOLDOWN
