"""Lists, changes and parts of ids, against a plain reference: every decision read and looked at one by one."""

import random
from dataclasses import replace

import pytest

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure
from orderd.domain.standing import Rating
from orderd.domain.values import Action, IncidentState, Reason
from orderd.errors import JournalError
from orderd.record import Journal, JournalReader

NGINX, REDIS, DATA = (Entity.parse(name) for name in ("unit:nginx.service", "unit:redis.service", "mount:/srv/data"))
START = 1_795_000_000_000_000_000
HOUR = 3_600_000_000_000
AT = Instant(mono_ns=7, utc_ns=START)


@pytest.fixture
def journal(tmp_path):
    """Return an open journal."""
    opened = Journal.open(tmp_path / "journal.sqlite")
    yield opened
    opened.close()


def fill(journal, make_decision, make_step, seed, count=120):
    """Record decisions of all kinds by a clock that is now and then set back or forth."""
    chance, utc_ns = random.Random(seed), START
    for number in range(1, count):
        utc_ns += chance.randrange(HOUR // 10) + chance.choice((0,) * 12 + (-2 * HOUR, 24 * HOUR))
        base = make_decision()
        decision = make_decision(
            number,
            decision_id=f"d{number:012x}{chance.randrange(1 << 16):04x}",
            at=Instant(mono_ns=number, utc_ns=utc_ns),
            action=chance.choice((Action.REPAIR, Action.REPAIR, Action.WAIT, Action.ESCALATE)),
            reason=chance.choice((Reason.ALLOWED, Reason.COOLDOWN, Reason.HELD)),
            diagnosis=replace(
                base.diagnosis,
                failure=chance.choice((Failure.SERVICE_DOWN, Failure.SERVICE_HUNG)),
                entity=chance.choice((NGINX, REDIS)),
            ),
        )
        journal.record(decision)
        if decision.action is Action.REPAIR and chance.random() < 0.7:
            end = chance.choice((IncidentState.RESOLVED, IncidentState.ESCALATED, IncidentState.VERIFYING))
            journal.append(make_step(decision, end, "verified"))


def fits(record, filters):
    """Tell whether a decision is what a list was narrowed to, the slow and plain way."""
    decision = record.decision
    have = {
        "failure": decision.diagnosis.failure,
        "action": decision.action,
        "entity": str(decision.diagnosis.entity),
        "state": record.state,
        "reason": decision.reason,
    }
    return (
        all(have[name] == value for name, value in filters.items() if name in have)
        and decision.at.utc_ns >= filters.get("since_utc_ns", 0)
        and not 0 < filters.get("until_utc_ns", 0) <= decision.at.utc_ns
    )


def some_filters(chance):
    """Return a random choice of filters."""
    every = {
        "failure": chance.choice(("service_down", "service_hung", "disk_full")),
        "action": chance.choice(("repair", "wait", "escalate")),
        "entity": chance.choice((str(NGINX), str(REDIS), str(DATA))),
        "state": chance.choice(("resolved", "escalated", "verifying", "waiting")),
        "reason": chance.choice(("allowed", "cooldown", "held")),
        "since_utc_ns": START + chance.randrange(-HOUR, 200 * HOUR),
        "until_utc_ns": START + chance.randrange(-HOUR, 200 * HOUR),
    }
    return {name: every[name] for name in chance.sample(sorted(every), chance.choice((0, 1, 1, 2, 2, 3)))}


@pytest.mark.parametrize("seed", range(5))
def test_every_combination_of_filters_finds_what_a_plain_search_finds(journal, make_decision, make_step, seed):
    """Pages of any size, put together, are exactly the decisions that fit, newest first, wherever the clock had jumped to."""
    fill(journal, make_decision, make_step, seed)
    everything, chance = journal.page(1000), random.Random(seed)
    assert len(everything) == 119
    for _ in range(60):
        filters, limit = some_filters(chance), chance.choice((1, 3, 7, 200))
        seen, before = [], ""
        while page := journal.page(limit, before, **filters):
            seen += page
            before = page[-1].decision.decision_id
        assert [r.decision for r in seen] == [r.decision for r in everything if fits(r, filters)], filters


def test_a_state_is_that_of_the_incident_now(journal, make_decision, make_step):
    """A decision that waited is no longer found as waiting when its incident has moved on."""
    asked = make_decision(1, action=Action.WAIT, reason=Reason.MODE_APPROVE)
    repair = make_decision(2, incident_id=asked.incident_id)
    journal.record(asked)
    assert [r.decision for r in journal.page(9, state="waiting")] == [asked]
    journal.record(repair)
    assert journal.page(9, state="waiting") == []
    journal.append(make_step(repair, IncidentState.RESOLVED, "verified"))
    assert [r.decision for r in journal.page(9, state="resolved")] == [repair, asked]


def test_a_page_goes_on_after_a_decision_that_was_removed(journal, make_decision):
    """The token of a decision that is gone meanwhile stands for its place."""
    for number in (1, 2, 4):
        journal.record(make_decision(number))
    assert [r.decision for r in journal.page(9, make_decision(3).decision_id)] == [make_decision(2), make_decision(1)]


def test_each_change_has_a_number_that_rises_for_ever(journal, make_decision, make_step, tmp_path):
    """A watcher that goes on after the last number it saw gets each decision that changed since, once, with its newest state."""
    first, second = make_decision(1), make_decision(2)
    journal.record(first)
    journal.record(second)
    seen = journal.newest_change()
    assert [record.decision for _, record in journal.changes(0)] == [first, second]
    journal.append(make_step(first, IncidentState.REPAIRING, "started"))
    journal.append(make_step(first, IncidentState.RESOLVED, "verified"))
    reader = JournalReader.open(tmp_path / "journal.sqlite")
    ((number, record),) = reader.changes(seen)
    assert record == journal.get(first.decision_id)
    assert number == reader.newest_change() > seen
    assert reader.changes(number) == []
    assert len(reader.changes(0, limit=1)) == 1
    reader.close()


def test_a_part_of_an_id_finds_it_from_both_ends(journal, make_decision):
    """Beginnings and ends of any length are found among all decisions, a whole id alone."""
    ids = [f"d{number:012x}{(number * 7919) % 65536:04x}" for number in range(1, 300)]
    for number, decision_id in enumerate(ids, 1):
        journal.record(make_decision(number, decision_id=decision_id))
    for decision_id in ids[::17]:
        assert journal.find(decision_id) == [decision_id]
        for cut in range(1, 17):
            for part in (decision_id[:-cut], decision_id[cut:]):
                wanted = sorted(one for one in ids if one.startswith(part) or one.endswith(part))
                assert sorted(journal.find(part, 1000)) == wanted
                assert len(journal.find(part, 2)) == min(2, len(wanted))
    assert journal.find("") == journal.find("zz") == journal.find("%") == []


def test_a_rating_may_follow_the_end_and_changes_no_state(journal, make_decision, make_step):
    """What people thought is kept newest first, shown as steps, and counts as a change; the incident stays as it ended."""
    decision = make_decision()
    journal.record(decision)
    journal.append(make_step(decision, IncidentState.RESOLVED, "verified"))
    before = journal.newest_change()
    good = Rating(decision_id=decision.decision_id, good=True, note="", by="alice", at=AT)
    bad = Rating(decision_id=decision.decision_id, good=False, note="was not needed", by="bob", at=AT)
    journal.rate(good)
    record = journal.rate(bad)
    assert journal.ratings(decision.decision_id) == (bad, good)
    assert record == journal.get(decision.decision_id)
    assert [step.detail for step in record.steps[-2:]] == ["alice: good", "bob: bad: was not needed"]
    assert record.state is IncidentState.RESOLVED
    assert journal.unfinished() == []
    assert len(journal.changes(before)) == 1
    with pytest.raises(JournalError, match="there is no decision"):
        journal.rate(replace(good, decision_id="d"))


def test_words_after_the_end_cannot_change_the_end(journal, make_decision, make_step):
    """A word about an ended incident that brings another state is refused."""
    decision = make_decision()
    journal.record(decision)
    journal.append(make_step(decision, IncidentState.RESOLVED, "verified"))
    for state in (IncidentState.ESCALATED, IncidentState.REPAIRING):
        with pytest.raises(JournalError, match="has ended already"):
            journal.append(make_step(decision, state, "rated"))


def test_a_step_that_is_tried_again_is_written_once(journal, make_decision, make_step):
    """Whoever was told of a failure after the disk had taken the step may repeat it, also when it was the end."""
    decision = make_decision()
    journal.record(decision)
    for state, what in ((IncidentState.VERIFYING, "finished"), (IncidentState.RESOLVED, "verified")):
        step = make_step(decision, state, what)
        assert journal.append(step) == journal.append(step)
    assert [step.what for step in journal.get(decision.decision_id).steps] == ["intent", "finished", "verified"]


def test_the_steps_of_a_decision_are_bounded(journal, make_decision, make_step, monkeypatch):
    """Ratings and restarts without end do not fill the file, and yet what becomes of a repair is recorded; its end always."""
    monkeypatch.setattr("orderd.record.journal.STEPS_MAX", 4)
    monkeypatch.setattr("orderd.record.journal._KEPT_BACK", 2)
    decision = make_decision()
    journal.record(decision)
    for number in range(3):
        journal.append(make_step(decision, IncidentState.REPAIRING, "recovered", detail=str(number)))
    with pytest.raises(JournalError, match="has 4 steps already"):
        journal.append(make_step(decision, IncidentState.REPAIRING, "recovered", detail="one more"))
    for number in range(2):
        journal.append(make_step(decision, IncidentState.VERIFYING, "finished", detail=str(number)))
    with pytest.raises(JournalError, match="has 6 steps already"):
        journal.append(make_step(decision, IncidentState.VERIFYING, "finished", detail="one more"))
    assert journal.append(make_step(decision, IncidentState.RESOLVED, "verified")).state is IncidentState.RESOLVED
    with pytest.raises(JournalError, match="has 7 steps already"):
        journal.append(make_step(decision, IncidentState.RESOLVED, "ticket"))
