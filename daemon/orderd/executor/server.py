"""orderd-exec: answers requests on one socket and leaves when idle. Touches sockets.

One repair at a time, unless their contracts cannot touch the same thing; orderd says so too, and its word is not enough.
"""

import asyncio
import contextlib
import pwd
import socket
import sys
from typing import Final

import msgspec

from orderd.errors import ConfigError
from orderd.executor.admission import Admission
from orderd.executor.channel import Channel
from orderd.executor.conduct import Conductor
from orderd.executor.messages import (
    REQUESTS,
    Accepted,
    Awake,
    Code,
    Finished,
    Outcome,
    RepairRequest,
    Running,
    Wake,
    WhatRuns,
    cut,
)
from orderd.executor.sockets import peer_uid
from orderd.executor.targets import Refusal
from orderd.executor.underway import UnderWay

REQUEST_WITHIN_S: Final = 2.0
CONNECTIONS_MAX: Final = 8


class Server:
    """Accepts connections; each carries one request."""

    def __init__(
        self,
        listener: socket.socket,
        admission: Admission,
        conductor: Conductor,
        *,
        users: frozenset[int],
        repairs_at_once: int = 1,
    ) -> None:
        """Take over a listening socket.

        Args:
            listener: SEQPACKET.
            admission: decides what may run.
            conductor: runs it.
            users: user ids that may ask.
            repairs_at_once: most repairs under way, where their contracts allow more than one.
        """
        listener.settimeout(0)
        self._listener = listener
        self._admission = admission
        self._conductor = conductor
        self._users = users
        self._under_way = UnderWay(admission.playbooks.repairs, at_once=repairs_at_once)
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, *, idle_s: float | None) -> None:
        """Serve until nothing was asked for ``idle_s`` seconds (None: for ever)."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(idle_s):
                    sock, _address = await loop.sock_accept(self._listener)
            except TimeoutError:
                if not self._tasks:
                    return
                continue
            self._take(sock)

    def _take(self, sock: socket.socket) -> None:
        if len(self._tasks) >= CONNECTIONS_MAX:
            sock.close()
            return
        task = asyncio.create_task(self._serve_one(sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_one(self, sock: socket.socket) -> None:
        uid = peer_uid(sock)
        channel = Channel(sock)
        # A client that went away does not stop its repair: the scope's deadline does.
        with contextlib.suppress(ConnectionError, BrokenPipeError):
            try:
                await self._answer(channel, uid)
            finally:
                channel.close()

    async def _answer(self, channel: Channel, uid: int) -> None:
        try:
            async with asyncio.timeout(REQUEST_WITHIN_S):
                datagram = await channel.receive_bytes()  # also from strangers: an answer to an unread request is lost
        except TimeoutError:
            return
        if uid not in self._users:
            await channel.send(_refused("", Code.PEER_NOT_ALLOWED, f"uid {uid} may not ask; see executor.allowed_users"))
        elif datagram:
            await self._carry_out(channel, datagram)

    async def _carry_out(self, channel: Channel, datagram: bytes) -> None:
        try:
            request = REQUESTS.decode(datagram)
        except msgspec.DecodeError as error:
            await channel.send(_refused("", Code.BAD_REQUEST, cut(error)))
            return
        match request:
            case Wake():
                await channel.send(await self._awake())
            case WhatRuns():
                await channel.send(Running(repairs=self._under_way.now()))
            case RepairRequest():
                await self._repair(channel, request)

    async def _awake(self) -> Awake:
        playbooks = self._admission.playbooks
        return Awake(
            playbooks=len(playbooks.repairs),
            refused={name: cut(reason) for name, reason in playbooks.refused.items()},
            zygote=await self._conductor.zygote_listens(),
        )

    async def _repair(self, channel: Channel, request: RepairRequest) -> None:
        try:
            with self._under_way.one_more(request):
                finished = await self._admit_and_run(channel, request)
        except Refusal as refusal:
            finished = _refused(request.repair_id, refusal.code, refusal.detail)
        _log(request, finished)
        await channel.send(finished)

    async def _admit_and_run(self, channel: Channel, request: RepairRequest) -> Finished:
        try:
            admitted = self._admission.admit(request)
        except Refusal as refusal:
            return _refused(request.repair_id, refusal.code, refusal.detail)
        await _tell(channel, Accepted(repair_id=request.repair_id))
        return await self._conductor.run(admitted, lambda started: _tell(channel, started))


async def _tell(channel: Channel, message: msgspec.Struct) -> None:
    """Send progress; a client that went away does not stop the repair it asked for."""
    with contextlib.suppress(OSError):
        await channel.send(message)


def _refused(repair_id: str, code: Code, detail: str) -> Finished:
    return Finished(repair_id=repair_id, outcome=Outcome.REFUSED, code=code, detail=detail)


def _log(request: RepairRequest, finished: Finished) -> None:
    """Leave one line in the system's journal, whatever orderd itself records."""
    line = f"{request.repair_id} {request.mode} {request.playbook} {request.target}: {finished.outcome}"
    reason = f" {finished.code} {finished.detail}" if finished.code else ""
    sys.stderr.write(f"{line}{reason} in {finished.seconds.get('total', 0.0):.3f} s\n")


def user_ids(names: tuple[str, ...], *, file: str) -> frozenset[int]:
    """Return the ids of the users that may ask.

    Raises:
        ConfigError: none of them exists.
    """
    ids = {entry.pw_uid for entry in map(_user, names) if entry is not None}
    if not ids:
        raise ConfigError(file=file, key="executor.allowed_users", value=names, allowed="at least one user of this host")
    return frozenset(ids)


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
