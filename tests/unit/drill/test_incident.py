import json
import random

import pytest
from google.protobuf import json_format

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure
from orderd.domain.standing import Rating
from orderd.domain.values import DecisionRecord, Diagnosis, IncidentState, Source
from orderd.record import Journal
from orderd.wire.decisions import decision_to_wire
from ordertrainer.chaos import load_faults
from ordertrainer.drill.battery import FAULTS_DIR
from ordertrainer.drill.errors import DrillError
from ordertrainer.drill.incident import items, read

FAULTS = load_faults(FAULTS_DIR).faults
NOW = Instant(mono_ns=3_000_000_000, utc_ns=1_795_000_000_000_000_000)


@pytest.fixture
def exported(make_decision, make_step, tmp_path):
    """Return a function that writes what `orderctl show ID --json` prints."""

    def write(failure="service_hung", entity="unit:redis-server.service", *, rejected=False, bad=""):
        said = Diagnosis(failure=Failure(failure), entity=Entity.parse(entity), probability=1.0, source=Source.RULES)
        decision = make_decision(diagnosis=said)
        steps = (make_step(decision, IncidentState.ESCALATED, "rejected", detail="we are moving it"),) if rejected else ()
        ratings = [Rating(good=False, note=bad, by="uid 0", at=NOW, decision_id=decision.decision_id)] if bad else []
        message = decision_to_wire(DecisionRecord(decision=decision, steps=steps), ratings)
        file = tmp_path / "incident.json"
        file.write_text(json.dumps(json_format.MessageToDict(message, always_print_fields_with_no_presence=True)))
        return str(file)

    return write


def test_an_incident_is_caused_again_on_the_same_target(exported):
    """Every fault of the plan causes the incident's failure, on the very unit it happened to; the same seed draws the same."""
    plan = items(exported(), 3)
    assert plan
    for item in plan:
        (experiment,) = item.experiments
        assert FAULTS[experiment.fault].failure == "service_hung"
        assert experiment.target == "redis-server.service"
    assert plan == items(exported(), 3)


@pytest.mark.parametrize("overruled", [{"rejected": True}, {"bad": "that was maintenance"}])
def test_what_a_person_overruled_becomes_a_decoy(exported, overruled):
    """Where somebody said no, or that it was wrong, the right end of the drill is to leave alone what looks like it."""
    plan = items(exported("service_down", **overruled), 3)
    assert plan
    assert all(FAULTS[item.experiments[0].fault].decoy for item in plan)
    assert all(FAULTS[item.experiments[0].fault].target == "unit" for item in plan)


def test_an_incident_is_read_from_a_journal_too(make_decision, tmp_path):
    """ID@JOURNAL takes a decision from the file itself; the beginning of its id is enough when it fits one only."""
    journal = Journal.open(tmp_path / "journal.sqlite")
    decision = make_decision(number=random.Random(1).randrange(1, 9))
    journal.record(decision)
    journal.close()
    incident = read(f"{decision.decision_id[:12]}@{tmp_path / 'journal.sqlite'}")
    assert (incident.id, incident.failure) == (decision.decision_id, "service_down")


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"id": "d1"}', '{"diagnosis": 7}'])
def test_what_is_no_incident_is_refused(tmp_path, text):
    """A file of something else, or nothing, is refused with its name."""
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(DrillError, match=r"other\.json"):
        items(str(file), 1)


def test_a_missing_file_is_refused(tmp_path):
    """No file: one line, no traceback."""
    with pytest.raises(DrillError, match=r"gone\.json"):
        items(str(tmp_path / "gone.json"), 1)
