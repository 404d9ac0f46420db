"""What people are told of a host that lacks something: once, when it stands, and when it is over."""

import pytest

from orderd.loop.notices import Notices


class Told:
    def __init__(self):
        self.said, self.resolved, self.problem = [], [], ""

    def say(self, event, key, title, body):
        self.said.append((event, title))

    def resolve(self, key):
        self.resolved.append(key)


@pytest.fixture
def told():
    return Told()


def test_a_problem_that_stands_is_said_once_whatever_its_numbers(told):
    """Seconds that count down are no news."""
    notices = Notices(told)
    for left in range(900, 800, -5):
        notices.degraded([f"the certificate is not renewed, {left} s are left"])
    assert told.said == [("degraded", "the certificate is not renewed, 895 s are left")]
    notices.degraded([])
    assert told.resolved == ["degraded/the certificate is not renewed, N s are left"]


def test_a_problem_of_a_moment_is_not_said(told):
    """It has to stand for two looks."""
    notices = Notices(told)
    for problems in ([], ["telemetry waits: UNAVAILABLE"], [], ["telemetry waits: UNAVAILABLE"], []):
        notices.degraded(problems)
    assert told.said == []


def test_a_problem_that_comes_back_is_said_again(told):
    """Its end was told, so its beginning is news."""
    notices = Notices(told)
    for problems in (["a"], ["a"], [], ["a"], ["a"]):
        notices.degraded(problems)
    assert told.said == [("degraded", "a")] * 2
