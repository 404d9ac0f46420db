"""The journal on a file system that is full; needs root to mount a small tmpfs."""

import os
import subprocess

import pytest

from orderd.domain.values import IncidentState
from orderd.errors import JournalError
from orderd.record import Journal

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a tmpfs")


@pytest.fixture
def small(tmp_path):
    """Return a folder on a file system of 24 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs here: {mounted.stderr.strip()}")
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
