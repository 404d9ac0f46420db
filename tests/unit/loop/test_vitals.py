"""Freshness, the watchdog and health: what hangs is not fed and not serving; what fails with words is only said."""

import asyncio

import msgspec
import pytest

from orderd.config import Config
from orderd.decision.kept import KeptInMemory
from orderd.errors import ExecutorError, JournalError
from orderd.executor.messages import Awake
from orderd.loop.vitals import CHECK_S, EXECUTOR, FRESH_S, JOURNAL, SAMPLER, Vitals

AUTO = msgspec.convert({"decision": {"mode": "auto"}}, Config)


class Executor:
    def __init__(self, *, error="", zygote=True, refused=None):
        self.error, self.zygote, self.refused, self.woken = error, zygote, refused or {}, 0

    async def wake(self, timeout_s=2.0):
        self.woken += 1
        if self.error:
            raise ExecutorError(self.error)
        return Awake(playbooks=7, refused=self.refused, zygote=self.zygote)


@pytest.fixture
def vitals(manual_clock):
    return Vitals(AUTO, manual_clock)


def test_a_loop_that_ticks_serves_and_one_that_hangs_does_not(vitals, manual_clock):
    """Health follows the newest tick."""
    assert not vitals.serving()
    vitals.ticked(manual_clock.now())
    assert vitals.serving()
    manual_clock.advance(6.0)
    assert not vitals.serving()


@pytest.mark.parametrize("part", [SAMPLER, JOURNAL, EXECUTOR])
def test_the_watchdog_is_not_fed_while_one_part_hangs(vitals, manual_clock, part):
    """All three have to go round; one that does not is named."""
    for _ in range(100):
        manual_clock.advance(1.0)
        if part != SAMPLER:
            vitals.ticked(manual_clock.now())
        for other in {JOURNAL, EXECUTOR} - {part}:
            vitals.went_round(other)
    assert vitals.stale() == (part,)
    assert not vitals.may_feed()


def test_everything_fresh_feeds_the_watchdog(vitals, manual_clock):
    """And goes on feeding it."""
    for _ in range(100):
        manual_clock.advance(1.0)
        vitals.ticked(manual_clock.now())
        vitals.went_round(JOURNAL)
        vitals.went_round(EXECUTOR)
        assert vitals.may_feed()


async def test_an_executor_that_fails_with_words_is_fresh_and_said(vitals, manual_clock):
    """A stopped executor is not cured by restarting orderd."""
    manual_clock.advance(FRESH_S[EXECUTOR] - 1)
    await vitals.check_executor(Executor(error="is orderd-exec.socket running?"))
    manual_clock.advance(10)
    assert EXECUTOR not in vitals.stale()
    assert "no repairs: is orderd-exec.socket running?" in vitals.problems()
    await vitals.check_executor(Executor(refused={"mend": "hash"}, zygote=False))
    said = vitals.problems()
    assert any("orderd-zygote" in problem for problem in said)
    assert "orderd-exec refuses repair mend: hash" in said
    await vitals.check_executor(Executor())
    assert not any("exec" in problem for problem in vitals.problems())


async def test_a_host_that_only_observes_leaves_the_executor_asleep(manual_clock):
    """Nothing is started that is never needed."""
    vitals, executor = Vitals(Config(), manual_clock), Executor()
    await vitals.check_executor(executor)
    assert executor.woken == 0


async def test_a_class_of_its_own_mode_wakes_the_executor(manual_clock):
    """Observe as a whole, auto for one failure class: it is needed."""
    config = msgspec.convert({"decision": {"modes": {"failures": {"disk_full": "auto"}}}}, Config)
    executor = Executor()
    await Vitals(config, manual_clock).check_executor(executor)
    assert executor.woken == 1


def test_a_journal_that_failed_has_to_prove_that_it_writes_again(vitals, manual_clock):
    """An empty transaction is not enough; a row is written and taken away."""

    class Kept(KeptInMemory):
        error = None

        def put(self, kind, key, value):
            if self.error:
                raise JournalError(self.error)
            super().put(kind, key, value)

    kept = Kept()
    kept.error = "disk full"
    assert vitals.check_journal(kept, failing=True) == "disk full"
    kept.error = None
    assert vitals.check_journal(kept, failing=True) == ""
    manual_clock.advance(CHECK_S + 1)
    assert vitals.check_journal(kept, failing=False) == ""
    assert JOURNAL not in vitals.stale()


async def test_health_is_told_as_it_changes(vitals, manual_clock):
    """SERVING only between a tick and its age."""
    told = []

    async def set_serving(serving):
        told.append(serving)

    async def sleep(_seconds):
        if len(told) == 1:
            vitals.ticked(manual_clock.now())
        elif len(told) == 2:
            manual_clock.advance(60)
        else:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await vitals.tell_health(set_serving, sleep=sleep)
    assert told == [False, True, False]
