"""A watch that is cut off: gone on with where it was, for a minute; with a connection that breaks as it is told."""

import contextlib

import pytest

from orderd.ctl import following
from orderd.ctl.client import CtlError, Exit
from orderd.ctl.following import GIVE_UP_S, Following
from orderd.v1 import decision_pb2

GONE = CtlError(Exit.NOT_RUNNING, "nothing at /run/orderd/orderd.sock")


class FakeOrderd:
    """Answers each connection as the test says: an error, or the token it begins with and the changes before it breaks off."""

    def __init__(self, *script):
        self.script = list(script)
        self.asked = []
        self.seconds = 0.0
        self.cut_off = 0

    @contextlib.contextmanager
    def connect(self, path):
        self.path = path
        self.turn = self.script.pop(0) if self.script else GONE
        if isinstance(self.turn, CtlError):
            raise self.turn
        yield self

    def watch(self, failure, after, begun):
        self.asked.append((failure, after))
        token, *changes = self.turn
        begun(token)
        for change in changes:
            if isinstance(change, CtlError):
                raise change
            yield decision_pb2.WatchDecisionsResponse(resume_token=change)

    def sleep(self, seconds):
        self.seconds += seconds

    def gone(self):
        self.cut_off += 1


@pytest.fixture
def taken(monkeypatch):
    """Return a follower that keeps what came before the end."""

    def run(orderd, **how):
        monkeypatch.setattr(following, "connect", orderd.connect)
        one, found = Following("socket", cut_off=orderd.gone, now=lambda: orderd.seconds, sleep=orderd.sleep), []
        try:
            for change in one.changes(**how):
                found.append(change.resume_token)  # noqa: PERF401 - an error must not lose what came before it
        except CtlError as error:
            return found, error
        raise AssertionError("it never ends by itself")

    return run


def test_it_goes_on_after_the_last_change(taken):
    """The token of the last change is sent again, with the filter."""
    orderd = FakeOrderd(["t0", "t1", "t2", GONE], GONE, ["t2", "t3"])
    found, _ = taken(orderd, failure="disk_full")
    assert found == ["t1", "t2", "t3"]
    assert orderd.asked == [("disk_full", ""), ("disk_full", "t2")]


def test_before_the_first_change_it_goes_on_where_the_watch_began(taken):
    """Nothing that was decided meanwhile is missed."""
    orderd = FakeOrderd(["t0", GONE], ["t0", "t1"])
    found, _ = taken(orderd)
    assert (found, orderd.asked) == (["t1"], [("", ""), ("", "t0")])


def test_a_token_that_was_given_is_not_replaced_by_the_beginning(taken):
    """Who goes on after a change and is cut off at once goes on after the same change."""
    orderd = FakeOrderd(["t5", GONE], ["t5"])
    taken(orderd, after="t5")
    assert orderd.asked == [("", "t5"), ("", "t5")]


def test_it_gives_up_after_a_minute(taken):
    """Exit 3, said once that orderd is gone."""
    orderd = FakeOrderd(["t0", "t1"])
    found, error = taken(orderd)
    assert (found, error.code, orderd.cut_off) == (["t1"], Exit.NOT_RUNNING, 1)
    assert orderd.seconds == pytest.approx(GIVE_UP_S, abs=1)
    assert "has not come back within 60 s" in str(error)


def test_every_absence_has_its_own_minute_and_its_own_word(taken):
    """Half a minute away twice is no reason to give up."""
    orderd = FakeOrderd(["t0", GONE], *[GONE] * 80, ["t1", "t2", GONE], *[GONE] * 80, ["t2", "t3"])
    found, _ = taken(orderd)
    assert (found, orderd.cut_off) == (["t2", "t3"], 3)


def test_a_socket_that_is_not_ours_yet_is_waited_for(taken):
    """While orderd starts its socket belongs to root for a moment."""
    orderd = FakeOrderd(["t0", GONE], CtlError(Exit.NOT_ALLOWED, "not allowed"), ["t0", "t1"])
    assert taken(orderd)[0] == ["t1"]


@pytest.mark.parametrize("code", [Exit.NOT_RUNNING, Exit.NOT_ALLOWED])
def test_who_was_never_there_is_not_waited_for(taken, code):
    """The first connection says what is wrong, at once."""
    orderd = FakeOrderd(CtlError(code, "no"), ["t0", "t1"])
    found, error = taken(orderd)
    assert (found, error.code, orderd.seconds, orderd.cut_off) == ([], code, 0.0, 0)


def test_a_refusal_ends_it(taken):
    """A journal that is another one, or too many watchers, does not get better by waiting."""
    orderd = FakeOrderd(["t0", "t1", CtlError(Exit.REFUSED, "resume_after: of another journal")], ["t1", "t2"])
    found, error = taken(orderd)
    assert (found, error.code) == (["t1"], Exit.REFUSED)
