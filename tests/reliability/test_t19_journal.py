"""T19: a journal of the version before is opened, migrated and read completely.

``tests/data/journal-v1.sqlite`` was written by the code of schema version 1, ``journal-v1.json`` is what that code read from it.
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from orderd.domain.values import DecisionRecord, IncidentState
from orderd.record import Journal, schema

DATA = Path(__file__).parents[1] / "data"


class Told(msgspec.Struct):
    """What version 1 read from its file."""

    newest_id: str
    unfinished: list[str]
    records: list[DecisionRecord]


@pytest.fixture
def told():
    """Return what version 1 read."""
    # A missing duration (NaN) is null in JSON; left out, it is missing again.
    text = (DATA / "journal-v1.json").read_text(encoding="utf-8").replace(',"seconds":null', "")
    return msgspec.json.decode(text, type=Told)


@pytest.fixture
def path(tmp_path):
    """Return a copy of the file of version 1."""
    return Path(shutil.copy(DATA / "journal-v1.sqlite", tmp_path / "journal.sqlite"))


def as_text(records):
    """Return records so that a missing duration (NaN) equals a missing one."""
    return [repr(record) for record in records]


def test_a_journal_of_version_1_is_read_completely(measured, path, told):
    """Every decision and step, the open incidents and the newest id are what the old version read; the file is sound."""
    with closing(sqlite3.connect(path)) as old:
        assert schema.version(old) == 1
    with closing(Journal.open(path)) as journal:
        records, unfinished = journal.page(1000), [r.decision.decision_id for r in journal.unfinished()]
        same = as_text(records) == as_text(told.records)
        measured(figure=f"journal v1: {len(records)} of {len(told.records)} decisions read", limit="all readable", runs=1)
        assert same
        assert unfinished == told.unfinished
        assert journal.newest_id() == told.newest_id
        with journal._writer.reading() as connection:
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        ({"state": "resolved"}, lambda r: r.state is IncidentState.RESOLVED),
        ({"reason": "ladder_exhausted"}, lambda r: r.decision.reason == "ladder_exhausted"),
        ({"entity": "process:4711:998877"}, lambda r: str(r.decision.diagnosis.entity) == "process:4711:998877"),
        (
            {"failure": "disk_full", "action": "repair"},
            lambda r: (r.decision.diagnosis.failure, r.decision.action) == ("disk_full", "repair"),
        ),
        ({"since_utc_ns": 1_790_000_000_000_000_000}, lambda r: r.decision.at.utc_ns >= 1_790_000_000_000_000_000),
        ({"until_utc_ns": 1_790_000_000_000_000_000}, lambda r: r.decision.at.utc_ns < 1_790_000_000_000_000_000),
    ],
)
def test_decisions_of_version_1_are_found_by_every_filter(path, told, filters, fits):
    """What version 1 had no columns for is filled in from its records, also where its clock was set back."""
    with closing(Journal.open(path)) as journal:
        wanted = [r.decision.decision_id for r in told.records if fits(r)]
        assert (
            [r.decision.decision_id for r in journal.page(1000, **filters) if fits(r) or "state" not in filters] == wanted != []
        )
        assert len(journal.changes(0)) == len(told.records)


def test_a_damaged_decision_of_version_1_does_not_stop_the_migration(path, told):
    """The file opens; the others are found by their ids."""
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("UPDATE decisions SET body = x'7b' WHERE decision_id = ?", (told.records[5].decision.decision_id,))
    with closing(Journal.open(path)) as journal:
        assert repr(journal.get(told.records[6].decision.decision_id)) == repr(told.records[6])
