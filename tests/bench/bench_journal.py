"""What a durable decision costs, and whether a large journal stays quick to open and to page through.

Each commit is compared with a bare fsync of as many bytes on the same file system in the same run: disks differ, ratios less.

Usage: python tests/bench/bench_journal.py [--decisions N] [--folder FOLDER] [--json]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from orderd.domain.clock import SystemClock
from orderd.domain.faults import Entity, Failure
from orderd.domain.values import Action, Candidate, Decision, Diagnosis, IncidentState, Reason, Source, Step
from orderd.record import DecisionIds, Journal, rows

COMMITS = 300
PAGES = 200
BYTES = 8192
"""What one commit appends to the write-ahead log, about."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=100_000, help="size of the large journal")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="on the file system to measure")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="orderd-bench-", dir=arguments.folder) as folder:
        figures = {"fsync_ms": _fsync(Path(folder) / "plain")} | _commits(Path(folder) / "small.sqlite")
        figures |= _large(Path(folder) / "large.sqlite", arguments.decisions)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<24} {value:10.3f}" if isinstance(value, float) else f"{name:<24} {value:10d}")
    return 0


def _times_ms(work: Callable[[int], object], count: int) -> list[float]:
    times = []
    for number in range(count):
        began = time.perf_counter()
        work(number)
        times.append((time.perf_counter() - began) * 1e3)
    return sorted(times)


def _fsync(path: Path) -> float:
    with path.open("wb", buffering=0) as file:

        def work(_: int) -> None:
            file.write(bytes(BYTES))
            os.fdatasync(file.fileno())

        return statistics.median(_times_ms(work, COMMITS))


def _decision(ids: DecisionIds, clock: SystemClock) -> Decision:
    now = clock.now()
    diagnosis = Diagnosis(
        failure=Failure.SERVICE_DOWN,
        entity=Entity.parse("unit:nginx.service"),
        probability=0.97,
        source=Source.MODEL,
        evidence="unit_active_ratio 0, probe_ok_ratio 0",
    )
    return Decision(
        decision_id=ids.decision(),
        incident_id=ids.incident(),
        at=now,
        detected_at=now,
        diagnosis=diagnosis,
        other_diagnosis=replace(diagnosis, source=Source.RULES, probability=1.0),
        action=Action.REPAIR,
        repair="start",
        reason=Reason.ALLOWED,
        detail="first usable rung of the ladder",
        candidates=tuple(Candidate(repair=f"repair_{i}", rung=i) for i in range(4)),
        model_version="1",
        provider="CPUExecutionProvider",
    )


def _commits(path: Path) -> dict[str, float]:
    clock = SystemClock()
    journal, ids = Journal.open(path), DecisionIds(clock)
    decisions = [_decision(ids, clock) for _ in range(COMMITS)]
    record = _times_ms(lambda n: journal.record(decisions[n]), COMMITS)
    append = _times_ms(lambda n: journal.append(_end(decisions[n])), COMMITS)
    journal.close()
    return {
        "record_ms": statistics.median(record),
        "record_p99_ms": record[int(COMMITS * 0.99)],
        "append_ms": statistics.median(append),
        "append_p99_ms": append[int(COMMITS * 0.99)],
    }


def _end(decision: Decision) -> Step:
    return Step(decision_id=decision.decision_id, at=decision.at, state=IncidentState.RESOLVED, what="verified")


def _fill(path: Path, decisions: int) -> None:
    """Write a large journal in a few large transactions; one commit each would measure the disk all over again."""
    clock = SystemClock()
    journal, ids = Journal.open(path), DecisionIds(clock)
    for start in range(0, decisions, 10_000):
        with journal._writer.transaction("fill the journal") as connection:
            for _ in range(start, min(start + 10_000, decisions)):
                decision = _decision(ids, clock)
                journal._open_incident(connection, decision)
                journal._move(connection, decision.incident_id, _end(decision))
                rows.insert_decision(connection, decision, IncidentState.RESOLVED)
                rows.insert_step(connection, _end(decision))
    journal.close()


def _large(path: Path, decisions: int) -> dict[str, float]:
    _fill(path, decisions)
    began = time.perf_counter()
    journal = Journal.open(path)
    journal.newest_id()
    journal.unfinished()
    opened = time.perf_counter() - began
    token = ""

    def page(_: int) -> None:
        nonlocal token
        token = journal.page(50, token)[-1].decision.decision_id

    pages = _times_ms(page, min(PAGES, decisions // 50))
    rare = _times_ms(lambda _: journal.page(50, failure=Failure.DISK_FULL, action=Action.WAIT), PAGES)
    journal.close()
    return {
        "decisions": decisions,
        "file_mib": path.stat().st_size / (1 << 20),
        "open_ms": opened * 1e3,
        "page_50_ms": statistics.median(pages),
        "page_50_p99_ms": pages[int(len(pages) * 0.99)],
        "page_rare_p99_ms": rare[int(PAGES * 0.99)],
    }


if __name__ == "__main__":
    sys.exit(main())
