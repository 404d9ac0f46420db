"""What is removed from a journal that is too old or too large, on real SQLite files."""

import os
import sqlite3
import threading
import time
from contextlib import closing

import pytest

from orderd.config.schema import JournalConfig
from orderd.domain.clock import Instant
from orderd.domain.standing import Rating
from orderd.domain.values import Evidence, IncidentState, Scores
from orderd.errors import JournalError
from orderd.record import Journal

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
START = Instant(mono_ns=10**15, utc_ns=1_795_000_000_000_000_000)
SMALL = JournalConfig(bytes_max=16 << 20, ballast_bytes=1 << 20, evidence_bytes_max=1 << 20, age_s_max=30 * 86_400.0)


def after(nanoseconds):
    """Return the moment so long after the start."""
    return Instant(mono_ns=START.mono_ns + nanoseconds, utc_ns=START.utc_ns + nanoseconds)


@pytest.fixture
def path(tmp_path):
    """Return where the journal will be."""
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path):
    """Return an open journal with small bounds."""
    opened = Journal.open(path, SMALL)
    yield opened
    opened.close()


def settle(journal, now, calls=1000):
    """Let it work until nothing is left; an hour before tells it that the clock is steady."""
    journal.retain(Instant(mono_ns=now.mono_ns - HOUR_NS - 1, utc_ns=now.utc_ns - HOUR_NS - 1))
    for _ in range(calls):
        if not journal.retain(now):
            return
    pytest.fail("retention did not come to an end")


def evidence(decision, window_bytes, facts_bytes=100):
    """Return evidence of that size that does not compress."""
    return Evidence(
        decision_id=decision.decision_id,
        window=os.urandom(window_bytes),
        scores=Scores(failures=((0.5, 0.5),), wrong=0.5),
        facts=os.urandom(facts_bytes),
    )


def ended(journal, decision, make_step, kept=None):
    """Record a decision whose incident ended."""
    journal.record(decision, kept)
    return journal.append(make_step(decision, IncidentState.RESOLVED, "verified"))


def used_bytes(path):
    """Return how much of the file is in use."""
    with closing(sqlite3.connect(path)) as stranger:
        page, count, free = (
            stranger.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
        )
    return page * (count - free)


def ids(records):
    """Return the ids of decisions, oldest first."""
    return sorted(record.decision.decision_id for record in records)


def test_old_evidence_goes_before_any_decision(journal, make_decision, make_step):
    """The windows of the oldest decisions are dropped until evidence fits; every decision and the newest windows stay."""
    for number in range(1, 101):
        decision = make_decision(number)
        ended(journal, decision, make_step, evidence(decision, 20_000))
    settle(journal, after(0))
    kept = [journal.evidence(make_decision(number).decision_id) for number in range(1, 101)]
    whole = [number for number, one in enumerate(kept, 1) if one is not None and one.window is not None]
    assert whole == list(range(101 - len(whole), 101))
    assert (
        0.9 * SMALL.evidence_bytes_max
        < sum(len(one.window) + len(one.facts) for one in kept if one.window)
        < SMALL.evidence_bytes_max
    )
    assert kept[0].facts
    assert kept[0].scores is None
    assert len(journal.page(1000)) == 100


def test_facts_outlive_their_windows_only_up_to_their_share(journal, make_decision, make_step):
    """Facts alone never crowd out the windows of newer decisions."""
    for number in range(1, 201):
        decision = make_decision(number)
        ended(journal, decision, make_step, evidence(decision, 4_000, 4_000))
    settle(journal, after(0))
    kept = [journal.evidence(make_decision(number).decision_id) for number in range(1, 201)]
    assert kept[0] is None
    assert sum(len(one.facts) for one in kept if one and one.window is None) <= SMALL.evidence_bytes_max // 4
    assert kept[-1].window is not None


def test_incidents_that_are_too_old_go_whole_and_open_ones_stay(journal, path, make_decision, make_step):
    """After age_s_max nothing of an ended incident is left; an open one of that age is untouched."""
    old, still_open = make_decision(1), make_decision(2)
    young = make_decision(3, at=after(29 * DAY_NS))
    ended(journal, old, make_step, evidence(old, 100))
    journal.rate(Rating(decision_id=old.decision_id, good=True, note="", by="alice", at=START))
    journal.record(still_open, evidence(still_open, 100))
    ended(journal, young, make_step)
    settle(journal, after(31 * DAY_NS))
    assert ids(journal.page(10)) == [still_open.decision_id, young.decision_id]
    assert [record.decision for record in journal.unfinished()] == [still_open]
    assert journal.evidence(still_open.decision_id).window is not None
    with closing(sqlite3.connect(path)) as stranger:
        for table in ("decisions", "entries", "incidents"):
            assert stranger.execute(f"SELECT count(*) FROM {table}").fetchone() == (2,)
        assert stranger.execute("SELECT count(*) FROM ratings").fetchone() == (0,)
        assert stranger.execute("SELECT count(*) FROM evidence").fetchone() == (1,)
        assert stranger.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_clock_that_is_wrong_for_a_while_removes_nothing(journal, make_decision, make_step):
    """Ten years ahead for less than an hour, or at the first look, no record is taken for old; what is recorded stays."""
    for number in (1, 2):
        ended(journal, make_decision(number), make_step)
    journal.retain(after(0))
    jump = 3650 * DAY_NS
    for minute in range(59):
        now = after(minute * 60 * 10**9)
        assert journal.retain(Instant(mono_ns=now.mono_ns, utc_ns=now.utc_ns + jump)) is False
    for minute in range(59, 200):
        journal.retain(after(minute * 60 * 10**9))
    assert len(journal.page(10)) == 2


def test_a_journal_that_is_too_large_loses_its_oldest_ended_incidents(journal, path, make_decision, make_step):
    """The file stays within bytes_max however much is recorded; what is open, and the newest, stays."""
    still_open = make_decision(1)
    journal.record(still_open)
    for number in range(2, 1000):
        ended(journal, make_decision(number, detail=os.urandom(12_000).hex()), make_step)
        if number % 30 == 0:
            settle(journal, after(0))
    settle(journal, after(0))
    # Besides what was recorded between two looks: 30 decisions of 50 KiB.
    assert path.stat().st_size <= SMALL.bytes_max + (2 << 20)
    assert used_bytes(path) + SMALL.ballast_bytes <= SMALL.bytes_max
    left = ids(journal.page(1000))
    assert left[0] == still_open.decision_id
    assert left[1:] == [make_decision(number).decision_id for number in range(1001 - len(left), 1000)]
    assert len(left) > 150


def test_a_file_that_shrank_gives_its_room_back(path, make_decision, make_step):
    """After the bound was lowered the file on the disk is smaller, not only emptier."""
    with closing(Journal.open(path, replace_bounds(bytes_max=256 << 20))) as journal:
        for number in range(1, 160):
            journal.record(make_decision(number, detail=os.urandom(64_000).hex()))
            journal.append(make_step(make_decision(number), IncidentState.RESOLVED, "verified"))
    with closing(sqlite3.connect(path)) as stranger:
        stranger.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    before = path.stat().st_size
    with closing(Journal.open(path, SMALL)) as journal:
        settle(journal, after(0))
    with closing(sqlite3.connect(path)) as stranger:
        stranger.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert before > 36 << 20
    assert path.stat().st_size <= (16 << 20) + (8 << 20) + (2 << 20)


def replace_bounds(**fields):
    """Return the small configuration with other bounds."""
    return JournalConfig(**({name: getattr(SMALL, name) for name in SMALL.__struct_fields__} | fields))


def test_numbers_that_were_given_out_stay_behind_us(journal, path, make_decision, make_step):
    """The newest ids and the newest change survive any retention: nothing is numbered a second time."""
    for number in range(1, 50):
        ended(journal, make_decision(number), make_step)
    journal.rate(Rating(decision_id=make_decision(20).decision_id, good=True, note="", by="alice", at=START))
    newest_id, newest_change = journal.newest_id(), journal.newest_change()
    settle(journal, after(5000 * DAY_NS))
    assert (journal.newest_id(), journal.newest_change()) == (newest_id, newest_change)
    assert ids(journal.page(100)) == [make_decision(20).decision_id, make_decision(49).decision_id]
    assert [number for number, _ in journal.changes(0)][-1] == newest_change


def test_one_piece_of_work_is_bounded_and_says_that_more_is_left(journal, make_decision, make_step):
    """Hundreds of old incidents are removed in several pieces, each of which leaves the file sound."""
    for number in range(1, 701):
        ended(journal, make_decision(number), make_step)
    now = after(5000 * DAY_NS)
    journal.retain(Instant(mono_ns=now.mono_ns - HOUR_NS - 1, utc_ns=now.utc_ns - HOUR_NS - 1))
    assert journal.retain(now) is True
    assert 100 <= len(journal.page(1000)) < 300
    settle(journal, now)
    assert len(journal.page(1000)) == 1


def test_recording_goes_on_while_old_incidents_are_removed(journal, make_decision, make_step):
    """No decision waits long for retention, and none is lost to it."""
    for number in range(1, 301):
        ended(journal, make_decision(number), make_step)
    now = after(5000 * DAY_NS)
    thread = threading.Thread(target=settle, args=(journal, now))
    thread.start()
    longest = 0.0
    for number in range(2000, 2050):
        began = time.perf_counter()
        journal.record(make_decision(number, at=now))
        longest = max(longest, time.perf_counter() - began)
    thread.join()
    assert len(journal.unfinished()) == 50
    assert longest < 1.0


def test_a_retention_that_fails_raises_and_counts_anew(journal, path, make_decision, make_step):
    """A file that cannot be written is an error with a remedy; the next piece of work goes on."""
    for number in range(1, 101):
        decision = make_decision(number)
        ended(journal, decision, make_step, evidence(decision, 20_000))
    journal._writer.connection.execute("PRAGMA query_only = 1")
    with pytest.raises(JournalError, match="cannot remove what is old"):
        journal.retain(after(0))
    journal._writer.connection.execute("PRAGMA query_only = 0")
    settle(journal, after(0))
    assert journal.evidence(make_decision(1).decision_id).window is None


def test_lists_by_time_work_where_the_first_of_an_era_was_removed(journal, make_decision, make_step):
    """What is left is found by time as before."""
    for number in range(1, 41):
        back = 10 * HOUR_NS if number > 20 else 0
        at = after(number * HOUR_NS - back)
        ended(journal, make_decision(number, at=at), make_step)
    settle(journal, after(30 * DAY_NS + 18 * HOUR_NS))
    left = journal.page(100)
    assert 0 < len(left) < 40
    since = START.utc_ns + 20 * HOUR_NS
    assert [r.decision for r in journal.page(100, since_utc_ns=since)] == [
        r.decision for r in left if r.decision.at.utc_ns >= since
    ]
    assert journal.page(100, until_utc_ns=since, since_utc_ns=since) == []


def test_evidence_leaves_the_last_room_to_decisions(journal, make_decision):
    """While the reserve is short, a decision is recorded without what it was made from."""
    journal._writer.reserve.short = True
    decision = make_decision()
    journal.record(decision, evidence(decision, 100))
    assert journal.get(decision.decision_id).decision == decision
    assert journal.evidence(decision.decision_id) is None
