"""T17: a model that always says "restart sshd", against the real loop, guard and policy on a host that is played.

It is as sure as a model can be, at every tick, for hours. The host is healthy, or never helped by the repair, or helped each time
and down again soon; meanwhile orderd is restarted, the host rebooted and the wall clock set, from a seed.
"""

import random
from dataclasses import dataclass

import msgspec
import pytest

from fakes import DOWN, HUNG, RUNNING, Scene
from founding import founding_repairs
from orderd.config import Config
from orderd.domain.faults import FAILURES, Entity, Failure
from orderd.domain.values import Action, Reason, Scores
from orderd.executor.messages import Mode as RunMode

REPAIRS = founding_repairs()
SSHD = Entity.parse("unit:ssh.service")
SAYS = {"service_start": (Failure.SERVICE_DOWN, DOWN), "service_kill_and_restart": (Failure.SERVICE_HUNG, HUNG)}
PER_HOUR, FAILED_MAX, HOUR_S = 3, 2, 3600.0
LIMIT = f"<= {PER_HOUR} repairs per target and hour, then a person; denied after {FAILED_MAX} failed verifications"
YEARS_10_NS = 10 * 31_536_000 * 10**9


def always(failure):
    """Return a model that says one thing of sshd with a probability of one, whatever it is shown."""

    def answer(window):
        sure = tuple(1.0 if f is failure else 0.0 for f in FAILURES)
        well = tuple(1.0 if f is Failure.OK else 0.0 for f in FAILURES)
        return Scores(failures=tuple(sure if e == SSHD else well for e in window.entities), wrong=1.0)

    return answer


@dataclass
class Run:
    """What came of one host: when its repairs began, and all that was decided."""

    starts: list
    decisions: list
    verified: int
    unverified: int
    tickets: int
    denials: int

    @property
    def most_in_an_hour(self):
        return max((sum(1 for s in self.starts if newest - HOUR_S < s <= newest) for newest in self.starts), default=0)

    @property
    def escalated(self):
        return [d.reason for d in self.decisions if d.action is Action.ESCALATE]


class StubbornHost(Scene):
    """A host with sshd, whose model is stubborn, and whose luck comes from a seed."""

    def __init__(self, playbook, *, helps, seed, masking=100, well=RUNNING):
        self.well = well
        self.failure, self.broken = SAYS[playbook]
        self.random = random.Random(f"{playbook} {helps} {seed}")
        self.helps = helps
        self.starts = []
        decision = {"mode": "auto", "masking": {"repairs": masking}}
        super().__init__(REPAIRS, msgspec.convert({"decision": decision}, Config))
        self.host.state = {SSHD: dict(well)}
        self.executor.before_run = self.begun
        self.executor.cures = {playbook: self.cure}

    def begun(self, request):
        if request.mode is RunMode.APPLY:
            self.starts.append(self.clock.mono_ns / 1e9)

    def cure(self):
        if self.helps:
            self.host.state[SSHD] = dict(self.well)

    async def live(self, hours, *, breaks):
        """Live through hours in seconds, each with its luck."""
        for second in range(int(hours * HOUR_S)):
            # The model falls silent for a moment now and then: only so can one incident end and the next begin.
            silent = second % 300 < 5
            self.model.scores = always(Failure.OK if silent else self.failure)
            if silent:
                self.host.state[SSHD] = dict(self.well)
            elif breaks and self.random.random() < 0.05:
                self.host.state[SSHD] = dict(self.broken)
            if self.random.random() < 1 / 900:
                await self.trouble()
            await self.ticks(1, step_s=1.0)
        return self.run()

    async def trouble(self):
        """Restart orderd, reboot the host, or set its clock by ten years."""
        kind = self.random.choice(["restart", "reboot", "clock"])
        if kind == "clock":
            self.clock.utc_offset_ns += self.random.choice([-1, 1]) * YEARS_10_NS
            return
        if kind == "reboot":
            self.boot_id = f"boot-{self.clock.mono_ns}"
        await self.restart()

    def run(self):
        steps = [s for r in self.journal.records.values() for s in r.steps]
        return Run(
            starts=self.starts,
            decisions=self.decisions,
            verified=sum(1 for s in steps if s.what == "verified"),
            unverified=sum(1 for s in steps if s.what == "unverified" and s.detail.startswith("not healthy in time")),
            tickets=len(self.loop.memory.tickets()),
            denials=len(self.loop.memory.denials()),
        )


@pytest.mark.parametrize("playbook", SAYS)
async def test_a_healthy_sshd_is_never_restarted(playbook, measured, size):
    """However sure the model is, what it says cannot be: nothing is touched, and nobody is called."""
    hours = size(2, 24)
    run = await StubbornHost(playbook, helps=True, seed=0).live(hours, breaks=False)
    measured(figure=f"healthy: {len(run.starts)} repairs in {hours} h, {len(run.escalated)} calls", limit=LIMIT, runs=1)
    assert run.starts == []
    assert run.escalated == []


async def test_an_sshd_that_might_hang_is_not_restarted_on_a_models_word(measured, size):
    """Its answers are slow enough for the model to be right; what the repair needs to find is not there: a person is asked."""
    hours = size(2, 24)
    slow = RUNNING | {"probe_latency_s": 0.15}
    run = await StubbornHost("service_kill_and_restart", helps=True, seed=0, well=slow).live(hours, breaks=False)
    measured(figure=f"slow: {len(run.starts)} repairs in {hours} h, {len(run.escalated)} calls", limit=LIMIT, runs=1)
    assert run.starts == []
    assert set(run.escalated) == {Reason.NO_CANDIDATE}


@pytest.mark.parametrize("playbook", SAYS)
async def test_a_repair_that_never_helps_is_denied_after_two_failed_verifications(playbook, measured, size):
    """Then every further incident goes to a person, through restarts, reboots and clocks that are set."""
    hours, seeds = size(2, 12), size(4, 20)
    runs = [await StubbornHost(playbook, helps=False, seed=s).live(hours, breaks=True) for s in range(seeds)]
    most = max(len(r.starts) for r in runs)
    calls = min(len(r.escalated) for r in runs)
    measured(figure=f"never helps: {most} repairs in {hours} h, then >= {calls} calls", limit=LIMIT, runs=seeds)
    for run in runs:
        # One more may have begun and been cut off by a restart before anybody could judge it.
        assert run.unverified == FAILED_MAX
        assert run.most_in_an_hour <= PER_HOUR
        assert run.denials == 1
        assert Reason.DENIED in run.escalated


@pytest.mark.parametrize("playbook", SAYS)
async def test_a_repair_that_helps_for_a_moment_runs_three_times_an_hour_and_then_a_person_is_called(playbook, measured, size):
    """In every hour that can be laid over the run, not by the clock on the wall."""
    hours, seeds = size(3, 24), size(4, 20)
    runs = [await StubbornHost(playbook, helps=True, seed=s).live(hours, breaks=True) for s in range(seeds)]
    most, least = max(r.most_in_an_hour for r in runs), min(len(r.starts) for r in runs)
    figure = f"helps for a moment: {most} repairs in the worst hour of {hours}, at least {least} in all"
    measured(figure=figure, limit=LIMIT, runs=seeds)
    for run in runs:
        assert run.most_in_an_hour == PER_HOUR
        assert Reason.TARGET_RATE in run.escalated


@pytest.mark.parametrize("playbook", SAYS)
async def test_what_comes_back_after_four_repairs_is_repaired_no_more(playbook, measured, size):
    """One ticket is opened with the history, and from then on a person is called."""
    hours, seeds = size(3, 24), size(2, 10)
    runs = [await StubbornHost(playbook, helps=True, seed=s, masking=4).live(hours, breaks=True) for s in range(seeds)]
    most = max(r.verified for r in runs)
    measured(figure=f"masked: {most} verified repairs in {hours} h, then a ticket", limit=LIMIT, runs=seeds)
    for run in runs:
        assert (run.verified, run.tickets) == (4, 1)
        assert Reason.MASKING in run.escalated
