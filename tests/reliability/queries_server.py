"""The server process of T16: orderd's own gRPC server over a real journal, to which decisions are written meanwhile.

Usage: ``queries_server.py FOLDER DECISIONS PER_S``. Prints some ids once it serves, ends at the end of standard input. What is
imagined is the host: a dozen entities with all their signals.
"""

import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from orderd.config.schema import RpcConfig
from orderd.domain.clock import Instant, SystemClock
from orderd.domain.faults import Entity, Failure
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from orderd.domain.status import HostStatus
from orderd.domain.values import (
    Action,
    Candidate,
    Decision,
    Diagnosis,
    EntityRow,
    IncidentState,
    Mode,
    ModelInfo,
    Reason,
    RepairOutcome,
    Sample,
    Source,
    Step,
)
from orderd.record import DecisionHub, DecisionIds, Journal, JournalReader
from orderd.rpc import serve

UNITS = tuple(Entity.parse(f"unit:service-{n}.service") for n in range(12))
STEPS = (("started", IncidentState.REPAIRING), ("finished", IncidentState.VERIFYING), ("verified", IncidentState.RESOLVED))


class Host:
    """A view of a host that is in order."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.start = self.clock.now()

    def status(self) -> HostStatus:
        """Return the host."""
        now = self.clock.now()
        rows = tuple(EntityRow(entity=unit, values=(0.5,) * len(ENTITY_SIGNALS)) for unit in UNITS)
        return HostStatus(
            at=now,
            version="0.1",
            host_id="h",
            hostname="web-3",
            mode=Mode.AUTO,
            uptime_s=now.seconds_since(self.start),
            model=ModelInfo(loaded=True, version="1", sha256="ab" * 32, provider="CPUExecutionProvider"),
            newest=Sample(at=now, cause="timer", host=(0.5,) * len(HOST_SIGNALS), entities=rows),
            repairs=("start", "unmask_start"),
        )

    def ratings(self, decision_id):
        """Return none."""
        return ()

    def bundle(self, incident_id):
        """Return none."""
        return ""


class Writer:
    """Records one repaired incident after the other."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.clock = SystemClock()
        self.ids = DecisionIds(self.clock, after=journal.newest_id())

    def decision(self, number: int) -> Decision:
        """Return a decision as the loop makes them."""
        now = self.clock.now()
        diagnosis = Diagnosis(
            failure=Failure.SERVICE_DOWN if number % 2 else Failure.SERVICE_HUNG,
            entity=UNITS[number % len(UNITS)],
            probability=0.97,
            source=Source.MODEL,
            evidence="unit_active_ratio 0, probe_ok_ratio 0",
        )
        return Decision(
            decision_id=self.ids.decision(),
            incident_id=self.ids.incident(),
            at=now,
            detected_at=replace(now, mono_ns=now.mono_ns - 50_000_000),
            diagnosis=diagnosis,
            other_diagnosis=replace(diagnosis, source=Source.RULES, probability=1.0),
            action=Action.REPAIR,
            repair="start",
            reason=Reason.ALLOWED,
            detail="first usable rung",
            candidates=(
                Candidate(repair="start", rung=0, reason=Reason.ALLOWED),
                Candidate(repair="unmask_start", rung=1, refused_because="unit_masked_ratio eq 1"),
            ),
            model_version="1",
            provider="CPUExecutionProvider",
        )

    def steps(self, decision: Decision):
        """Yield what happens to it."""
        for what, state in STEPS:
            outcome = RepairOutcome.SUCCEEDED if what == "finished" else None
            at: Instant = self.clock.now()
            yield Step(decision_id=decision.decision_id, at=at, state=state, what=what, detail="as it should", outcome=outcome)

    def fill(self, count: int) -> list[str]:
        """Record many at once; only this is done without waiting for the disk."""
        self.journal._writer.connection.execute("PRAGMA synchronous = OFF")
        ids = []
        for number in range(count):
            decision = self.journal.record(self.decision(number)).decision
            ids.append(decision.decision_id)
            for step in self.steps(decision):
                self.journal.append(step)
        self.journal._writer.connection.execute("PRAGMA synchronous = FULL")
        return ids[:: max(1, count // 50)]

    async def go_on(self, hub: DecisionHub, per_s: float) -> None:
        """Record incidents on the event loop, as the daemon does, until cancelled."""
        number, pause_s = 0, 1 / per_s / (len(STEPS) + 1)
        while True:
            number += 1
            decision = self.decision(number)
            hub.publish(self.journal.record(decision))
            for step in self.steps(decision):
                await asyncio.sleep(pause_s)
                hub.publish(self.journal.append(step))
            await asyncio.sleep(pause_s)


async def main(folder: Path, count: int, per_s: float) -> None:
    """Serve until standard input ends."""
    journal = Journal.open(folder / "journal.sqlite")
    writer = Writer(journal)
    ids = writer.fill(count)
    config = RpcConfig(socket=str(folder / "o.sock"))
    hub = DecisionHub(config.watchers_max)
    server = await serve(config, JournalReader.open(folder / "journal.sqlite"), hub, Host(), kept=journal.kept)
    writing = asyncio.create_task(writer.go_on(hub, per_s))
    sys.stdout.write(json.dumps({"ids": ids}) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    writing.cancel()
    await server.stop(0.1)


if __name__ == "__main__":
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
