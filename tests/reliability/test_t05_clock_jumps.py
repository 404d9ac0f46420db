"""T5: the wall clock jumps (1970, an hour, ten years, both ways) before, in and after a repair, and across a restart.

The real loop, guard, journal and ids on a host that is played; monotonic time goes on as it does.
"""

import asyncio

import msgspec
import pytest

from fakes import DOWN, NGINX, RUNNING, Scene
from founding import founding_repairs
from orderd.config import Config
from orderd.domain.clock import Instant
from orderd.domain.values import IncidentState, Reason
from orderd.record import DecisionIds, Journal

REPAIRS = founding_repairs()
HOUR_S, YEAR_S = 3600, 31_557_600
JUMPS = {"1970": None, "+1 h": HOUR_S, "-1 h": -HOUR_S, "+10 y": 10 * YEAR_S, "-10 y": -10 * YEAR_S}
LIMIT = "no spurious repair, ids stay ordered"


class JumpingClock:
    """Both clocks; only one of them can be trusted."""

    def __init__(self):
        self.mono_ns = 10**12
        self.utc_ns = 1_795_000_000 * 10**9

    def now(self):
        return Instant(mono_ns=self.mono_ns, utc_ns=self.utc_ns)

    def advance(self, seconds):
        self.mono_ns += int(seconds * 1e9)
        self.utc_ns += int(seconds * 1e9)

    def jump(self, name):
        """Set the wall clock; the kernel's own ends in the year 2262."""
        self.utc_ns = 0 if JUMPS[name] is None else min(max(0, self.utc_ns + JUMPS[name] * 10**9), 9 * 10**18)


class JumpingScene(Scene):
    """A scene with a real journal, whose clock jumps."""

    def __init__(self, path, mode="auto"):
        self.path = path
        config = msgspec.convert({"decision": {"mode": mode}}, Config)
        super().__init__(REPAIRS, config)

    def start(self):
        if not isinstance(self.clock, JumpingClock):
            self.clock = self.host.clock = self.executor.clock = JumpingClock()
        self.journal = Journal.open(self.path)
        self.ids = DecisionIds(self.clock, after=self.journal.newest_id())
        super().start()

    async def restart(self, away_s=2.0):
        await self.loop.close()
        self.journal.close()
        self.clock.advance(away_s)
        self.start()

    @property
    def records(self):
        return list(reversed(self.journal.page(1000)))

    def cure(self):
        self.executor.cures["service_start"] = lambda: self.host.state.__setitem__(NGINX, dict(RUNNING))

    def break_it(self):
        self.host.state[NGINX] = dict(DOWN)


@pytest.fixture
def scene(tmp_path):
    scene = JumpingScene(tmp_path / "journal.sqlite")
    yield scene
    scene.journal.close()


def _assert_ordered(scene):
    ids = [r.decision.decision_id for r in scene.records]
    made = sorted(scene.records, key=lambda r: r.decision.at.mono_ns)
    assert [r.decision.decision_id for r in made] == ids == sorted(set(ids))


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("moment", ["before", "deciding", "running", "verifying"])
async def test_a_jump_in_a_repair_changes_nothing(scene, measured, jump, moment):
    """One repair, one verification, one terminal state, whenever the clock jumps."""
    scene.cure()
    scene.executor.wait_for = asyncio.Event()
    await scene.ticks(5)
    if moment == "before":
        scene.clock.jump(jump)
    scene.break_it()
    if moment == "deciding":
        scene.clock.jump(jump)
    await scene.ticks(2)
    assert scene.playbooks == ["service_start"]
    if moment == "running":
        scene.clock.jump(jump)
    await scene.ticks(2)
    scene.executor.wait_for.set()
    await scene.ticks(1)
    if moment == "verifying":
        scene.clock.jump(jump)
    await scene.ticks(20)
    spurious = len(scene.playbooks) - 1
    measured(figure=f"{jump} {moment}: {spurious} spurious" if spurious else "0 spurious", limit=LIMIT, runs=1)
    assert spurious == 0
    assert [r.state for r in scene.records] == [IncidentState.RESOLVED]
    seconds = [s.seconds for r in scene.records for s in r.steps if s.seconds == s.seconds]
    assert all(0 <= s < 60 for s in seconds), "a duration was taken from the wall clock"
    _assert_ordered(scene)


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_jump_on_a_healthy_host_repairs_nothing(scene, jump):
    """Nothing happens because of a date."""
    await scene.ticks(10)
    scene.clock.jump(jump)
    await scene.ticks(200)
    assert scene.playbooks == []
    assert scene.records == []


@pytest.mark.parametrize("jump", JUMPS)
async def test_limits_survive_a_jump_and_a_restart(scene, measured, jump):
    """At most three repairs of one target in an hour, whatever date the host believes in and however often orderd starts."""
    began = scene.clock.mono_ns
    await scene.ticks(3)
    while scene.clock.mono_ns - began < 55 * 60 * 10**9:
        scene.break_it()
        scene.cure()
        await scene.ticks(12)
        scene.clock.jump(jump)
        await scene.restart()
        await scene.ticks(30, step_s=4.0)
    measured(figure=f"{jump}, 20 restarts: {len(scene.playbooks)} repairs in an hour", limit=LIMIT, runs=1)
    assert 1 <= len(scene.playbooks) <= 3
    _assert_ordered(scene)


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_hold_survives_a_jump_and_a_restart(scene, jump):
    """What a person holds for two hours stays held for two hours, and not for ten years."""
    await scene.ticks(3)
    scene.view.hold(NGINX, 2 * HOUR_S, "moving it", "alice")
    scene.clock.jump(jump)
    scene.break_it()
    await scene.ticks(10)
    await scene.restart()
    await scene.ticks(10)
    assert scene.playbooks == []
    assert {r.decision.reason for r in scene.records} == {Reason.HELD}
    scene.cure()
    scene.clock.advance(2 * HOUR_S)
    await scene.ticks(12)
    assert scene.playbooks == ["service_start"]


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_question_expires_by_monotonic_time_alone(tmp_path, jump):
    """A jump neither answers a person's question nor ends it."""
    scene = JumpingScene(tmp_path / "journal.sqlite", mode="approve")
    await scene.ticks(3)
    scene.break_it()
    await scene.ticks(4)
    scene.clock.jump(jump)
    await scene.ticks(10)
    assert [str(a.state) for a in scene.view.status().approvals] == ["pending"]
    assert scene.playbooks == []
    scene.clock.advance(scene.config.decision.approval_s + 1)
    await scene.ticks(4)
    assert scene.view.status().approvals == ()
    assert scene.records[-1].decision.reason is Reason.APPROVAL_EXPIRED
    scene.journal.close()
