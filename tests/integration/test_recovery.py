"""orderd is killed in mid-repair: what the next start makes of the journal on the disk. Real SQLite; a fake host and executor."""

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scenario"))
from fakes import DOWN, NGINX, RUNNING, Scene
from founding import founding_repairs
from orderd.config import Config
from orderd.domain.values import IncidentState, Reason
from orderd.record import Journal

AUTO = msgspec.convert({"decision": {"mode": "auto"}}, Config)


class Killed(Scene):
    """A scene on a real journal; a restart closes and opens the file, as a killed process does."""

    def __init__(self, file, config=AUTO):
        self.file = file
        self.opened = []
        super().__init__(founding_repairs(), config)

    def start(self):
        for journal in self.opened:
            journal.close()
        self.journal = Journal.open(self.file)
        self.opened = [self.journal]
        super().start()

    def records(self):
        return list(reversed(self.journal.page(100)))


@pytest.fixture
def killed(tmp_path):
    """A loop on a journal in a file."""
    scene = Killed(tmp_path / "journal.sqlite")
    yield scene
    scene.journal.close()


@pytest.mark.parametrize("ticks", [1, 2, 3, 5, 7])
async def test_an_incident_under_repair_ends_once_after_a_kill(killed, ticks):
    """The playbook ran once; the record has one terminal state; the guard remembers the repair."""
    killed.executor.cures["service_start"] = lambda: killed.host.state.__setitem__(NGINX, dict(RUNNING))
    killed.host.state[NGINX] = dict(DOWN)
    await killed.ticks(ticks)
    await killed.restart()
    await killed.ticks(7)
    (record,) = killed.records()
    assert killed.playbooks == ["service_start"]
    assert record.state is IncidentState.RESOLVED
    assert sum(step.state.terminal for step in record.steps) == 1
    assert killed.journal.unfinished() == []
    killed.host.state[NGINX] = dict(DOWN)
    await killed.ticks(1)
    assert killed.records()[-1].decision.reason is Reason.COOLDOWN


async def test_a_kill_after_every_restart_still_ends_the_incident_once(killed):
    """Five kills in a row while the repair is being verified."""
    never = asyncio.Event()
    killed.executor.wait_for = never
    killed.host.state[NGINX] = dict(DOWN)
    await killed.ticks(2)
    for _ in range(5):
        await killed.restart()
        await killed.ticks(1)
    killed.executor.wait_for = None
    await killed.ticks(80)
    first, *_, last = killed.records()
    ids = [request.repair_id for request in killed.executor.requests]
    assert len(ids) == len(set(ids)) <= 2
    assert [step.what for step in first.steps].count("unverified") == 1
    assert last.state is IncidentState.ESCALATED
    assert killed.journal.unfinished() == []


async def test_the_evidence_of_a_decision_is_read_back_and_decides_the_same(killed):
    """Window, scores and facts survive the file and the restart."""
    killed.host.state[NGINX] = dict(DOWN)
    await killed.ticks(3)
    decision_id = killed.records()[0].decision.decision_id
    await killed.restart()
    again = await killed.view.replay(decision_id)
    assert again.differences == ()
    told = await killed.view.explain(decision_id, 4)
    assert told.signals[0].signal.startswith("unit_")


async def test_a_question_and_a_hold_survive_in_the_file(tmp_path):
    """What people were asked and what they ordered is on the disk."""
    scene = Killed(tmp_path / "journal.sqlite", msgspec.convert({"decision": {"mode": "approve"}}, Config))
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    waiting = scene.records()[0].decision.decision_id
    await scene.restart()
    await scene.ticks(2)
    scene.executor.cures["service_start"] = lambda: scene.host.state.__setitem__(NGINX, dict(RUNNING))
    scene.view.approve(waiting, "", "alice")
    await scene.ticks(14)
    assert [r.decision.reason for r in scene.records()] == [Reason.MODE_APPROVE, Reason.APPROVED]
    assert scene.records()[-1].state is IncidentState.RESOLVED
    scene.journal.close()
