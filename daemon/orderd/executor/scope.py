"""Holds every process of a repair in one systemd scope, so that none outlives it. Touches systemd over D-Bus and reads /proc.

A scope adopts a process that already waits; from then on its children, daemons and whatever ignores TERM are systemd's to kill:
at the deadline by RuntimeMaxUSec, after the end by our StopUnit.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from orderd.config.schema import ExecutorConfig
from orderd.errors import ExecutorError

SCOPE_PREFIX: Final = "orderd-repair-"
SLICE: Final = "orderd-repairs.slice"
TERM_TO_KILL_S: Final = 0.5
_ADOPTED_WITHIN_S: Final = 2.0
_GONE_AFTER_STOP_S: Final = 0.6
_GONE_AFTER_KILL_S: Final = 0.3
"""With the half second between TERM and KILL and our own second line, an answer comes within two seconds of every deadline."""
_POLL_S: Final = 0.002
_NO_SUCH_UNIT: Final = "org.freedesktop.systemd1.NoSuchUnit"


class Scopes(Protocol):
    """Where the processes of repairs are held."""

    async def adopt(self, name: str, pid: int, deadline_s: float) -> str:
        """Put a waiting process into a scope of that name.

        Returns:
            The scope's name, empty when there are no scopes.

        Raises:
            ExecutorError: it could not be put there; it must not run.
        """
        ...

    async def end(self, scope: str, pid: int) -> None:
        """Kill whatever is left in a scope, and wait until nothing is.

        Raises:
            ExecutorError: something is still there.
        """
        ...

    async def end_all(self) -> None:
        """End every scope an earlier executor left behind."""
        ...


class NoScopes:
    """A process group in place of a scope, for tests outside systemd: a hostile playbook can escape it."""

    def __init__(self, work_dir: Path) -> None:
        """Hold the parent of all workspaces: whoever stands in a workspace belongs to its repair."""
        self._work_dir = work_dir
        self._workspace_of: dict[int, Path] = {}

    async def adopt(self, name: str, pid: int, deadline_s: float) -> str:
        """Remember the process, which already leads a session of its own."""
        del deadline_s
        self._workspace_of[pid] = self._work_dir / name
        return ""

    async def end(self, scope: str, pid: int) -> None:
        """Kill the process group, and the workers of Ansible that left it."""
        del scope
        workspace = self._workspace_of.pop(pid)
        for member in [pid, *_standing_in(workspace)]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(os.getpgid(member), signal.SIGKILL)

    async def end_all(self) -> None:
        """Do nothing: nothing is known of earlier groups."""


def _standing_in(folder: Path) -> list[int]:
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").readlink().is_relative_to(folder):
                found.append(int(entry.name))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a repair may use.

    Attributes:
        tasks_max: processes and threads at once.
        memory_max_bytes: memory, its tmpfs included.
    """

    tasks_max: int
    memory_max_bytes: int


class SystemdScopes:
    """Scopes of the host's systemd."""

    def __init__(self, limits: Limits) -> None:
        """Hold the limits; connect on first use."""
        self._limits = limits
        self._bus: MessageBus | None = None

    @classmethod
    def of(cls, config: ExecutorConfig) -> "SystemdScopes":
        """Take the limits out of the configuration."""
        return cls(Limits(tasks_max=config.tasks_max, memory_max_bytes=config.memory_max_bytes))

    async def adopt(self, name: str, pid: int, deadline_s: float) -> str:
        """Put a waiting process into a scope; see :class:`Scopes`."""
        scope = f"{SCOPE_PREFIX}{name}.scope"
        await self._call("StartTransientUnit", "ssa(sv)a(sa(sv))", [scope, "fail", self._properties(name, pid, deadline_s), []])
        # The kernel's own record, not systemd's answer, says where the process is.
        if not await _until(lambda: _is_in(pid, scope), _ADOPTED_WITHIN_S):
            msg = f"{scope}: process {pid} was not in it after {_ADOPTED_WITHIN_S:g} s"
            raise ExecutorError(msg)
        return scope

    async def end(self, scope: str, pid: int) -> None:
        """Stop a scope and wait until systemd has forgotten it; see :class:`Scopes`."""
        del pid
        if not await self._call("StopUnit", "ss", [scope, "replace"], missing_is_fine=True):
            return
        if await self._gone(scope, _GONE_AFTER_STOP_S):
            return
        await self._call("KillUnit", "ssi", [scope, "all", int(signal.SIGKILL)], missing_is_fine=True)
        if not await self._gone(scope, _GONE_AFTER_KILL_S):
            msg = f"{scope}: processes survive SIGKILL (uninterruptible sleep?)"
            raise ExecutorError(msg)

    async def end_all(self) -> None:
        """End every scope with our prefix; see :class:`Scopes`."""
        reply = await self._call("ListUnitsByPatterns", "asas", [[], [f"{SCOPE_PREFIX}*.scope"]])
        for unit in reply.body[0] if reply else ():
            await self.end(unit[0], 0)

    def _properties(self, name: str, pid: int, deadline_s: float) -> list[Any]:
        values = {
            "Description": Variant("s", f"orderd repair {name}"),
            "PIDs": Variant("au", [pid]),
            "Slice": Variant("s", SLICE),
            "KillMode": Variant("s", "control-group"),
            "SendSIGKILL": Variant("b", True),  # noqa: FBT003  takes no keyword
            "RuntimeMaxUSec": Variant("t", round(deadline_s * 1e6)),
            "TimeoutStopUSec": Variant("t", round(TERM_TO_KILL_S * 1e6)),
            "TasksMax": Variant("t", self._limits.tasks_max),
            "MemoryMax": Variant("t", self._limits.memory_max_bytes),
            "CollectMode": Variant("s", "inactive-or-failed"),
        }
        return [[key, value] for key, value in values.items()]

    async def _gone(self, scope: str, within_s: float) -> bool:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + within_s
        while await self._call("GetUnit", "s", [scope], missing_is_fine=True):
            if loop.time() > give_up:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    async def _call(self, member: str, signature: str, body: list[Any], *, missing_is_fine: bool = False) -> Message | None:
        """Call systemd's manager.

        Returns:
            Its reply, None when the unit does not exist and that is fine.
        """
        bus = await self._connected()
        message = Message(
            destination="org.freedesktop.systemd1",
            path="/org/freedesktop/systemd1",
            interface="org.freedesktop.systemd1.Manager",
            member=member,
            signature=signature,
            body=body,
        )
        reply = await bus.call(message)
        if reply.message_type is not MessageType.ERROR:
            return reply
        if missing_is_fine and reply.error_name == _NO_SUCH_UNIT:
            return None
        msg = f"systemd {member} {body[0]}: {reply.error_name}: {' '.join(map(str, reply.body))}"
        raise ExecutorError(msg)

    async def _connected(self) -> MessageBus:
        if self._bus is None or not self._bus.connected:
            try:
                self._bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
            except (OSError, EOFError) as error:
                msg = f"system bus: {error}; without it no repair can be held, so none is started"
                raise ExecutorError(msg) from error
        return self._bus


def _is_in(pid: int, scope: str) -> bool:
    try:
        return scope in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
    except OSError:
        return False


async def _until(condition: Callable[[], bool], within_s: float) -> bool:
    loop = asyncio.get_running_loop()
    give_up = loop.time() + within_s
    while not condition():
        if loop.time() > give_up:
            return False
        await asyncio.sleep(_POLL_S)
    return True
