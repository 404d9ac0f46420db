"""T14: a journal of a million decisions opens, is read by every filter at any place, and takes one more, without delay."""

import os
import random
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure
from orderd.domain.values import Action, Candidate, Decision, Diagnosis, IncidentState, Reason, Source, Step
from orderd.record import Journal, rows
from orderd.record.journal import intent

DECISIONS = int(os.environ.get("ORDERD_T14_DECISIONS", "1000000"))
OPEN = 50
PAGE = 50
TRIES = 150
PAGE_MS_MAX = 10.0
START_NS = 1_760_000_000_000_000_000
STEP_NS = 30 * 10**9
HOUR_NS = 3600 * 10**9
FAILURES = (Failure.SERVICE_DOWN, Failure.SERVICE_HUNG, Failure.SERVICE_CRASH_LOOP, Failure.DISK_FULL, Failure.CPU_RUNAWAY)
ENTITIES = tuple(Entity.parse(f"unit:service-{number}.service") for number in range(80))
WAITS = (Reason.COOLDOWN, Reason.HELD, Reason.MODE_APPROVE, Reason.CAUSE_FIRST, Reason.HOST_BUSY)


def make(number: int, chance: random.Random) -> tuple[Decision, IncidentState]:
    """Return the n-th decision, and how its incident ended."""
    utc_ns = START_NS + number * STEP_NS - (HOUR_NS if number > DECISIONS // 3 else 0)
    at = Instant(mono_ns=number * STEP_NS, utc_ns=utc_ns)
    action = chance.choices((Action.REPAIR, Action.WAIT, Action.ESCALATE), (6, 3, 1))[0]
    tick = (START_NS + number * STEP_NS) // 1_000_000
    decision = Decision(
        decision_id=f"d{tick:012x}{chance.randrange(1 << 16):04x}",
        incident_id=f"i{tick - 1:012x}{chance.randrange(1 << 16):04x}",
        at=at,
        detected_at=at,
        diagnosis=Diagnosis(
            failure=chance.choices(FAILURES, (60, 20, 10, 9, 1))[0],
            entity=chance.choice(ENTITIES),
            probability=0.97,
            source=Source.MODEL,
            evidence="unit_active_ratio 0, probe_ok_ratio 0",
        ),
        other_diagnosis=None,
        action=action,
        repair="service_start" if action is Action.REPAIR else "",
        reason=Reason.ALLOWED if action is Action.REPAIR else chance.choice(WAITS),
        detail="first usable rung of the ladder",
        candidates=(Candidate(repair="service_start", rung=0), Candidate(repair="service_restart", rung=1)),
        model_version="1",
        provider="CPUExecutionProvider",
    )
    if action is Action.ESCALATE:
        return decision, IncidentState.ESCALATED
    if number >= DECISIONS - OPEN:
        return decision, intent(decision).state
    return decision, chance.choices((IncidentState.RESOLVED, IncidentState.CLOSED, IncidentState.ESCALATED), (90, 9, 1))[0]


class Bulk:
    """Fills a journal with what the real encoders make, without an index until the end."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.kinds: dict[tuple, int] = {}
        self.entities: dict[str, int] = {}

    def fill(self) -> None:
        """Insert everything, then make the indexes again."""
        indexes = self.connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "foreign_keys = OFF", "cache_size = -200000"):
            self.connection.execute(f"PRAGMA {pragma}").fetchall()
        for name, _ in indexes:
            self.connection.execute(f"DROP INDEX {name}")
        chance = random.Random(14)
        self.connection.execute("BEGIN")
        for start in range(0, DECISIONS, 20_000):
            self._chunk(start, min(start + 20_000, DECISIONS), chance)
        for words, kind in self.kinds.items():
            self.connection.execute("INSERT INTO kinds VALUES (?, ?, ?, ?, ?)", (kind, *words))
        self.connection.executemany("INSERT INTO entities VALUES (?, ?)", [(n, name) for name, n in self.entities.items()])
        self.connection.executemany("INSERT INTO eras VALUES (?)", [(1,), (DECISIONS // 3 + 2,)])
        for _, sql in indexes:
            self.connection.execute(sql)
        self.connection.execute("COMMIT")
        self.connection.execute("PRAGMA journal_mode = WAL").fetchall()

    def _chunk(self, start: int, end: int, chance: random.Random) -> None:
        decisions, steps, entries, incidents = [], [], [], []
        for number in range(start, end):
            decision, state = make(number, chance)
            name, failure = str(decision.diagnosis.entity), str(decision.diagnosis.failure)
            words = (failure, str(decision.action), str(decision.reason), str(state))
            kind = self.kinds.setdefault(words, len(self.kinds) + 1)
            entity = self.entities.setdefault(name, len(self.entities) + 1)
            incidents.append((decision.incident_id, str(state), int(state.terminal), failure, name))
            decisions.append((number + 1, decision.decision_id, decision.incident_id, rows.encode(decision)))
            entries.append((number + 1, kind, entity, decision.at.utc_ns, number + 1))
            first = intent(decision)
            steps.append((decision.decision_id, 0, first.at.mono_ns, first.at.utc_ns, str(first.state), "intent", first.detail))
            if state is not first.state:
                later = (decision.at.mono_ns + 10**9, decision.at.utc_ns + 10**9)
                steps.append((decision.decision_id, 1, *later, str(state), "verified", "healthy and stayed healthy"))
        many = self.connection.executemany
        many("INSERT INTO incidents VALUES (?, ?, ?, ?, ?)", incidents)
        many("INSERT INTO decisions VALUES (?, ?, ?, ?)", decisions)
        many("INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)", steps)
        many("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", entries)


@pytest.fixture(scope="module")
def large():
    """Return the path of a journal of a million decisions, and the processor seconds it took to make; removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="orderd-t14-", dir="/var/tmp"))
    try:
        path, began = folder / "journal.sqlite", time.process_time()
        Journal.open(path).close()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            Bulk(connection).fill()
        Journal.open(path).close()  # makes its reserve anew, as a journal in use has it
        yield path, time.process_time() - began
    finally:
        shutil.rmtree(folder)


def clock():
    """Return the clock to measure by: where programs wait for processors, only our own time says anything of the journal."""
    return time.thread_time if os.getloadavg()[0] > (os.cpu_count() or 1) else time.perf_counter


def p99_ms(work, rounds: int = 1) -> float:
    """Return the 99th percentile of what a call takes.

    Args:
        work: the call, given its number.
        rounds: how often to measure where the limit is missed: the least counts, because other programs only ever add.
    """
    found, now = [], clock()
    for _ in range(rounds):
        times = []
        for number in range(TRIES):
            began = now()
            work(number)
            times.append(1e3 * (now() - began))
        found.append(sorted(times)[int(TRIES * 0.99)])
        if found[-1] <= PAGE_MS_MAX:
            break
    return min(found)


FILTERS = {
    "none": {},
    "failure": {"failure": "service_down"},
    "rare failure": {"failure": "cpu_runaway"},
    "action": {"action": "escalate"},
    "entity": {"entity": str(ENTITIES[7])},
    "state": {"state": "escalated"},
    "open": {"state": "waiting"},
    "reason": {"reason": "cause_first"},
    "no such": {"failure": "service_masked"},
    "never together": {"failure": "cpu_runaway", "reason": "held", "action": "repair"},
    "seldom together": {"failure": "cpu_runaway", "reason": "held", "state": "escalated", "entity": str(ENTITIES[3])},
    "state and entity": {"state": "closed", "entity": str(ENTITIES[5])},
}


@pytest.mark.long
def test_a_million_decisions_are_no_burden(measured, large):
    """Pages by every filter and from any place take 10 ms, a start half a second, one more decision a commit."""
    path, built_s = large
    load = os.getloadavg()[0]
    began = time.perf_counter()
    journal = Journal.open(path)
    unfinished, newest = journal.unfinished(), journal.newest_id()
    start_ms = 1e3 * (time.perf_counter() - began)
    chance = random.Random(1)
    with closing(journal), closing(sqlite3.connect(path)) as stranger:
        places = [
            stranger.execute(
                "SELECT decision_id FROM decisions WHERE number = ?", (chance.randrange(1, DECISIONS + 1),)
            ).fetchone()[0]
            for _ in range(TRIES)
        ]
        pages = {name: p99_ms(lambda n, f=f: journal.page(PAGE, places[n], **f), rounds=3) for name, f in FILTERS.items()}
        span = DECISIONS * STEP_NS
        times = [START_NS + chance.randrange(span) for _ in range(TRIES)]
        pages["since, until"] = p99_ms(
            lambda n: journal.page(PAGE, since_utc_ns=times[n], until_utc_ns=times[n] + 6 * HOUR_NS), rounds=3
        )
        pages["until, failure"] = p99_ms(lambda n: journal.page(PAGE, until_utc_ns=times[n], failure="disk_full"), rounds=3)
        pages["since, never"] = p99_ms(lambda n: journal.page(PAGE, since_utc_ns=times[n], reason="denied"), rounds=3)
        others = {
            "get": p99_ms(lambda n: journal.get(places[n]), rounds=3),
            "find the end": p99_ms(lambda n: journal.find(places[n][-6:]), rounds=3),
            "find a short end": p99_ms(lambda n: journal.find(places[n][-2:]), rounds=3),
            "find the beginning": p99_ms(lambda n: journal.find(places[n][:12]), rounds=3),
            "changes": p99_ms(lambda n: journal.changes(chance.randrange(DECISIONS), 50), rounds=3),
        }
        fresh = [make(DECISIONS + n, chance)[0] for n in range(TRIES)]
        record_ms = p99_ms(lambda n: journal.record(replace(fresh[n], detail="one more")))
        append_ms = p99_ms(
            lambda n: (
                fresh[n].action is Action.ESCALATE
                or journal.append(
                    Step(decision_id=fresh[n].decision_id, at=fresh[n].at, state=IncidentState.RESOLVED, what="verified")
                )
            )
        )
    worst = max(pages, key=pages.get)
    per_decision = path.stat().st_size / DECISIONS
    measured(
        figure=f"{DECISIONS} decisions, {per_decision:.0f} bytes each, built in {built_s:.0f} s: "
        f"slowest page p99 {pages[worst]:.1f} ms ({worst}), start {start_ms:.0f} ms, "
        f"record p99 {record_ms:.1f} ms, append p99 {append_ms:.1f} ms, "
        + ", ".join(f"{name} {ms:.1f} ms" for name, ms in others.items())
        + (f"; by our own time, the load being {load:.0f}" if load > (os.cpu_count() or 1) else ""),
        limit="page <= 10 ms p99, start <= 500 ms",
        runs=TRIES * len(pages),
    )
    assert 0 < len(unfinished) <= OPEN
    assert newest.startswith("d")
    assert {name: round(ms, 1) for name, ms in pages.items() if ms > PAGE_MS_MAX} == {}
    assert {name: round(ms, 1) for name, ms in others.items() if ms > PAGE_MS_MAX} == {}
    assert start_ms <= 500
    assert max(record_ms, append_ms) <= 250
    assert built_s < 90
