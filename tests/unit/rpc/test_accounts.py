"""Local users and groups: roles by number, and a user database that hangs."""

import asyncio
import threading

import pytest

from orderd.config.schema import RolesConfig
from orderd.domain.peers import Role
from orderd.errors import NotAllowedError
from orderd.rpc import accounts
from orderd.rpc.accounts import Accounts, principals
from orderd.rpc.peers import LocalPeer

ROOT = LocalPeer(uid=0, pid=1, groups=frozenset({0}))


def peer(uid=1000, groups=(1000,)) -> LocalPeer:
    """Return somebody who connected."""
    return LocalPeer(uid=uid, pid=77, groups=frozenset(groups))


async def role(found, who=None) -> Role:
    """Return a caller's role by a made-up user database."""
    return (await Accounts(RolesConfig(), lookup=lambda _config: found).caller(who or peer())).role


async def test_the_highest_role_of_user_and_groups_counts():
    """Of the roles of the user, its group and its supplementary groups the highest is given."""
    found = {("user", 1000): Role.READER, ("group", 5): Role.OPERATOR, ("group", 6): Role.READER}
    assert await role(found) is Role.READER
    assert await role(found, peer(groups=(1000, 6, 5))) is Role.OPERATOR
    assert await role(found, peer(uid=5, groups=(1000,))) is Role.NONE, "a user's number is no group's"


def test_names_are_looked_up_and_missing_ones_left_out(caplog):
    """Users and groups get their roles, the higher of two; a name that does not exist is told and gives nobody a role."""
    config = RolesConfig(reader=("nobody", "no-such-user"), operator=("@daemon", "nobody"), admin=("@no-such-group",))
    found = principals(config)
    assert found[("user", 65534)] is Role.OPERATOR
    assert found[("user", 0)] is Role.ADMIN
    assert Role.OPERATOR in {of for (kind, _), of in found.items() if kind == "group"}
    assert len(found) == 3
    assert "no-such-user" in caplog.text
    assert "no-such-group" in caplog.text


async def test_root_needs_no_user_database(monkeypatch):
    """While the user database hangs, root is admin at once."""
    monkeypatch.setattr(accounts, "ANSWER_S", 0.1)
    hanging = threading.Event()
    try:
        found = await Accounts(RolesConfig(), lookup=lambda _config: hanging.wait() and {}).caller(ROOT)
    finally:
        hanging.set()
    assert found.role is Role.ADMIN


async def test_a_user_database_that_hangs_lets_nobody_in_and_blocks_nothing(monkeypatch):
    """Many callers meanwhile: each is refused in time, the loop stays responsive, and one thread at most is stuck."""
    monkeypatch.setattr(accounts, "ANSWER_S", 0.2)
    hanging, asked = threading.Event(), []

    def lookup(_config):
        asked.append(1)
        hanging.wait()
        return {}

    held = Accounts(RolesConfig(), lookup=lookup)
    try:
        async with asyncio.timeout(2):
            outcomes = await asyncio.gather(*(held.caller(peer()) for _ in range(50)), return_exceptions=True)
    finally:
        hanging.set()
    assert {type(outcome) for outcome in outcomes} == {NotAllowedError}
    assert len(asked) == 1


async def test_an_old_answer_is_better_than_none(monkeypatch):
    """Once known, roles stay while the database hangs, so that people can act on the very night it does."""
    monkeypatch.setattr(accounts, "ANSWER_S", 0.1)
    monkeypatch.setattr(accounts, "FRESH_S", 0.0)
    hanging, answers = threading.Event(), [{("user", 1000): Role.OPERATOR}]

    def lookup(_config):
        if answers:
            return answers.pop()
        hanging.wait()
        return {}

    held = Accounts(RolesConfig(), lookup=lookup)
    try:
        for _ in range(3):
            assert (await held.caller(peer())).role is Role.OPERATOR
    finally:
        hanging.set()


async def test_the_database_is_asked_once_for_a_while():
    """A hundred calls within seconds are one question."""
    asked = []

    def lookup(_config):
        asked.append(1)
        return {("user", 1000): Role.READER}

    held = Accounts(RolesConfig(), lookup=lookup)
    for _ in range(100):
        assert (await held.caller(peer())).role is Role.READER
    assert len(asked) == 1


@pytest.mark.parametrize(("uid", "name"), [(0, "root (uid 0)"), (3_999_999_999, "uid 3999999999")])
async def test_callers_are_named_for_records(uid, name):
    """Name and number; the number alone where there is no name."""
    held = Accounts(RolesConfig(), lookup=lambda _config: {})
    assert (await held.caller(LocalPeer(uid=uid, pid=1, groups=frozenset()))).name == name


async def test_a_user_database_that_hangs_for_hours_does_not_fill_orderd_with_threads(monkeypatch):
    """However often somebody calls meanwhile, a few threads wait and no more are started; when it answers, it is asked again."""
    monkeypatch.setattr(accounts, "ANSWER_S", 0.01)
    monkeypatch.setattr(accounts, "FRESH_S", 0.0)
    hanging = threading.Event()
    held = Accounts(RolesConfig(), lookup=lambda _config: (hanging.wait(), {("user", 1000): Role.READER})[1])
    monkeypatch.setattr(accounts.pwd, "getpwuid", lambda _uid: hanging.wait() and None)
    try:
        for _ in range(30):
            with pytest.raises(NotAllowedError):
                await held.caller(peer())
        stuck = [thread for thread in threading.enumerate() if thread.name == "user-database"]
        assert len(stuck) <= 8
    finally:
        hanging.set()
        for thread in stuck:
            thread.join(2)
    monkeypatch.undo()
    assert (await held.caller(peer())).role is Role.READER


async def test_names_that_hang_leave_threads_for_roles(monkeypatch):
    """A network directory that finds no names does not keep people out whose roles are known here."""
    monkeypatch.setattr(accounts, "ANSWER_S", 0.02)
    monkeypatch.setattr(accounts, "FRESH_S", 0.0)
    hanging = threading.Event()
    monkeypatch.setattr(accounts.pwd, "getpwuid", lambda _uid: hanging.wait() and None)
    held = Accounts(RolesConfig(), lookup=lambda _config: {("user", 1000): Role.READER})
    try:
        for _ in range(12):
            await held.caller(ROOT)
        found = await Accounts(RolesConfig(), lookup=lambda _config: {("user", 1000): Role.OPERATOR}).caller(peer())
    finally:
        hanging.set()
        for thread in threading.enumerate():
            if thread.name == "user-database":
                thread.join(2)
    assert (found.role, found.name) == (Role.OPERATOR, "uid 1000")
