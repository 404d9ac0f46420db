"""Local users and groups: who a number is, and which role it has. Asks the user database, in threads that may be left behind.

The user database may sit behind the very network that is broken, so every question is bounded in time, asked at most once at a
time, and remembered; an answer that has become old is better than none. Root needs no database.
"""

import asyncio
import contextlib
import grp
import logging
import pwd
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from orderd.config.schema import RolesConfig
from orderd.domain.peers import Caller, Role
from orderd.errors import NotAllowedError
from orderd.rpc.peers import LocalPeer

LOG = logging.getLogger(__name__)
T = TypeVar("T")

ANSWER_S: Final = 0.5
FRESH_S: Final = 10.0
_NAMES_MAX: Final = 256
_ASKED_MAX: Final = 4
_THREADS_MAX: Final = 8
"""Threads that may wait for a user database that hangs; the service may have 64 in all. Names leave half of them to roles."""

Principals = dict[tuple[str, int], Role]
"""("user" or "group", number) to role."""


def _number(principal: str) -> tuple[str, int] | None:
    with contextlib.suppress(KeyError):
        if principal.startswith("@"):
            return "group", grp.getgrnam(principal[1:]).gr_gid
        return "user", pwd.getpwnam(principal).pw_uid
    LOG.warning("rpc.roles: there is no %s", f"group {principal[1:]}" if principal.startswith("@") else f"user {principal}")
    return None


def principals(config: RolesConfig) -> Principals:
    """Return the numbers behind the names of rpc.roles; of two roles the higher counts, names that do not exist are left out."""
    found: Principals = {("user", 0): Role.ADMIN}
    for role, names in ((Role.READER, config.reader), (Role.OPERATOR, config.operator), (Role.ADMIN, config.admin)):
        for number in map(_number, names):
            if number:
                found[number] = max(role, found.get(number, role))
    return found


_asked: Final[list[threading.Thread]] = []
"""The threads that still wait for the user database: one that hangs must not fill orderd with them."""


async def _in_time(question: Callable[[], T], threads_max: int = _THREADS_MAX) -> T:
    """Ask in a thread that neither the call nor the end of orderd waits for.

    Raises:
        TimeoutError: no answer in time; the thread stays until the database answers. Or too many wait for it already.
    """
    _asked[:] = [thread for thread in _asked if thread.is_alive()]
    if len(_asked) >= threads_max:
        raise TimeoutError
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[T] = loop.create_future()

    def tell(set_it: Callable[[], None]) -> None:
        if not answered.done():
            set_it()

    def ask() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            try:
                answer = question()
            except Exception as error:  # noqa: BLE001  handed on to who asked
                problem = error
                loop.call_soon_threadsafe(tell, lambda: answered.set_exception(problem))
            else:
                loop.call_soon_threadsafe(tell, lambda: answered.set_result(answer))

    thread = threading.Thread(target=ask, name="user-database", daemon=True)
    thread.start()
    _asked.append(thread)
    async with asyncio.timeout(ANSWER_S):
        return await answered


class Accounts:
    """Names callers and gives them their roles."""

    def __init__(self, config: RolesConfig, *, lookup: Callable[[RolesConfig], Principals] = principals) -> None:
        """Prepare; nothing is looked up before somebody calls.

        Args:
            config: which users and groups have which role.
            lookup: finds the numbers behind the names; replaced in tests.
        """
        self._config = config
        self._lookup = lookup
        self._principals: Principals = {}
        self._found_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._names: dict[int, tuple[float, str]] = {}
        self._asked = 0

    async def caller(self, peer: LocalPeer) -> Caller:
        """Return who calls, with the highest role of the user and of all groups of the process.

        Raises:
            NotAllowedError: the user database did not answer, so that nothing is known of anybody but root.
        """
        name, role = await asyncio.gather(self._name(peer.uid), self._role(peer))
        return Caller(name=name, role=role, local=True)

    async def _role(self, peer: LocalPeer) -> Role:
        if peer.uid == 0:
            return Role.ADMIN
        known = await self._known()
        roles = [known.get(("user", peer.uid), Role.NONE), *(known.get(("group", gid), Role.NONE) for gid in peer.groups)]
        return max(roles)

    async def _known(self) -> Principals:
        now = asyncio.get_running_loop().time()
        if now - self._found_at < FRESH_S:
            return self._principals
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._look_up())
        await asyncio.shield(self._asking)
        if self._found_at == float("-inf"):
            raise NotAllowedError(f"the user database did not answer within {ANSWER_S:g} s, so only root may do anything")
        return self._principals

    async def _look_up(self) -> None:
        try:
            self._principals = await _in_time(lambda: self._lookup(self._config))
        except (OSError, TimeoutError) as error:
            LOG.warning("rpc.roles: the user database does not answer: %s", error or "too slow")
            if self._principals:
                # Asked again after a while, and meanwhile nobody waits for it.
                self._found_at = asyncio.get_running_loop().time()
        else:
            self._found_at = asyncio.get_running_loop().time()

    async def _name(self, uid: int) -> str:
        """Return ``alice (uid 1000)``, or the number alone when the name cannot be found in time."""
        now = asyncio.get_running_loop().time()
        at, name = self._names.get(uid, (float("-inf"), ""))
        if now - at < FRESH_S:
            return name
        name = name or f"uid {uid}"
        if self._asked < _ASKED_MAX:
            self._asked += 1
            try:
                name = f"{(await _in_time(lambda: pwd.getpwuid(uid), _THREADS_MAX // 2)).pw_name} (uid {uid})"
            except (KeyError, TimeoutError, OSError):
                LOG.debug("uid %d has no name", uid)
            finally:
                self._asked -= 1
        if len(self._names) >= _NAMES_MAX:
            self._names.clear()
        self._names[uid] = (now, name)
        return name
