"""The journal when its process is killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from orderd.record import Journal

WRITER = """
import dataclasses, json, sys
from orderd.domain.clock import SystemClock
from orderd.domain.faults import Entity, Failure
from orderd.domain.values import *
from orderd.record import DecisionIds, Journal
journal, clock = Journal.open(sys.argv[1]), SystemClock()
ids = DecisionIds(clock, journal.newest_id())
diagnosis = Diagnosis(failure=Failure.SERVICE_DOWN, entity=Entity.parse("unit:a.service"), probability=1.0, source=Source.RULES)
print("ready", flush=True)
while True:
    now = clock.now()
    decision = Decision(decision_id=ids.decision(), incident_id=ids.incident(), at=now, detected_at=now, diagnosis=diagnosis,
        other_diagnosis=None, action=Action.REPAIR, repair="start", reason=Reason.ALLOWED, detail="", candidates=(),
        model_version="", provider="")
    journal.record(decision)
    print(json.dumps([decision.decision_id, "intent"]), flush=True)
    journal.append(Step(decision_id=decision.decision_id, at=now, state=IncidentState.RESOLVED, what="verified"))
    print(json.dumps([decision.decision_id, "verified"]), flush=True)
"""


def acknowledged(path, life_s: float) -> list[list[str]]:
    """Run a writer, kill it after a while, and return what it was told is durable."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "ready\n"
        time.sleep(life_s)
        os.kill(writer.pid, signal.SIGKILL)
        lines = writer.stdout.read().split("\n")
    # The last line may be cut in the middle.
    return [json.loads(line) for line in lines[:-1]]


@pytest.mark.parametrize("seed", range(8))
def test_no_acknowledged_decision_is_lost_to_kill_9(tmp_path, seed):
    """What the writer was told is durable is there after SIGKILL, in order; each kill leaves at most one incident unfinished."""
    path = tmp_path / "journal.sqlite"
    chance = random.Random(seed)
    told = []
    for _ in range(2):
        told += acknowledged(path, chance.uniform(0.0, 0.1))
    journal = Journal.open(path)
    for decision_id, what in told:
        assert what in [step.what for step in journal.get(decision_id).steps]
    assert len(journal.unfinished()) <= 2
    ids = [record.decision.decision_id for record in reversed(journal.page(1000))]
    assert ids == sorted(ids)
    journal.close()
