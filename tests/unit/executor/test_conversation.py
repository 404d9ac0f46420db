"""The executor between its client and its zygote, with both ends played by the test. Sockets only; no root, no systemd."""

import asyncio
import contextlib
import os
import socket
from types import SimpleNamespace

import msgspec
import pytest

from orderd.errors import ExecutorError, RepairRefusedError
from orderd.executor.admission import Admitted
from orderd.executor.channel import Channel
from orderd.executor.client import ExecutorClient
from orderd.executor.conduct import Conductor
from orderd.executor.messages import (
    REPLIES,
    Code,
    Finished,
    Forked,
    Go,
    Job,
    JobDone,
    JobRefused,
    Mode,
    Outcome,
    RepairRequest,
    Task,
    encode,
)
from orderd.executor.server import Server
from orderd.executor.sockets import listening_socket
from orderd.executor.targets import Refusal

ME = frozenset({os.geteuid()})
DONE = JobDone(rc=0, tasks=(Task(name="t", status="ok", changed=True, msg=""),), detail="", seconds={"playbook": 0.1})


class FakeScopes:
    """Scopes that remember what was asked of them."""

    def __init__(self, *, adopts=True, settles=True) -> None:
        self.adopts = adopts
        self.settles = settles
        self.survives = False
        self.ended: list[str] = []

    async def adopt(self, name: str, pid: int, deadline_s: float) -> str:
        if not self.adopts:
            raise ExecutorError("no bus")
        return f"{name}.scope"

    async def end(self, scope: str, pid: int) -> None:
        self.ended.append(scope)
        if self.survives:
            raise ExecutorError("processes survive")

    async def end_all(self) -> None:
        if not self.settles:
            raise ExecutorError("no bus")


class FakeZygote:
    """Answers Job with Forked and Go with a prepared reply."""

    def __init__(self, path: str, reply) -> None:
        self.sock = listening_socket(path, mode=0o600)
        self.sock.settimeout(0)
        self.reply = reply
        self.released = False

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        connection, _ = await loop.sock_accept(self.sock)
        with connection:
            connection.settimeout(0)
            await loop.sock_recv(connection, 1 << 17)
            await loop.sock_sendall(connection, encode(Forked(pid=4242)))
            if await loop.sock_recv(connection, 1 << 17):
                self.released = True
                if self.reply == "hang":
                    await asyncio.sleep(30)
                elif self.reply is not None:
                    await loop.sock_sendall(connection, encode(self.reply))


def _request(**changes) -> RepairRequest:
    wanted = {"repair_id": "r1", "playbook": "mend", "target": "resolver:system", "deadline_s": 0.2, "mode": Mode.APPLY}
    return RepairRequest(**(wanted | changes))


def _admitted() -> Admitted:
    job = Job(
        job_id="r1",
        work_dir="/w",
        source_dir="/s",
        files={},
        playbook="mend/repair.yml",
        variables={},
        check=False,
        tmpfs_bytes=0,
    )
    return Admitted(request=_request(), job=job, deadline_s=0.2)


async def _conduct(tmp_path, reply, scopes) -> tuple[Finished, FakeZygote]:
    zygote = FakeZygote(str(tmp_path / "z.sock"), reply)
    serving = asyncio.create_task(zygote.serve())

    async def started(_message) -> None: ...

    finished = await Conductor(str(tmp_path / "z.sock"), scopes).run(_admitted(), started)
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    zygote.sock.close()
    return finished, zygote


@pytest.mark.parametrize(
    ("reply", "outcome", "code"),
    [
        (DONE, Outcome.SUCCEEDED, None),
        (msgspec.structs.replace(DONE, rc=4, tasks=()), Outcome.FAILED, Code.PLAYBOOK_ERROR),
        (JobRefused(code=Code.HASH_MISMATCH, detail="x"), Outcome.REFUSED, Code.HASH_MISMATCH),
        (None, Outcome.FAILED, Code.DIED),
        ("hang", Outcome.TIMED_OUT, Code.DEADLINE),
    ],
)
async def test_every_end_of_a_job_becomes_one_outcome_and_its_scope_is_ended(tmp_path, reply, outcome, code):
    """Whatever the repair process says, or does not say, the scope is ended before the answer."""
    scopes = FakeScopes()
    finished, _ = await _conduct(tmp_path, reply, scopes)
    assert (finished.outcome, finished.code) == (outcome, code)
    assert scopes.ended == ["r1.scope"]


@pytest.mark.parametrize("scopes", [{"adopts": False}, {"settles": False}])
async def test_a_process_that_cannot_be_held_is_never_released(tmp_path, scopes):
    """Without a scope, or with an earlier repair still running, nothing runs."""
    finished, zygote = await _conduct(tmp_path, DONE, FakeScopes(**scopes))
    assert (finished.outcome, finished.code) == (Outcome.REFUSED, Code.SCOPE_FAILED)
    assert not zygote.released


async def test_no_repair_starts_before_what_would_not_end_has_ended(tmp_path):
    """A process in uninterruptible sleep holds back the next repair until it is gone, and nothing else of orderd."""
    scopes = FakeScopes()
    scopes.survives = True
    conductor = Conductor(str(tmp_path / "z.sock"), scopes)

    async def run(reply) -> Finished:
        zygote = FakeZygote(str(tmp_path / "z.sock"), reply)
        serving = asyncio.create_task(zygote.serve())

        async def started(_message) -> None: ...

        finished = await conductor.run(_admitted(), started)
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        zygote.sock.close()
        (tmp_path / "z.sock").unlink(missing_ok=True)
        return finished

    assert (await run(DONE)).code is Code.SCOPE_FAILED
    assert (await run(DONE)).outcome is Outcome.REFUSED
    scopes.survives = False
    assert (await run(DONE)).outcome is Outcome.SUCCEEDED
    assert scopes.ended == ["r1.scope"] * 4


async def test_no_zygote_is_a_refusal_with_its_own_code(tmp_path):
    """Nothing was touched, and the code says why."""

    async def started(_message) -> None: ...

    finished = await Conductor(str(tmp_path / "none.sock"), FakeScopes()).run(_admitted(), started)
    assert (finished.outcome, finished.code) == (Outcome.REFUSED, Code.ZYGOTE_UNAVAILABLE)


class FakeConductor:
    """Finishes at once, or after it was told to."""

    def __init__(self) -> None:
        self.may_finish = asyncio.Event()
        self.may_finish.set()

    async def run(self, admitted, on_started) -> Finished:
        await self.may_finish.wait()
        return Finished(repair_id=admitted.request.repair_id, outcome=Outcome.SUCCEEDED)


class FakeAdmission:
    """Admits everything but ``forbidden``."""

    playbooks = SimpleNamespace(repairs={})

    def admit(self, request: RepairRequest) -> Admitted:
        if request.playbook == "forbidden":
            raise Refusal(Code.UNKNOWN_PLAYBOOK, "no")
        return _admitted()


@contextlib.asynccontextmanager
async def _server(tmp_path, users=ME):
    conductor = FakeConductor()
    listener = listening_socket(str(tmp_path / "e.sock"), mode=0o600)
    server = Server(listener, FakeAdmission(), conductor, users=users)
    serving = asyncio.create_task(server.serve(idle_s=None))
    try:
        yield ExecutorClient(str(tmp_path / "e.sock")), conductor
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        listener.close()


async def test_another_user_is_refused(tmp_path):
    """The kernel says who is at the other end; a user that is not listed gets nothing."""
    async with _server(tmp_path, users=frozenset({54321})) as (client, _):
        with pytest.raises(RepairRefusedError, match="peer_not_allowed"):
            await client.repair(_request())


async def test_a_second_repair_is_busy_and_the_first_one_goes_on(tmp_path):
    """One repair at a time."""
    async with _server(tmp_path) as (client, conductor):
        conductor.may_finish.clear()
        first = asyncio.create_task(client.repair(_request(deadline_s=10)))
        await asyncio.sleep(0.05)
        with pytest.raises(RepairRefusedError, match="busy"):
            await client.repair(_request())
        conductor.may_finish.set()
        assert (await first).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("datagram", [b"{", b"[]", b'{"type":"shell"}', b"\xff" * 100, b'{"type":"repair"}', b"x" * 100_000])
async def test_garbage_is_refused_and_the_server_serves_on(tmp_path, datagram):
    """A message of another shape costs its sender the connection and nobody else anything."""
    async with _server(tmp_path) as (client, _):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as raw:
            raw.connect(str(tmp_path / "e.sock"))
            raw.sendall(datagram)
            channel = Channel(raw)
            answer = await channel.receive(REPLIES)
        assert isinstance(answer, Finished)
        assert answer.code == Code.BAD_REQUEST
        assert (await client.repair(_request())).outcome is Outcome.SUCCEEDED


async def test_a_client_that_goes_away_does_not_stop_its_repair(tmp_path):
    """The server finishes the repair, tells nobody, and takes the next one."""
    async with _server(tmp_path) as (client, conductor):
        conductor.may_finish.clear()
        first = asyncio.create_task(client.repair(_request(deadline_s=10)))
        await asyncio.sleep(0.05)
        first.cancel()
        await asyncio.sleep(0.05)
        with pytest.raises(RepairRefusedError, match="busy"):
            await client.repair(_request())
        conductor.may_finish.set()
        await asyncio.sleep(0.05)
        assert (await client.repair(_request())).outcome is Outcome.SUCCEEDED


async def test_what_runs_is_told_while_it_runs_and_no_longer(tmp_path):
    """An orderd that was started anew learns which repairs of its predecessor go on."""
    async with _server(tmp_path) as (client, conductor):
        assert await client.running() == ()
        conductor.may_finish.clear()
        request = _request(deadline_s=10)
        first = asyncio.create_task(client.repair(request))
        await asyncio.sleep(0.05)
        (told,) = await client.running()
        assert (told.repair_id, told.playbook, told.target, told.mode) == (
            request.repair_id,
            request.playbook,
            request.target,
            request.mode,
        )
        assert 9 < told.remaining_s <= 10
        conductor.may_finish.set()
        await first
        assert await client.running() == ()


async def test_a_refusal_of_the_gate_reaches_the_client(tmp_path):
    """Code and detail arrive as they were given."""
    async with _server(tmp_path) as (client, _):
        with pytest.raises(RepairRefusedError, match="unknown_playbook: no"):
            await client.repair(_request(playbook="forbidden"))


def test_go_is_a_message_of_its_own():
    """A process waits for Go and for nothing that merely looks like a message."""
    assert encode(Go()) == b'{"type":"go"}'


async def test_two_repairs_that_come_at_once_settle_once(tmp_path):
    """The second does not take the scope of the first for one that an earlier executor left behind."""
    scopes, ended = FakeScopes(), []

    async def end_all() -> None:
        ended.append(1)
        await asyncio.sleep(0.01)

    scopes.end_all = end_all
    conductor = Conductor(str(tmp_path / "z.sock"), scopes)
    await asyncio.gather(conductor.settle(), conductor.settle())
    assert ended == [1]
