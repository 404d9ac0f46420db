"""What a person was seen changing: orderd keeps out of it, after a restart as well, until it is over."""

import pytest

from fakes import DOWN, MASKED, NGINX, REDIS, RUNNING
from orderd.domain.changes import Change, ChangeKind
from orderd.domain.values import Reason
from orderd.errors import JournalError

STOPPED = DOWN | {"unit_failed_ratio": 0.0}


class FakeChanges:
    """Sees what the test says, and forgets all of it when orderd is restarted."""

    def __init__(self):
        self.seen = {}
        self.clock = None

    def current(self):
        now = self.clock.now()
        self.seen = {entity: change for entity, change in self.seen.items() if change.until > now.mono_ns}
        return tuple(self.seen.values())

    def see(self, entity, what, lasts_s=3600.0, kind=ChangeKind.PERSON):
        now = self.clock.now()
        until = now.mono_ns + int(lasts_s * 1e9)
        self.seen[entity] = Change(kind=kind, entity=entity, who="alice on pts/0", what=what, since=now, until=until)


@pytest.fixture
def changes():
    return FakeChanges()


@pytest.fixture
async def scene(make_scene, changes):
    """Return a scene with a healthy host, repairs allowed."""
    scene = make_scene({"changes": changes}, decision={"mode": "auto"})
    changes.clock = scene.clock
    scene.executor.cures["service_start"] = lambda: scene.host.state.__setitem__(NGINX, dict(RUNNING))
    await scene.ticks(1)
    return scene


async def stop(scene, changes, state=STOPPED, **more):
    """Let a person stop nginx."""
    changes.see(NGINX, "systemctl stop nginx.service", **more)
    scene.host.state[NGINX] = dict(state)
    await scene.ticks(3)


async def restart(scene, changes):
    """Upgrade orderd: what it only had in memory is gone."""
    changes.seen.clear()
    await scene.restart()


async def test_a_stop_by_a_person_outlives_a_restart(scene, changes):
    """The reason stays planned_change, with who and what; nothing is started."""
    await stop(scene, changes)
    await restart(scene, changes)
    await scene.ticks(60, step_s=2.0)
    assert scene.playbooks == []
    assert {str(d.reason) for d in scene.decisions} == {"planned_change"}
    (hold,) = scene.view.status().holds
    assert (hold.entity, hold.by, hold.why, hold.seen) == (NGINX, "alice on pts/0", "systemctl stop nginx.service", True)


async def test_the_record_says_who_and_what_after_a_restart(scene, changes):
    """A decision that is made on the hold alone names the person and the command."""
    changes.see(NGINX, "systemctl stop nginx.service")
    await scene.ticks(1)
    await restart(scene, changes)
    scene.host.state[NGINX] = dict(STOPPED)
    await scene.ticks(2)
    (decision,) = scene.decisions
    assert decision.reason is Reason.PLANNED_CHANGE
    assert "alice on pts/0" in decision.detail
    assert "systemctl stop nginx.service" in decision.detail


async def test_it_ends_with_the_changes_own_time(scene, changes):
    """Not a second longer than without a restart: then it is repaired."""
    await stop(scene, changes, lasts_s=60.0)
    await restart(scene, changes)
    await scene.ticks(50, step_s=1.0)
    assert scene.playbooks == []
    await scene.ticks(10, step_s=1.0)
    assert scene.playbooks == ["service_start"]


async def test_a_change_that_ends_early_takes_its_hold_along(scene, changes):
    """The unit came back and settled: what fails afterwards is repaired."""
    await stop(scene, changes)
    scene.host.state[NGINX] = dict(RUNNING)
    changes.see(NGINX, "systemctl stop nginx.service", lasts_s=30.0)
    await scene.ticks(35, step_s=1.0)
    assert scene.view.status().holds == ()
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(6)
    assert scene.playbooks == ["service_start"]


@pytest.mark.parametrize("restarted", [True, False])
async def test_a_person_releases_it(scene, changes, restarted):
    """With orderctl release, whether or not orderd still sees the change; releasing twice says that there is nothing."""
    await stop(scene, changes)
    if restarted:
        await restart(scene, changes)
    assert scene.view.release(NGINX, "alice", validate_only=True)
    assert scene.view.release(NGINX, "alice")
    assert not scene.view.release(NGINX, "alice")
    await scene.ticks(6)
    assert scene.playbooks == ["service_start"]
    assert scene.view.status().changes == ()


async def test_what_is_done_after_a_release_is_seen_anew(scene, changes):
    """A release is about what was seen before it."""
    await stop(scene, changes)
    scene.view.release(NGINX, "alice")
    scene.clock.advance(0.1)
    changes.see(NGINX, "systemctl mask nginx.service")
    await scene.ticks(6)
    assert scene.playbooks == []
    assert [hold.why for hold in scene.view.status().holds] == ["systemctl mask nginx.service"]


async def test_it_ends_when_the_unit_runs_again_after_a_restart(scene, changes):
    """Up for a few seconds: whoever took it down has put it back, and the next failure is repaired."""
    await stop(scene, changes)
    await restart(scene, changes)
    scene.host.state[NGINX] = dict(RUNNING)
    await scene.ticks(4, step_s=1.0)
    assert [hold.seen for hold in scene.view.status().holds] == [True]
    await scene.ticks(4, step_s=1.0)
    assert scene.view.status().holds == ()
    scene.host.state[NGINX] = dict(DOWN)
    await scene.ticks(6)
    assert scene.playbooks == ["service_start"]


@pytest.mark.parametrize(
    "state",
    [RUNNING | {"unit_masked_ratio": 1.0}, RUNNING | {"unit_active_ratio": float("nan")}, MASKED],
    ids=["up", "nan", "down"],
)
async def test_it_does_not_end_while_the_unit_is_masked_or_cannot_be_seen(scene, changes, state):
    """A unit that runs on and is masked is being changed; silence is no health."""
    await stop(scene, changes, state=state)
    await restart(scene, changes)
    await scene.ticks(30, step_s=1.0)
    assert [hold.seen for hold in scene.view.status().holds] == [True]
    assert scene.playbooks == []


async def test_a_unit_that_flaps_does_not_end_it(scene, changes):
    """The few seconds are in one piece."""
    await stop(scene, changes)
    await restart(scene, changes)
    for _ in range(5):
        scene.host.state[NGINX] = dict(RUNNING)
        await scene.ticks(3, step_s=1.0)
        scene.host.state[NGINX] = dict(STOPPED)
        await scene.ticks(1, step_s=1.0)
    assert scene.playbooks == []
    assert len(scene.view.status().holds) == 1


async def test_an_announced_hold_is_not_replaced(scene, changes):
    """The person's own words and time stand; when they are over, what was seen still counts."""
    scene.view.hold(NGINX, 20.0, "upgrade of nginx", "alice")
    await stop(scene, changes)
    (hold,) = scene.view.status().holds
    assert (hold.why, hold.seen) == ("upgrade of nginx", False)
    assert scene.decisions[-1].reason is Reason.HELD
    await scene.ticks(25, step_s=1.0)
    (hold,) = scene.view.status().holds
    assert hold.seen
    assert scene.playbooks == []


async def test_an_announcement_replaces_what_was_seen(scene, changes):
    """Who says how long knows best."""
    await stop(scene, changes)
    scene.view.hold(NGINX, 20.0, "upgrade of nginx", "alice")
    await scene.ticks(2)
    assert [hold.seen for hold in scene.view.status().holds] == [False]


async def test_what_a_package_manager_or_a_marker_changes_is_no_hold(scene, changes):
    """They are looked at afresh after a restart."""
    changes.see(NGINX, "dpkg", kind=ChangeKind.PACKAGES)
    changes.see(REDIS, "deploy", kind=ChangeKind.MARKER)
    await scene.ticks(3)
    assert scene.view.status().holds == ()
    assert len(scene.view.status().changes) == 2


@pytest.mark.parametrize("state", [STOPPED, RUNNING], ids=["stopped", "up"])
async def test_a_change_is_written_once_and_told_once(scene, changes, state):
    """However long it lasts, also on a unit that stays up: one row, and status tells of it among the holds alone."""
    puts = []
    real = scene.journal.kept.put
    scene.journal.kept.put = lambda kind, key, value: (puts.append(str(kind)), real(kind, key, value))
    await stop(scene, changes, state=state)
    await scene.ticks(40)
    assert puts.count("hold") == 1
    assert scene.view.status().changes == ()


async def test_a_change_that_cannot_be_kept_still_counts(scene, changes):
    """While the journal cannot be written nothing is repaired; when it can, the hold is there."""
    scene.journal.error = JournalError("disk full")
    await stop(scene, changes)
    assert scene.view.status().holds == ()
    scene.journal.error = None
    await scene.ticks(3)
    assert [hold.seen for hold in scene.view.status().holds] == [True]
    assert scene.playbooks == []
