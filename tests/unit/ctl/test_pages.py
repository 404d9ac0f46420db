"""What orderctl shows."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from orderd.ctl.decision_pages import decision_page, decisions_page, watch_line
from orderd.ctl.status_page import signals_in_words, status_page
from orderd.domain.values import Action, DecisionRecord, Diagnosis, IncidentState, Reason, Source
from orderd.v1 import common_pb2, host_pb2
from orderd.wire import decision_to_wire

NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


def printed(page) -> str:
    """Return what a wide terminal without colours shows, runs of spaces collapsed."""
    out = io.StringIO()
    Console(file=out, width=160, highlight=False, markup=False).print(page)
    return "\n".join(" ".join(line.split()) for line in out.getvalue().splitlines())


@pytest.fixture
def repaired(make_decision, make_step):
    """Return a decision that was carried out and helped."""
    decision = make_decision()
    steps = (
        make_step(decision, IncidentState.REPAIRING, "intent", at=decision.at, detail="first usable rung"),
        make_step(decision, IncidentState.VERIFYING, "finished", seconds=0.25),
        make_step(decision, IncidentState.RESOLVED, "verified", detail="probe_ok_ratio ge 1"),
    )
    return decision_to_wire(DecisionRecord(decision=decision, steps=steps))


def test_show_answers_why_what_else_and_what_happened(repaired):
    """Evidence, reason, every candidate and every step with its time after the detection are on the page."""
    page = printed(decision_page(repaired))
    for line in (
        "service_down on nginx.service resolved 0.35 s after detection d0000000000010000",
        "seen model 0.97 says service_down: unit_active_ratio 0",
        "beside rules saw nothing wrong with it",
        "decided repair with start, allowed: first usable rung",
        "0 start chosen",
        "1 unmask_start not usable: unit_masked_ratio eq 1",
        "+0.050 s intent repairing first usable rung",
        "+0.350 s finished verifying succeeded after 0.25 s",
        "+0.350 s verified resolved probe_ok_ratio ge 1",
    ):
        assert line in page


def test_show_says_when_model_and_rules_disagree(make_decision):
    """The diagnoser that did not decide is quoted with its own failure class."""
    first = make_decision().diagnosis
    other = Diagnosis(
        failure="service_hung", entity=first.entity, probability=1.0, source=Source.RULES, evidence="probe_ok_ratio 0"
    )
    decision = make_decision(other_diagnosis=other)
    assert "beside rules says service_hung: probe_ok_ratio 0" in printed(
        decision_page(decision_to_wire(DecisionRecord(decision=decision, steps=())))
    )


def test_the_list_shows_the_reason_where_nothing_was_repaired(make_decision, repaired):
    """A repair is named, a wait says why, the time to the end is shown only at the end."""
    waiting = make_decision(2, action=Action.WAIT, repair="", reason=Reason.HELD)
    page = printed(decisions_page([decision_to_wire(DecisionRecord(decision=waiting, steps=())), repaired], NOW)).splitlines()
    assert page[0] == "TIME FAILURE ON DECISION STATE TOOK BY ID"
    assert "wait (held) diagnosed model 0.97 d000000000002" in page[1]
    assert "start resolved 0.35 s model 0.97 d000000000001" in page[2]


def test_a_hostile_name_is_shown_and_does_nothing(make_decision, make_step):
    """Escapes and markup in details are printed as they are written."""
    decision = make_decision(detail="\x1b[2J[red]gone[/red]")
    page = printed(decision_page(decision_to_wire(DecisionRecord(decision=decision, steps=()))))
    assert "\\x1b[2J[red]gone[/red]" in page


def test_a_watched_change_is_one_line(repaired):
    """Time, offset, state, what on which, and what happened."""
    line = printed(watch_line(repaired, NOW))
    assert "\n" not in line
    assert "+0.350 s resolved service_down on nginx.service start verified probe_ok_ratio ge 1 d0000000000010000" in line


def status(**fields) -> host_pb2.GetStatusResponse:
    """Return a status."""
    return host_pb2.GetStatusResponse(hostname="web-3", mode="auto", uptime_s=4000, version="0.1", repairs=["start"], **fields)


def failing(key: str, failure: str) -> host_pb2.EntityStatus:
    """Return a unit."""
    return host_pb2.EntityStatus(entity=common_pb2.Entity(kind="unit", key=key), failure=failure)


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, "web-3 in order auto"),
        ({"degraded": ["trainer unreachable"]}, "web-3 in order, orderd degraded auto"),
        ({"open_incidents": 1}, "web-3 0 failing, 1 incident open auto"),
        ({"entities": [failing("a.service", "service_down")]}, "web-3 1 failing, 0 incidents open auto"),
    ],
)
def test_the_first_line_is_the_verdict(fields, verdict):
    """In order, degraded, or how much is failing."""
    assert printed(status_page(status(**fields))).startswith(verdict)


def test_what_fails_comes_first():
    """Failing entities stand above those in order."""
    page = printed(status_page(status(entities=[failing("a.service", ""), failing("b.service", "service_down")])))
    assert page.index("b.service service_down") < page.index("a.service ok")


def test_a_missing_model_says_why_and_who_decides():
    """The page says that rules decide and what is wrong with the model."""
    page = printed(status_page(status(model=host_pb2.ModelStatus(loaded=False, why="sha256 differs"))))
    assert "model none, rules decide alone: sha256 differs" in page


def test_signals_become_words_and_missing_ones_are_not_mentioned():
    """Only what is present is said, in plain words."""
    said = signals_in_words(
        "unit", {"unit_active_ratio": 1.0, "unit_failed_ratio": 0.0, "probe_ok_ratio": 1.0, "probe_latency_s": 0.0012}
    )
    assert said == "active, probe ok in 1.2 ms"
    assert signals_in_words("mount", {"mount_used_ratio": 0.42}) == "42 % used"
