"""A person who is needed is told, whenever orderd is killed and whatever happens to the diagnosis bundle."""

import asyncio

import msgspec
import pytest

from fakes import DOWN, NGINX
from orderd.config.schema import NotifyConfig
from orderd.domain.standing import Standing
from orderd.domain.values import Action, IncidentState
from orderd.errors import JournalError
from orderd.notify import Notifier
from orderd.notify.notice import Notice

WEBHOOK = {"sinks": [{"kind": "webhook", "url": "http://127.0.0.1:9/hook"}]}


class EndlessBundle:
    """Never done: orderd is killed before."""

    def __init__(self, directory):
        self.directory = directory

    def place(self, incident_id):
        return f"{self.directory}/{incident_id}.json"

    async def collect(self, decision, *, window=None, recent=()):
        del decision, window, recent
        await asyncio.Event().wait()


class Gone(Exception):  # noqa: N818 - not an error: the process is killed here
    """Orderd is killed at this point."""


@pytest.fixture
def scene(make_scene, tmp_path):
    """Return a scene with a real notifier, which is made anew at every start, and a bundle that is never done."""
    scene = make_scene({"bundle": EndlessBundle(tmp_path)}, decision={"mode": "approve"})
    real = scene.start

    def start():
        config = msgspec.convert(WEBHOOK, NotifyConfig)
        scene.more["notifier"] = Notifier(config, scene.journal.kept, "host-1", scene.clock)
        real()

    scene.start = start
    start()
    return scene


async def refuse(scene):
    """Bring the scene to the tick before a person is called; return the incident."""
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(2)
    (approval,) = scene.view.status().approvals
    scene.view.reject(approval.decision_id, "not now", "bob")
    return approval.incident_id


def kept(scene):
    """Return the notices of escalations that a restart would find."""
    return [n for n in scene.journal.kept.load(Standing.NOTICE, Notice).values() if n.event == "escalated"]


async def test_an_orderd_killed_while_it_collects_the_bundle_has_told(scene, tmp_path):
    """The notice is kept, names the bundle's place, and is sent after the restart."""
    incident_id = await refuse(scene)
    await scene.ticks(1)
    assert scene.states()[-1] is IncidentState.ESCALATED
    scene.start()
    (notice,) = kept(scene)
    assert (notice.key, notice.body["bundle"]) == (incident_id, f"{tmp_path}/{incident_id}.json")
    assert scene.more["notifier"].waiting == 1


async def test_the_notice_is_durable_before_the_record_ends(scene):
    """Whatever is killed after the record's end finds the notice."""
    await refuse(scene)
    real, found = scene.journal.record, []

    def record(decision, evidence=None):
        found.extend((decision.action, notice.key) for notice in kept(scene))
        return real(decision, evidence)

    scene.journal.record = record
    await scene.ticks(1)
    assert found == [(Action.ESCALATE, scene.decisions[-1].incident_id)]


async def test_killed_between_the_notice_and_the_record_a_person_is_told_once(scene):
    """After the restart the incident ends, and its notice is the one that was kept."""
    incident_id = await refuse(scene)
    real = scene.journal.record

    def killed(decision, evidence=None):
        raise Gone

    scene.journal.record = killed
    with pytest.raises(Gone):
        await scene.ticks(1)
    scene.journal.record = real
    before = kept(scene)
    scene.start()
    await scene.ticks(4)
    assert scene.states()[-1] is IncidentState.ESCALATED
    assert [n.key for n in before] == [incident_id]
    assert kept(scene) == before
    assert scene.more["notifier"].waiting == 1


async def test_a_notice_that_cannot_be_kept_leaves_the_incident_open(scene):
    """The record does not end before somebody is told; it ends when the disk takes both."""
    await refuse(scene)
    scene.journal.error = JournalError("disk full")
    await scene.ticks(3)
    assert IncidentState.ESCALATED not in scene.states()
    scene.journal.error = None
    await scene.ticks(3)
    assert scene.states()[-1] is IncidentState.ESCALATED
    assert len(kept(scene)) == 1


async def test_a_bundle_is_named_when_it_is_there(scene, tmp_path):
    """The path of the file, empty before it is written and for what is no incident."""
    incident_id = await refuse(scene)
    assert scene.view.bundle(incident_id) == ""
    (tmp_path / f"{incident_id}.json").write_text("{}")
    assert scene.view.bundle(incident_id) == f"{tmp_path}/{incident_id}.json"
