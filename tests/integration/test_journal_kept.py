"""What people ordered, and what decisions were made from, on real SQLite files."""

import sqlite3

import pytest

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure
from orderd.domain.schema import widened
from orderd.domain.standing import Denial, Pause, Standing, Ticket
from orderd.domain.values import Evidence, Hold, Scores
from orderd.errors import JournalError
from orderd.record import Journal
from orderd.record.evidence import WINDOW_BYTES_MAX, pack_scores, unpack_scores
from orderd.record.kept import VALUE_BYTES_MAX, KeptState

AT = Instant(mono_ns=5, utc_ns=1_795_000_000_000_000_000)
NGINX = Entity.parse("unit:nginx.service")
HOLD = Hold(entity=NGINX, why="upgrade", by="alice", at=AT, until=99)
PAUSE = Pause(why="audit", by="bob", at=AT)
TICKET = Ticket(
    ticket_id="t1",
    entity=NGINX,
    failure=Failure.SERVICE_DOWN,
    opened=AT,
    decision_ids=("d1", "d2"),
    closed=AT,
    by="bob",
    why="fixed",
)


@pytest.fixture
def path(tmp_path):
    """Return where the journal will be."""
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path):
    """Return an open journal."""
    opened = Journal.open(path)
    yield opened
    opened.close()


def make_evidence(decision, **fields):
    """Return evidence of a decision."""
    scores = Scores(failures=(widened((0.25, 0.75)), widened((1.0,))), wrong=0.5)
    given = {"decision_id": decision.decision_id, "window": b"\x00window" * 99, "scores": scores, "facts": b'{"a":1}'}
    return Evidence(**(given | fields))


def test_what_is_kept_comes_back_equal_after_a_restart(path):
    """Each kind is read back as it was put, the newest value of a key alone."""
    first = Journal.open(path)
    first.kept.put(Standing.PAUSE, "", PAUSE)
    first.kept.put(Standing.HOLD, str(NGINX), Hold(entity=NGINX, why="older", by="bob", at=AT, until=1))
    first.kept.put(Standing.HOLD, str(NGINX), HOLD)
    first.kept.put(Standing.TICKET, "t1", TICKET)
    first.close()
    second = Journal.open(path)
    assert second.kept.load(Standing.PAUSE, Pause) == {"": PAUSE}
    assert second.kept.load(Standing.HOLD, Hold) == {str(NGINX): HOLD}
    assert second.kept.load(Standing.TICKET, Ticket) == {"t1": TICKET}
    assert second.kept.load(Standing.DENIAL, Denial) == {}
    second.close()


def test_what_is_dropped_stays_away(path):
    """A dropped value is gone after a restart; dropping what is not there says so."""
    first = Journal.open(path)
    first.kept.put(Standing.PAUSE, "", PAUSE)
    assert first.kept.drop(Standing.PAUSE, "") is True
    assert first.kept.drop(Standing.PAUSE, "") is False
    first.close()
    second = Journal.open(path)
    assert second.kept.load(Standing.PAUSE, Pause) == {}
    second.close()


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"why": 1}', b'{"entity": {"kind": "unit", "key": "../x"}}', b"[]", b""])
def test_a_damaged_value_costs_itself_alone_and_is_reported(journal, path, body):
    """The others of its kind are read, the damaged one is named and stays in the file."""
    journal.kept.put(Standing.HOLD, "good", HOLD)
    stranger = sqlite3.connect(path)
    with stranger:
        stranger.execute("INSERT INTO kept (kind, key, body) VALUES ('hold', 'bad', ?)", (body,))
    assert journal.kept.load(Standing.HOLD, Hold) == {"good": HOLD}
    assert "'bad'" in journal.kept.unreadable[0]
    assert stranger.execute("SELECT count(*) FROM kept WHERE key = 'bad'").fetchone() == (1,)
    stranger.close()


def test_a_history_loses_its_oldest_and_an_order_is_refused_when_there_are_too_many(journal):
    """Requests make room for newer ones; a hold that cannot be kept raises and changes nothing."""
    kept = KeptState(journal._writer, kept_max=3)
    for number in range(5):
        kept.put(Standing.REQUEST, f"r{number}", PAUSE)
    assert list(kept.load(Standing.REQUEST, Pause)) == ["r2", "r3", "r4"]
    for number in range(3):
        kept.put(Standing.HOLD, f"h{number}", HOLD)
    with pytest.raises(JournalError, match="3 of kind hold are kept already"):
        kept.put(Standing.HOLD, "h3", HOLD)
    kept.put(Standing.HOLD, "h0", HOLD)
    assert set(kept.load(Standing.HOLD, Hold)) == {"h0", "h1", "h2"}


def test_a_value_that_is_too_large_is_refused(journal):
    """One value never fills the file; what was there before stays."""
    journal.kept.put(Standing.PAUSE, "", PAUSE)
    with pytest.raises(JournalError, match="shorten it"):
        journal.kept.put(Standing.PAUSE, "", Pause(why="x" * VALUE_BYTES_MAX, by="bob", at=AT))
    assert journal.kept.load(Standing.PAUSE, Pause) == {"": PAUSE}


def test_evidence_is_recorded_with_its_decision_and_read_back_equal(journal, make_decision):
    """Window, scores and facts come back as they were; a decision without evidence has none."""
    first, second = make_decision(1), make_decision(2)
    journal.record(first, make_evidence(first))
    journal.record(second)
    assert journal.evidence(first.decision_id) == make_evidence(first)
    assert journal.evidence(second.decision_id) is None


def test_a_decision_and_its_evidence_are_one_transaction(journal, make_decision):
    """A decision that is refused leaves no evidence behind, evidence that is refused no decision."""
    decision = make_decision()
    journal.record(decision, make_evidence(decision))
    with pytest.raises(JournalError):
        journal.record(make_decision(detail="another"), make_evidence(decision, facts=b"{}"))
    assert journal.evidence(decision.decision_id) == make_evidence(decision)
    second = make_decision(2)
    with pytest.raises(JournalError):
        journal.record(second, make_evidence(second, facts=None))
    assert journal.get(second.decision_id) is None


def test_what_an_older_release_scored_is_read_as_todays(journal, make_decision):
    """Classes that came later got nothing then."""
    decision = make_decision()
    older = Scores(failures=((0.25, 0.75), (1.0, 0.0)), wrong=0.5)
    journal.record(decision, make_evidence(decision, scores=older))
    assert journal.evidence(decision.decision_id) == make_evidence(decision)


def test_a_window_that_is_too_large_is_left_out(journal, make_decision):
    """The decision, its scores and its facts are recorded all the same."""
    decision = make_decision()
    journal.record(decision, make_evidence(decision, window=bytes(WINDOW_BYTES_MAX + 1)))
    assert journal.evidence(decision.decision_id) == make_evidence(decision, window=None)


@pytest.mark.parametrize("rows", [(), ((0.5, 0.25),), ((0.1, 0.9), (1 / 3, 2 / 3))])
def test_packed_scores_are_exact(rows):
    """What float32 cannot hold is kept as float64."""
    scores = Scores(failures=rows, wrong=0.1)
    assert unpack_scores(pack_scores(scores)) == scores


@pytest.mark.parametrize("packed", [b"", b"f", b"x" * 40, pack_scores(Scores(failures=((0.5,),), wrong=0.5))[:-1]])
def test_damaged_scores_are_refused(packed):
    """Nothing is made up from bytes that are not scores."""
    with pytest.raises(ValueError, match="scores"):
        unpack_scores(packed)
