"""TLS 1.3 and nothing older, certificates replaced under load, orderctl over the network, the uplink as a member."""

import asyncio
import os
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from fleet import Fixed, Fleet, channel_as, put, until
from orderd.config.schema import RolesConfig, RpcConfig, TelemetryConfig
from orderd.domain.clock import SystemClock
from orderd.domain.peers import Role
from orderd.identity.keeper import Keeper
from orderd.record import JournalReader
from orderd.rpc import serve
from orderd.telemetry import Uplink
from orderd.telemetry.channel import Line
from orderd.v1 import host_pb2, host_pb2_grpc
from ordertrainer.serve import TrainerServer

HOST = "ab" * 16


@pytest.fixture
def fleet(tmp_path):
    """Return an authority."""
    return Fleet(tmp_path / "fleet")


@pytest.fixture
async def listening(tmp_path, fleet, rpc_journal, hub, imagined_host):
    """Return orderd's server by TCP, and what it shows."""
    shown = Fixed(fleet.member(Role.HOST, HOST, addresses=("localhost", "127.0.0.1")))
    config = RpcConfig(socket=str(tmp_path / "orderd.sock"), listen="127.0.0.1:0", roles=RolesConfig())
    server = await serve(config, JournalReader.open(tmp_path / "journal.sqlite"), hub, imagined_host, identity=shown)
    await until(lambda: server.remote_address)
    yield server.remote_address, shown
    await server.stop(0.1)


async def openssl(address, directory, *words) -> str:
    """Shake hands by openssl, and return what it says."""
    here = directory / "current"
    files = ("-cert", here / "certificate.pem", "-key", here / "key.pem", "-CAfile", here / "authority.pem")
    argv = ("openssl", "s_client", *words, "-connect", address, *map(str, files), "-alpn", "h2")
    program = await asyncio.create_subprocess_exec(
        *argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return (await program.communicate())[0].decode(errors="replace")


@pytest.mark.parametrize("which", ["orderd", "members", "enrolment"])
async def test_nothing_older_than_tls_1_3_shakes_hands(tmp_path, fleet, listening, which):
    """Every port of ours: openssl gets a session by TLS 1.3 and none by 1.2, with a certificate that is good for both."""
    put(tmp_path / "me", fleet.member(Role.ADMIN, "alice"))
    async with TrainerServer(tmp_path / "fleet", "127.0.0.1:0") as trainer:
        address = {"orderd": listening[0], "members": trainer.address, "enrolment": trainer.enrol_address}[which]
        assert "New, TLSv1.3, Cipher is TLS_" in await openssl(address, tmp_path / "me", "-tls1_3")
        for old in ("-tls1_2", "-tls1_1", "-tls1"):
            assert "Cipher is (NONE)" in await openssl(address, tmp_path / "me", old)


async def test_a_renewed_certificate_is_shown_without_a_restart(fleet, listening):
    """The next connection sees the new certificate, and the connection that is open goes on."""
    address, shown = listening
    believed = fleet.authority.pem.encode()
    alice = fleet.member(Role.READER, "alice")

    async def ask(channel):
        return await host_pb2_grpc.HostServiceStub(channel).GetStatus(host_pb2.GetStatusRequest(), timeout=5)

    async with channel_as(address, alice, believed) as early:
        assert (await ask(early)).hostname == "web-3"
        shown.identity = fleet.member(Role.HOST, HOST, addresses=("other.example",))
        assert (await ask(early)).hostname == "web-3"
        async with channel_as(address, alice, believed) as late:
            with pytest.raises(Exception, match="Hostname Verification"):
                await ask(late)


def orderctl(*words, home):
    """Run orderctl as a program."""
    env = os.environ | {"ORDERD_IDENTITY": str(home)}
    argv = [sys.executable, "-m", "orderd.ctl", *words]
    return subprocess.run(argv, capture_output=True, text=True, env=env, timeout=60, check=False)


async def test_orderctl_asks_another_host_as_a_person(tmp_path, fleet, listening):
    """`orderctl --host` shows the status to a reader; a hold by a reader is refused, and one by an operator carries the name."""
    address = f"localhost:{listening[0].rpartition(':')[2]}"
    put(tmp_path / "reader", fleet.member(Role.READER, "bob"))
    put(tmp_path / "operator", fleet.member(Role.OPERATOR, "alice"))
    hold = ("--host", address, "hold", "nginx", "--for", "1m", "--why", "w")
    shown = await asyncio.to_thread(orderctl, "--host", address, "status", home=tmp_path / "reader")
    assert (shown.returncode, "web-3" in shown.stdout) == (0, True), shown.stderr
    refused = await asyncio.to_thread(orderctl, *hold, home=tmp_path / "reader")
    assert (refused.returncode, "needs the role operator" in refused.stderr) == (4, True), refused.stderr
    held = await asyncio.to_thread(orderctl, *hold, home=tmp_path / "operator")
    assert (held.returncode, "spiffe://fleet/operator/alice" in held.stdout) == (0, True), held.stderr


async def test_orderctl_says_in_words_why_it_cannot(tmp_path, fleet, listening):
    """Not enrolled, of another fleet, expired, another name than the certificate's, nobody there: one line and a remedy each."""
    port = listening[0].rpartition(":")[2]
    put(tmp_path / "me", fleet.member(Role.READER, "bob"))
    put(tmp_path / "eve", Fleet(tmp_path / "other").member(Role.READER, "eve"))
    long_ago = Fleet(tmp_path / "fleet", utc=lambda: time.time() - 7200)
    put(tmp_path / "old", long_ago.member(Role.READER, "bob", lifetime_s=3600))
    for home, address, words in (
        ("none", f"localhost:{port}", "you are not enrolled"),
        ("eve", f"localhost:{port}", "not to be believed"),
        ("old", f"localhost:{port}", "has expired"),
        ("me", f"127.0.0.2:{port}", "cannot reach"),
        ("me", "localhost:1", "cannot reach"),
        ("me", f"ip6-localhost:{port}", ""),
    ):
        done = await asyncio.to_thread(orderctl, "--host", address, "status", home=tmp_path / home)
        assert done.returncode in {3, 4}
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


async def test_orderctl_says_why_its_stream_ended(tmp_path, fleet, listening):
    """A certificate that ends while orderctl watches: not allowed, in one line that says how to enrol again."""
    put(tmp_path / "me", fleet.member(Role.READER, "bob", lifetime_s=8.0))
    address = f"localhost:{listening[0].rpartition(':')[2]}"
    done = await asyncio.to_thread(orderctl, "--host", address, "watch", home=tmp_path / "me")
    assert (done.returncode, done.stderr.count("\n")) == (4, 1), done.stderr
    assert "has expired" in done.stderr
    assert "orderctl enrol --me" in done.stderr


async def test_a_name_that_the_certificate_lacks_is_not_believed(tmp_path, fleet, listening):
    """A host answers under the names it was enrolled with and no others."""
    address, shown = listening
    shown.identity = fleet.member(Role.HOST, HOST, addresses=("web1.example",))
    put(tmp_path / "me", fleet.member(Role.READER, "bob"))
    done = await asyncio.to_thread(orderctl, "--host", address, "status", home=tmp_path / "me")
    assert (done.returncode, "--address" in done.stderr) == (4, True), done.stderr


async def test_the_port_opens_when_the_host_is_enrolled(tmp_path, fleet, rpc_journal, hub, imagined_host):
    """Without an identity nothing listens and the reason is told; soon after there is one, readers are answered."""
    keeper = Keeper(tmp_path / "id", SystemClock())
    running = asyncio.create_task(keeper.run())
    config = RpcConfig(socket=str(tmp_path / "orderd.sock"), listen="127.0.0.1:0", roles=RolesConfig())
    server = await serve(config, JournalReader.open(tmp_path / "journal.sqlite"), hub, imagined_host, identity=keeper)
    try:
        await until(lambda: server.problem)
        assert "not enrolled" in server.problem
        put(tmp_path / "id", fleet.member(Role.HOST, HOST, addresses=("127.0.0.1",)))
        await until(lambda: server.remote_address)
        assert server.problem == ""
        async with channel_as(server.remote_address, fleet.member(Role.READER, "bob"), fleet.authority.pem.encode()) as channel:
            await host_pb2_grpc.HostServiceStub(channel).GetStatus(host_pb2.GetStatusRequest(), timeout=5)
    finally:
        running.cancel()
        await server.stop(0.1)


async def test_the_uplink_delivers_as_a_member_over_renewals(tmp_path, fleet, make_decision):
    """Decisions offered before, during and after two changes of the certificate all arrive, and nothing is refused."""
    from orderd.domain.values import DecisionRecord

    async with TrainerServer(tmp_path / "fleet", "127.0.0.1:0") as trainer:
        put(tmp_path / "id", fleet.member(Role.HOST, HOST), trainer.address)
        keeper = Keeper(tmp_path / "id", SystemClock())
        config = TelemetryConfig(trainer=trainer.address, flush_s=0.1, spool=str(tmp_path / "spool"))
        uplink = Uplink(config, HOST, SystemClock(), line=Line(config, keeper))
        tasks = [asyncio.create_task(keeper.run()), asyncio.create_task(uplink.run())]
        try:
            for number in (1, 2, 3):
                uplink.offer_decision(DecisionRecord(decision=make_decision(number), steps=()))
                await until(lambda wanted=number: trainer.ingested.decisions == wanted)
                seen = keeper.identity.generation
                put(tmp_path / "id", fleet.member(Role.HOST, HOST), trainer.address)
                await asyncio.wait_for(keeper.changed(seen), 10)
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        assert trainer.ingested.decisions == 3
        assert trainer.ingested.refused == 0
