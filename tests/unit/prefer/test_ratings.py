"""What a rating of a real decision can carry, and where ratings are found."""

from dataclasses import replace

import pytest

from orderd.catalogue import load_repairs
from orderd.domain.clock import Instant
from orderd.domain.standing import Rating
from orderd.domain.values import Action, DecisionRecord, IncidentState, RepairOutcome
from orderd.record import Journal
from orderd.v1.telemetry_pb2 import PushRequest
from orderd.wire import decision_to_wire, samples_to_wire
from ordertrainer.costs import Costs
from ordertrainer.prefer.answers import Said
from ordertrainer.prefer.belief import beforehand, learn
from ordertrainer.prefer.bills import Bill
from ordertrainer.prefer.comparisons import comparisons
from ordertrainer.prefer.errors import PreferError
from ordertrainer.prefer.ratings import RATING_WEIGHT, Rated, carried, comparison
from ordertrainer.prefer.received import ratings_in
from ordertrainer.serve.store import Store
from ordertrainer.sim.catalogue import PLAYBOOKS

REPAIRS = load_repairs(PLAYBOOKS / "repairs").repairs
DIAGNOSED, RESOLVED = IncidentState.DIAGNOSED, IncidentState.RESOLVED


@pytest.fixture
def lived(make_decision, make_step):
    """Return a maker of decisions that were carried out: what was said of them, and after how many seconds."""

    def make(*told, number=1, repair="service_kill_and_restart", incident=1, **fields):
        decision = make_decision(number, incident_id=f"i{incident:012x}0000", repair=repair, **fields)
        steps = []
        for what, after_s, more in told:
            at = replace(decision.at, mono_ns=decision.at.mono_ns + int(after_s * 1e9))
            steps.append(make_step(decision, more.pop("state", DIAGNOSED), what, at=at, **more))
        return DecisionRecord(decision=decision, steps=tuple(steps))

    return make


def ran(verdict, after_s, outcome=RepairOutcome.SUCCEEDED, state=DIAGNOSED):
    """Return the steps of a repair that ran and was judged."""
    return ("finished", 1.0, {"outcome": outcome}), (verdict, after_s, {"state": state})


def rated(record, *others, good=True):
    """Return a rating."""
    return Rated(host="web-1", record=record, incident=[record, *others], good=good, by="alice (uid 1000)")


def test_a_repair_that_helped_stands_beside_a_call_for_nothing(lived):
    """With the time until its target was healthy, and the risk and reach of its contract."""
    hold_s = REPAIRS["service_kill_and_restart"].verify.hold_s
    answer = comparison(rated(lived(*ran("verified", 6.5 + hold_s, state=RESOLVED))), REPAIRS)
    assert hold_s > 0.0
    assert answer.a == Bill(trouble_s=6.5, repair=1.0, risk=1.0)
    assert answer.b == Bill(false_call=1.0)
    assert answer.said is Said.A
    assert "service_down of unit:nginx.service" in answer.scene


def test_a_repair_in_vain_stands_beside_a_call_that_was_needed(lived):
    """Where nothing helped in the end; bad says that the call would have been better."""
    record = lived(*ran("unverified", 30.0), repair="disk_stop_filler")
    ended = lived(("closed", 40.0, {"state": IncidentState.ESCALATED}), number=2, repair="", action=Action.ESCALATE)
    answer = comparison(rated(record, ended, good=False), REPAIRS)
    assert answer.a == Bill(trouble_s=30.0, repair=1.0, risk=3.0, host_wide=1.0, harm=1.0)
    assert answer.b == Bill(call=1.0)
    assert answer.said is Said.B


def test_where_a_later_repair_helped_a_call_would_have_been_for_nothing(lived):
    """Of the first repair of the same incident, too."""
    record = lived(*ran("unverified", 30.0))
    later = lived(*ran("verified", 5.0, state=RESOLVED), number=2)
    assert comparison(rated(record, later), REPAIRS).b == Bill(false_call=1.0)


def test_what_else_was_changed_counts_as_touching_what_is_healthy(lived):
    """As the host's own check saw it."""
    record = lived(("collateral", 3.0, {}), *ran("verified", 4.0, state=RESOLVED))
    assert comparison(rated(record), REPAIRS).a.healthy == 1.0


@pytest.mark.parametrize(
    ("told", "more", "why"),
    [
        ((), {"action": Action.WAIT, "repair": ""}, "to wait: "),
        ((), {"action": Action.ESCALATE, "repair": ""}, "to escalate: "),
        ((), {}, "did not run"),
        (ran("unverified", 1.0, RepairOutcome.REFUSED), {}, "did not run"),
        (ran("verified", -5.0), {}, "not judged"),
        (ran("verified", 5.0, state=RESOLVED), {"repair": "of_long_ago"}, "not in this catalogue"),
        (ran("unverified", 5.0), {}, "not over"),
    ],
)
def test_what_was_never_seen_is_not_made_up(lived, told, more, why):
    """The rating says nothing of weights, and why is counted."""
    found = carried([rated(lived(*told, **more))] * 2, REPAIRS)
    assert not found.answers
    ((reason, number),) = found.nothing.items()
    assert why in reason
    assert number == 2


def test_ratings_move_weights_less_than_answers(lived):
    """Ten bad words about repairs in vain make a call cheaper, and ten answers more so."""
    record = lived(*ran("unverified", 15.0))
    ended = lived(("closed", 40.0, {"state": IncidentState.ESCALATED}), number=2, repair="", action=Action.ESCALATE)
    found = carried([rated(record, ended, good=False)] * 10, REPAIRS).answers
    prior = beforehand(Costs())
    by_ratings = learn(prior, comparisons([], found, RATING_WEIGHT)).costs.call
    by_answers = learn(prior, comparisons(found)).costs.call
    assert by_answers < by_ratings < Costs().call


@pytest.fixture
def told(lived):
    """Return two decisions of one incident: a repair in vain, and one that helped; with what was said of the first."""
    first = lived(*ran("unverified", 20.0))
    second = lived(*ran("verified", 4.0, state=RESOLVED), number=2)
    return first, second


NOW = Instant(mono_ns=90_000_000_000, utc_ns=1_795_000_090_000_000_000)


def test_ratings_are_found_in_a_journal(told, tmp_path, make_decision):
    """The newest one of each decision that has one, with every decision of its incident."""
    path = tmp_path / "journal.sqlite"
    journal = Journal.open(path)
    for record in told:
        journal.record(record.decision)
        for step in record.steps:
            journal.append(step)
    journal.record(make_decision(3))
    for good, note in ((True, ""), (False, "it was: good")):
        first = told[0].decision.decision_id
        journal.rate(Rating(decision_id=first, good=good, note=note, by="alice (uid 1000)", at=NOW))
    (found,) = ratings_in(path)
    journal.close()
    assert (found.good, found.by, found.host) == (False, "alice (uid 1000)", str(path))
    assert comparison(found, REPAIRS).a == Bill(trouble_s=20.0, repair=1.0, risk=1.0)
    assert comparison(found, REPAIRS).b == Bill(false_call=1.0)


@pytest.mark.parametrize("words", ["alice (uid 1000): bad: it was: good", "bad", "spiffe://a/operator/b: bad"])
def test_ratings_are_found_in_what_the_trainer_received(told, tmp_path, make_step, words):
    """In Parquet and in what is not compacted yet; of a decision that came more than once the newest state counts."""
    first, second = told
    praised = make_step(first.decision, RESOLVED, "rated", detail="alice (uid 1000): good", at=NOW)
    blamed = make_step(first.decision, RESOLVED, "rated", detail=words, at=NOW)
    store = Store(tmp_path)
    store.append([_batch(1, replace(first, steps=(*first.steps, praised)))])
    store.rotate()
    store.compact_closed()
    store.append([_batch(2, second, replace(first, steps=(*first.steps, praised, blamed)))])
    (found,) = ratings_in(tmp_path)
    store.close()
    (again,) = ratings_in(tmp_path)
    for each in (found, again):
        assert (each.host, each.good) == ("web-1", False)
        assert each.by == words.partition(": bad")[0].removeprefix("bad")
        assert comparison(each, REPAIRS).b == Bill(false_call=1.0)


def _batch(sequence, *records):
    decisions = [decision_to_wire(record) for record in records]
    return PushRequest(host_id="web-1", boot_id="b", sequence=sequence, samples=samples_to_wire([]), decisions=decisions)


def test_what_is_neither_is_refused_by_name(tmp_path):
    """A file that is no journal, and a journal that is not there."""
    (tmp_path / "notes.txt").write_text("good", encoding="utf-8")
    for path in (tmp_path / "notes.txt", tmp_path / "none.sqlite"):
        with pytest.raises(PreferError, match=path.name):
            ratings_in(path)
