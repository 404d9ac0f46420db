"""T3: the n-th write to the journal's file system fails, for each n from the first, with ENOSPC and EIO, once and for seconds.

The real loop, guard and journal in virtual time (`simworld`), on a healthy network: services fail one after the other, and are
repaired, until the write fails that is looked at; then one more fails, which has to be repaired within five seconds.
"""

import multiprocessing
import shutil
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from orderd.config.schema import JournalConfig
from orderd.errors import JournalError
from orderd.record import Journal

sys.path.insert(0, str(Path(__file__).parent))
import simtrials
import simworld

WRITES = 500
PROCESSES = 2
OUTAGE_S = 3.0


def test_it_stays_up_says_so_repairs_nothing_unrecorded_and_resumes(measured):
    """Whichever write fails: orderd goes on, says degraded, asks for no repair that is not durable, and repairs 5 s after."""
    trials = [
        (nth, error, outage_s) for nth in range(1, WRITES + 1) for error in simworld.WRITE_ERRORS for outage_s in (0.0, OUTAGE_S)
    ]
    root = tempfile.mkdtemp(prefix="orderd-sim-", dir=simworld.memory())
    try:
        tasks = [(trials[i::PROCESSES], root) for i in range(PROCESSES)]
        with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
            parts = list(pool.map(simtrials.run_trials, tasks))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    failed, did = [one for part in parts for one in part[0]], sum((part[1] for part in parts), Counter())
    happened = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in did.items())
    measured(
        figure=f"n = 1..{WRITES}, ENOSPC and EIO, once and for {OUTAGE_S:g} s: {len(failed)} findings; {happened}",
        limit="stays up, says degraded, never repairs unrecorded, resumes in 5 s",
        runs=len(trials),
    )
    assert not failed, "\n".join(failed[:40])
    assert did["degraded"] > len(trials) / 3


@pytest.mark.parametrize("error", sorted(simworld.WRITE_ERRORS))
def test_a_start_that_cannot_write_says_why(tmp_path, error):
    """The journal that cannot be made is refused with what to do; nothing half-made stands in the way of the next start."""
    (tmp_path / "0").mkdir()
    errors = simworld.WRITE_ERRORS[error]
    with simworld.SimDisk(tmp_path / "0") as disk:
        for nth in range(1, 60):
            path = tmp_path / "0" / f"{nth}.sqlite"
            began = disk.operations
            disk.fault = lambda kind, at=began + nth: errors[kind == "sync"] if disk.operations >= at else 0
            with pytest.raises(JournalError, match="free space" if error == "ENOSPC" else "check the disk"):
                Journal.open(path, JournalConfig(ballast_bytes=0))
            disk.works()
            Journal.open(path, JournalConfig(ballast_bytes=0)).close()
