"""The journal on a file system that is full; needs root to mount a small tmpfs."""

import contextlib
import os
import subprocess

import pytest

from orderd.config.schema import JournalConfig
from orderd.domain.clock import Instant
from orderd.domain.values import Evidence, IncidentState
from orderd.errors import JournalError
from orderd.record import Journal

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a tmpfs")


@pytest.fixture
def small(tmp_path):
    """Return a folder on a file system of 24 MiB."""
    yield from mounted(tmp_path / "small", "24m")


@pytest.fixture
def larger(tmp_path):
    """Return a folder on a file system of 64 MiB."""
    yield from mounted(tmp_path / "larger", "64m")


def mounted(folder, size):
    """Mount a file system in memory for as long as a test lasts."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no tmpfs here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder) -> None:
    """Take every byte that is left."""
    with (folder / "filler").open("ab", buffering=0) as filler:
        for size in (1 << 20, 4096, 1):
            while True:
                try:
                    if filler.write(b"x" * size) < size:
                        break
                except OSError:
                    break


def test_decisions_are_recorded_on_a_full_disk(small, make_decision, make_step):
    """Two hundred incidents from start to end are durable after the last byte of the file system is gone."""
    journal = Journal.open(small / "journal.sqlite")
    fill(small)
    assert os.statvfs(small).f_bavail == 0
    for number in range(1, 201):
        decision = make_decision(number)
        journal.record(decision)
        journal.append(make_step(decision, IncidentState.RESOLVED, "verified"))
    assert len(journal.page(1000)) == 200
    journal.close()


def test_a_daemon_that_starts_on_a_full_disk_can_record(small, make_decision):
    """The room is still the journal's after a restart with the disk full all the while."""
    journal = Journal.open(small / "journal.sqlite")
    fill(small)
    journal.record(make_decision(1))
    journal.close()
    fill(small)
    again = Journal.open(small / "journal.sqlite")
    again.record(make_decision(2))
    assert len(again.page(10)) == 2
    again.close()


def test_a_spent_reserve_is_an_error_and_writing_resumes_with_the_first_free_space(small, make_decision):
    """When even the reserve is used up, record raises with a remedy and loses nothing; freeing space is all it takes."""
    journal = Journal.open(small / "journal.sqlite")
    fill(small)
    recorded = 0
    with pytest.raises(JournalError, match="free space"):  # noqa: PT012 - until it is full
        while recorded < 100_000:
            journal.record(make_decision(recorded + 1, detail="x" * 20_000))
            recorded += 1
    assert len(journal.page(1000)) == recorded > 50
    (small / "filler").unlink()
    journal.record(make_decision(recorded + 1))
    assert len(journal.page(1000)) == recorded + 1
    journal.close()


def recorded_when_full(folder, config, make_decision, evidence=None) -> int:
    """Return how many decisions are recorded after the last byte of the file system is gone."""
    journal = Journal.open(folder / "journal.sqlite", config)
    fill(folder)
    assert os.statvfs(folder).f_bavail == 0
    count = 0
    with contextlib.suppress(JournalError):
        while count < 100_000:
            decision = make_decision(count + 1)
            journal.record(decision, evidence and evidence(decision))
            count += 1
    assert len(journal.changes(0)) == min(count, 1000)
    assert journal.newest_change() == count
    journal.close()
    return count


def test_the_ballast_is_as_large_as_the_configuration_says(larger, make_decision):
    """On a full file system sixteen times the ballast holds many times the decisions: thousands with the default."""
    counts = []
    for mebibytes in (1, 16):
        config = JournalConfig(ballast_bytes=mebibytes << 20)
        counts.append(recorded_when_full(larger, config, make_decision))
        for file in larger.iterdir():
            file.unlink()
    assert counts[0] > 300
    assert counts[1] > 10 * counts[0]
    assert counts[1] > 5000


def test_evidence_does_not_use_up_the_room_that_decisions_need(larger, make_decision):
    """On a full file system decisions go on being recorded when there is no room left for what they were made from."""

    def evidence(decision):
        return Evidence(decision_id=decision.decision_id, window=os.urandom(30_000), scores=None, facts=b"{}")

    count = recorded_when_full(larger, JournalConfig(ballast_bytes=16 << 20), make_decision, evidence)
    assert count > 2000


def test_retention_frees_room_on_a_full_disk(larger, make_decision, make_step):
    """What may go makes room for what comes: many times the reserve is recorded while the disk is full all along."""
    config = JournalConfig(ballast_bytes=4 << 20, bytes_max=16 << 20)
    journal = Journal.open(larger / "journal.sqlite", config)
    fill(larger)
    now = Instant(mono_ns=10**16, utc_ns=make_decision().at.utc_ns + 10**18)
    journal.retain(Instant(mono_ns=now.mono_ns - 3601 * 10**9, utc_ns=now.utc_ns - 3601 * 10**9))
    for number in range(1, 1501):
        decision = make_decision(number, detail="x" * 5_000)
        journal.record(decision)
        journal.append(make_step(decision, IncidentState.RESOLVED, "verified"))
        while number % 100 == 0 and journal.retain(now):
            pass
    assert journal.newest_id()[1:] == make_decision(1500).decision_id[1:]
    journal.close()
