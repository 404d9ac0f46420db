"""The journal on real SQLite files."""

import os
import sqlite3
import stat
import threading
from contextlib import closing

import pytest

from orderd.domain.faults import Failure
from orderd.domain.values import Action, IncidentState, RepairOutcome
from orderd.errors import JournalError
from orderd.record import Journal, JournalReader, schema
from orderd.record.reserve import CHECK_EVERY, RESERVE_BYTES


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


def test_a_decision_comes_back_with_its_steps_after_reopening(path, make_decision, make_step):
    """What was recorded is read back equal by the next run, NaN and outcomes included."""
    decision = make_decision()
    first = Journal.open(path)
    first.record(decision)
    finished = make_step(decision, IncidentState.VERIFYING, "finished", seconds=0.25)
    first.append(finished)
    first.close()
    second = Journal.open(path)
    record = second.get(decision.decision_id)
    second.close()
    assert record.decision == decision
    assert [step.what for step in record.steps] == ["intent", "finished"]
    assert record.steps[1] == finished
    assert record.steps[1].outcome is RepairOutcome.SUCCEEDED
    assert record.state is IncidentState.VERIFYING


@pytest.mark.parametrize(
    ("action", "state"),
    [
        (Action.REPAIR, IncidentState.REPAIRING),
        (Action.WAIT, IncidentState.WAITING),
        (Action.ESCALATE, IncidentState.ESCALATED),
    ],
)
def test_the_intent_puts_the_incident_into_the_state_of_the_action(journal, make_decision, action, state):
    """The first step is written with the decision and says what orderd is about to do."""
    record = journal.record(make_decision(action=action))
    assert record.state is state
    assert journal.get(record.decision.decision_id) == record


def test_an_incident_ends_exactly_once(journal, make_decision, make_step):
    """After a terminal step every further step, and every further decision of that incident, is refused."""
    decision = make_decision()
    journal.record(decision)
    journal.append(make_step(decision, IncidentState.RESOLVED, "verified"))
    with pytest.raises(JournalError, match="has ended already"):
        journal.append(make_step(decision, IncidentState.ESCALATED, "closed"))
    with pytest.raises(JournalError, match="has ended already"):
        journal.record(make_decision(2, incident_id=decision.incident_id))
    assert [step.what for step in journal.get(decision.decision_id).steps] == ["intent", "verified"]
    assert journal.get(make_decision(2).decision_id) is None


def test_the_database_itself_refuses_a_second_end(journal, path, make_decision, make_step):
    """Another program with a handle on the file cannot reopen an incident or change a step."""
    decision = make_decision(action=Action.ESCALATE)
    journal.record(decision)
    stranger = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="already ended"):
        stranger.execute("UPDATE incidents SET terminal = 0, state = 'open'")
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        stranger.execute("UPDATE steps SET what = 'nothing'")
    stranger.close()


def test_a_step_without_its_decision_is_refused(journal, make_decision, make_step):
    """Nothing happens to a decision that was never recorded."""
    with pytest.raises(JournalError, match="there is no decision"):
        journal.append(make_step(make_decision(), IncidentState.REPAIRING, "started"))


def test_a_decision_is_recorded_once(journal, make_decision):
    """The same id twice is an error and leaves the first as it was."""
    first = journal.record(make_decision())
    with pytest.raises(JournalError):
        journal.record(make_decision(detail="another"))
    assert journal.get(first.decision.decision_id) == first


def test_pages_go_from_newest_to_oldest_without_gaps(journal, make_decision):
    """Walking pages of three meets every decision once, newest first, also while newer ones arrive."""
    for number in range(1, 11):
        journal.record(make_decision(number))
    seen, before = [], ""
    while page := journal.page(3, before):
        seen += [record.decision.decision_id for record in page]
        before = seen[-1]
        journal.record(make_decision(100 + len(seen)))
    assert seen == [make_decision(number).decision_id for number in range(10, 0, -1)]


def test_pages_are_filtered_by_failure_and_action(journal, make_decision):
    """Each filter alone and both together return only what fits."""
    masked = make_decision(1).diagnosis.__class__(
        failure=Failure.SERVICE_MASKED,
        entity=make_decision(1).diagnosis.entity,
        probability=1.0,
        source=make_decision(1).diagnosis.source,
    )
    journal.record(make_decision(1))
    journal.record(make_decision(2, diagnosis=masked))
    journal.record(make_decision(3, diagnosis=masked, action=Action.WAIT, repair=""))

    def numbers(**filters):
        return [int(record.decision.decision_id[1:13], 16) for record in journal.page(10, **filters)]

    assert numbers(failure="service_masked") == [3, 2]
    assert numbers(action="repair") == [2, 1]
    assert numbers(failure="service_masked", action="wait") == [3]
    assert numbers(failure="disk_full") == []


def test_unfinished_names_the_newest_decision_of_every_open_incident(journal, make_decision, make_step):
    """Recovery gets one record per incident that has not ended, oldest first."""
    done, first_try, second_try, other = (
        make_decision(1),
        make_decision(2),
        make_decision(3, incident_id=make_decision(2).incident_id),
        make_decision(4),
    )
    for decision in (done, first_try, second_try, other):
        journal.record(decision)
    journal.append(make_step(done, IncidentState.RESOLVED, "verified"))
    assert [record.decision for record in journal.unfinished()] == [second_try, other]
    assert [record.decision for record in journal.incident(first_try.incident_id)] == [first_try, second_try]


def test_the_newest_id_is_that_of_a_decision_or_an_incident(journal, make_decision):
    """Whichever was given out last counts, so that new ids sort after both."""
    assert journal.newest_id() == ""
    journal.record(make_decision(5, incident_id="i0000000000090000"))
    assert journal.newest_id() == "i0000000000090000"


def test_a_reader_sees_what_is_recorded_while_it_is_open(journal, path, make_decision):
    """A read-only reader follows the writer without either waiting for the other, and cannot write."""
    reader = JournalReader.open(path)
    record = journal.record(make_decision())
    assert reader.get(record.decision.decision_id) == record
    with pytest.raises(sqlite3.OperationalError):
        reader._connection.execute("DELETE FROM decisions")
    reader.close()


def test_many_threads_share_one_journal(journal, make_decision, make_step):
    """Writers and readers in eight threads lose nothing."""

    def work(offset):
        for number in range(offset, offset + 20):
            decision = make_decision(number)
            journal.record(decision)
            journal.append(make_step(decision, IncidentState.RESOLVED, "verified"))
            journal.page(5)

    threads = [threading.Thread(target=work, args=(1 + 100 * i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.page(1000)) == 160
    assert journal.unfinished() == []


def test_the_file_is_not_for_everybody(journal, path):
    """The journal and its log are readable by user and group alone."""
    modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {0o640}


def test_a_probability_that_is_no_number_is_not_recorded(journal, make_decision):
    """NaN raises before anything is written: it could never be read back."""
    diagnosis = make_decision().diagnosis
    nan = diagnosis.__class__(
        failure=diagnosis.failure, entity=diagnosis.entity, probability=float("nan"), source=diagnosis.source
    )
    with pytest.raises(JournalError, match="probability"):
        journal.record(make_decision(diagnosis=nan))


def test_a_newer_journal_is_refused_with_a_remedy(path):
    """A file of a later version is neither read nor touched."""
    Journal.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    connection.close()
    for opener in (Journal, JournalReader):
        with pytest.raises(JournalError, match=r"newer orderd.*move the file aside"):
            opener.open(path)


def test_a_failed_migration_leaves_the_file_as_it_was(path):
    """Half a migration is no migration: the version stays and the next start tries again."""
    connection = sqlite3.connect(path, isolation_level=None)
    schema.migrate(connection, str(path))
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection, str(path), (*schema.MIGRATIONS, "CREATE TABLE extra (x); NONSENSE;"))
    assert schema.version(connection) == len(schema.MIGRATIONS)
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'extra'").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda p: p.write_bytes(b"not a database, but long enough to be looked at" * 100), "another file"),
        (lambda p: p.mkdir(), "cannot open it"),
        (lambda p: p.parent.rmdir(), "create its folder"),
    ],
)
def test_what_cannot_be_a_journal_is_refused_with_path_and_remedy(tmp_path, prepare, said):
    """A foreign file, a folder and a missing folder raise JournalError that names the path and what to do."""
    path = tmp_path / "folder" / "journal.sqlite"
    path.parent.mkdir()
    prepare(path)
    with pytest.raises(JournalError, match=said) as caught:
        Journal.open(path)
    assert str(path) in str(caught.value)


def read_all(path) -> None:
    """Read everything there is."""
    with closing(JournalReader.open(path)) as reader:
        reader.page(1000)
        reader.unfinished()


def test_a_damaged_page_is_an_error_with_a_remedy(path, make_decision):
    """Bytes overwritten in the middle of the file raise JournalError, not something else."""
    journal = Journal.open(path)
    for number in range(1, 50):
        journal.record(make_decision(number))
    journal.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(16 * 4096))
    with pytest.raises(JournalError, match="move it aside"):
        read_all(path)


def test_the_journal_keeps_room_inside_itself(journal, path):
    """The reserve is real blocks of the file and of its log, not holes."""
    assert journal._writer.reserve.free_pages() * 4096 >= RESERVE_BYTES * 0.9
    log = path.with_name(path.name + "-wal")
    assert min(path.stat().st_blocks, log.stat().st_blocks) * 512 >= RESERVE_BYTES * 0.9


def test_the_log_keeps_its_room_over_a_restart(path):
    """Closing leaves the write-ahead log in place: a daemon that starts on a full disk can record at once."""
    Journal.open(path).close()
    log = path.with_name(path.name + "-wal")
    assert log.stat().st_blocks * 512 >= RESERVE_BYTES * 0.9


def test_the_reserve_is_filled_again_after_it_was_used(journal, make_decision):
    """A journal that has grown into its reserve makes a new one once there is space."""
    for number in range(1, CHECK_EVERY + 1):
        journal.record(make_decision(number, detail="x" * 20_000))
    assert journal._writer.reserve.free_pages() * 4096 >= RESERVE_BYTES * 0.9
