"""The guard's memory in the real journal file, written and read back by the real store."""

from contextlib import closing

import pytest

from guards_desk import DOWN, UNIT, Host, at
from orderd.decision.facts import Ending
from orderd.decision.kept import Boot, KeptInMemory
from orderd.decision.scorecard import Overrule
from orderd.domain.standing import Authority, Pause, Standing
from orderd.domain.values import Action, Hold, Reason
from orderd.record import Journal


def fill(host):
    """Leave one of everything behind."""
    memory, now = host.memory, host.now
    for ending in [Ending.VERIFIED] * 4 + [Ending.UNVERIFIED] * 2:
        host.repair(ending)
    memory.started(host.decision())
    memory.ask(host.decision(action=Action.WAIT, reason=Reason.MODE_APPROVE), "service_start", now)
    memory.hold(Hold(entity=UNIT, why="upgrade", by="alice", at=now, until=now.mono_ns + 10**13))
    memory.pause(Pause(why="incident", by="bob", at=now))
    word = Overrule(failure=DOWN.failure, repair="service_start", authority=Authority.DENIED_BY_PERSON, why="w", by="bob", at=now)
    memory.set_authority(word, failure=DOWN.failure, repair="service_start")


def told(host):
    memory = host.memory
    return (
        host.facts(),
        memory.holds(host.now),
        memory.paused(host.now),
        memory.denials(),
        memory.tickets(),
        memory.scorecard(),
        memory.approvals(host.now),
        memory.unfinished(),
    )


@pytest.mark.parametrize("real", [True, False], ids=["sqlite", "in memory"])
def test_a_restart_forgets_nothing(tmp_path, real):
    """Facts, orders, denials, tickets, scores, questions and running repairs are all as they were."""
    with closing(Journal.open(str(tmp_path / "journal.sqlite"))) as journal:
        host = Host(keep=journal.kept if real else KeptInMemory())
        fill(host)
        before = told(host)
        assert all(before)
        host.restart()
        assert told(host) == before


def test_a_journal_that_is_opened_again_gives_back_what_was_kept(tmp_path):
    """Not only the memory of the process that wrote it."""
    path = str(tmp_path / "journal.sqlite")
    with closing(Journal.open(path)) as journal:
        host = Host(keep=journal.kept)
        fill(host)
        before = told(host)
    with closing(Journal.open(path)) as journal:
        host.keep = journal.kept
        host.restart()
        assert told(host) == before


def test_a_boot_that_is_not_known_is_never_the_same():
    """Two starts without an id may lie on two sides of a reboot."""
    assert not Boot(boot_id="", first=at()).same("")


def test_every_kind_the_guard_keeps_has_a_name_of_its_own():
    """Two kinds under one name would overwrite each other."""
    assert len({str(kind) for kind in Standing}) == len(list(Standing))
