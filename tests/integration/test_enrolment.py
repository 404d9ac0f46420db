"""Enrolling, renewing and being refused: a real trainer, real TLS, the real programs."""

import asyncio
import functools
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import grpc
import pytest

from fleet import Fleet, ask, channel_as, put
from orderd.config.schema import TelemetryConfig
from orderd.domain.clock import SystemClock
from orderd.domain.peers import PeerName, Role
from orderd.errors import IdentityError, TelemetryError
from orderd.identity.enrolment import enrol, renew
from orderd.identity.keeper import Keeper
from orderd.identity.store import load
from orderd.identity.token import from_text
from orderd.telemetry.channel import PUSH, Line
from orderd.v1 import fleet_pb2, telemetry_pb2
from ordertrainer.serve import TrainerServer
from ordertrainer.serve.door import Tls
from ordertrainer.serve.joining import make
from ordertrainer.serve.tokens import Grant

HOST = "ab" * 16
OTHER = "cd" * 16
CLIENTS = ThreadPoolExecutor(16)
"""Clients have threads of their own: the server of these tests runs in this process and needs the default ones."""
ANY_HOST = Grant(role=Role.HOST, who="")
METHODS = telemetry_pb2.DESCRIPTOR.services_by_name["TelemetryService"].methods_by_name
BUDGET = fleet_pb2.DESCRIPTOR.services_by_name["BudgetService"].methods_by_name


@pytest.fixture
async def trainer(tmp_path):
    """Return a trainer by mutual TLS."""
    async with TrainerServer(tmp_path / "data", "127.0.0.1:0") as server:
        yield server


@pytest.fixture
def token(tmp_path, trainer):
    """Return a maker of tokens."""

    def made(grant=ANY_HOST, lifetime_s=900.0):
        return from_text(make(tmp_path / "data", grant, lifetime_s=lifetime_s)[0])

    return made


async def joined(token, directory, host_id=HOST, **more) -> PeerName:
    """Enrol without holding up the server, which runs in this loop."""
    work = functools.partial(enrol, token, directory, host_id, **more)
    return await asyncio.get_running_loop().run_in_executor(CLIENTS, work)


async def refused(token, directory, host_id=HOST, **more) -> str:
    """Return why an enrolment was refused; nothing was written."""
    with pytest.raises(IdentityError) as caught:
        await joined(token, directory, host_id, **more)
    assert not (directory / "current").exists()
    return str(caught.value)


async def test_a_token_makes_a_host_a_member(tmp_path, trainer, token):
    """The certificate names the host, is of the key made here, and opens the members' port to it."""
    assert str(await joined(token(), tmp_path / "id")) == f"spiffe://fleet/host/{HOST}"
    found = load(tmp_path / "id")
    assert found.trainer == trainer.address
    assert 23 * 3600 < found.not_after - time.time() <= 86_400
    async with channel_as(trainer.address, found, found.authority, trainer=True) as channel:
        request = telemetry_pb2.PushRequest(host_id=HOST).SerializeToString()
        assert await ask(channel, METHODS["Push"], request) == "INVALID_ARGUMENT"


async def test_the_key_does_not_leave_the_host(tmp_path, trainer, token):
    """Nothing under the trainer's directory holds the host's key."""
    await joined(token(), tmp_path / "id")
    secret = b"".join(load(tmp_path / "id").key.splitlines()[1:-1])
    for path in (tmp_path / "data").rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes().replace(b"\n", b"")


async def test_a_token_is_good_once(tmp_path, token):
    """The second host that brings a token is refused, and told what that may mean."""
    good = token()
    await joined(good, tmp_path / "id")
    assert "used before" in await refused(good, tmp_path / "id2", OTHER)


async def test_of_many_that_bring_one_token_at_once_one_gets_in(tmp_path, token):
    """Sixteen simultaneous enrolments with one token: exactly one certificate."""
    good = token()
    tries = (joined(good, tmp_path / f"id{number}", f"{number:032x}") for number in range(16))
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(outcome, PeerName) for outcome in outcomes) == 1
    assert sum("used before" in str(outcome) for outcome in outcomes) == 15


async def test_a_token_that_is_too_old_is_refused(tmp_path, token):
    """After its time a token is refused by the trainer, whatever the host believes."""
    old = token(lifetime_s=0.2)
    await asyncio.sleep(0.4)
    assert "token ended" in await refused(old, tmp_path / "id")


async def test_a_token_with_another_secret_is_refused(tmp_path, token):
    """A secret that the authority did not make is unknown."""
    assert "unknown here" in await refused(replace_(token(), secret="A" * 43), tmp_path / "id")


def replace_(token, **fields):
    """Return a token with other fields."""
    import msgspec

    return msgspec.structs.replace(token, **fields)


def test_a_token_that_was_cut_is_no_token(tmp_path):
    """A token that lost or changed a character is refused before anything is sent."""
    (tmp_path / "data").mkdir()
    text, _ = make(tmp_path / "data", ANY_HOST, places=("t:7443", "t:7444"))
    for spoiled in (text[:-9], text[1:], "x" + text, text.replace("orderd-join.", "orderd-join.!"), text[:60] + " " + text[61:]):
        with pytest.raises(ValueError, match="token"):
            from_text(spoiled)


async def test_a_trainer_of_another_authority_is_not_believed(tmp_path, trainer, token):
    """Whoever answers at the trainer's address without the token's authority gets no token."""
    good = token()
    async with TrainerServer(tmp_path / "evil", "127.0.0.1:0") as evil:
        why = await refused(replace_(good, enrol=evil.enrol_address), tmp_path / "id")
        assert "not the fleet's trainer" in why or "does not take" in why
    assert await joined(good, tmp_path / "id"), "the token was not used up"


async def test_a_member_cannot_pose_as_the_trainer(tmp_path, trainer, token):
    """A host's own certificate, served at the trainer's address, is not taken for the trainer's."""
    await joined(token(), tmp_path / "id")
    host = load(tmp_path / "id")
    server = grpc.aio.server()
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(host.key, host.certificate)]))
    await server.start()
    try:
        why = await refused(replace_(token(), enrol=f"127.0.0.1:{port}"), tmp_path / "id2", OTHER)
    finally:
        await server.stop(0)
    assert "not the fleet's trainer" in why


@pytest.mark.parametrize(("off_s", "words"), [(-86_400 * 9, "behind"), (-1000, "behind"), (86_400 * 9, "this host's clock says")])
async def test_a_clock_that_is_far_off_is_named(tmp_path, token, off_s, words):
    """A clock that is off by more than certificates allow is told as that, and the token stays good."""
    good = token()
    why = await refused(good, tmp_path / "id", utc=lambda: time.time() + off_s)
    assert words in why
    assert "timedatectl" in why
    assert await joined(good, tmp_path / "id")


async def test_a_token_for_one_host_is_not_for_another(tmp_path, token):
    """A token bound to a host id lets in that host only, and stays good for it."""
    bound = token(Grant(role=Role.HOST, who=HOST))
    assert f"for the host {HOST}" in await refused(bound, tmp_path / "id", OTHER)
    assert await joined(bound, tmp_path / "id", HOST)


async def test_a_host_cannot_join_as_a_member_that_is_there(tmp_path, token):
    """An unbound token lets nobody in under the name of a host whose certificate holds; a bound one does."""
    await joined(token(), tmp_path / "id")
    assert "is a member already" in await refused(token(), tmp_path / "clone", HOST)
    assert await joined(token(Grant(role=Role.HOST, who=HOST)), tmp_path / "again", HOST)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMIN, Role.READER, Role.TRAINER])
async def test_a_person_joins_by_the_name_in_the_token(tmp_path, token, role):
    """The name and the role are the authority's word, and no host may use a person's token."""
    made = token(Grant(role=role, who="alice"))
    assert "not for a host" in await refused(made, tmp_path / "id", HOST)
    assert str(await joined(made, tmp_path / "id", "")) == f"spiffe://fleet/{role.name.lower()}/alice"


async def test_renewing_keeps_the_name_and_makes_another_key(tmp_path, trainer, token):
    """A renewed identity has the same name and addresses, another key, and the trainer takes it."""
    await joined(token(Grant(role=Role.HOST, who="", addresses=("web1.example", "10.0.0.5"))), tmp_path / "id")
    before = load(tmp_path / "id")
    after = await asyncio.to_thread(renew, tmp_path / "id")
    assert after.name == before.name
    assert after.key != before.key
    from cryptography import x509

    names = x509.load_pem_x509_certificate(after.certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert "web1.example" in names.value.get_values_for_type(x509.DNSName)
    assert [str(ip) for ip in names.value.get_values_for_type(x509.IPAddress)] == ["10.0.0.5"]


async def test_what_was_never_enrolled_cannot_renew(tmp_path, trainer):
    """A certificate of the authority for a name that is no member opens the door but is not renewed."""
    stranger = Fleet(tmp_path / "data").member(Role.HOST, OTHER)
    put(tmp_path / "id", stranger, trainer.address)
    with pytest.raises(IdentityError, match="no member of this fleet"):
        await asyncio.to_thread(renew, tmp_path / "id")


async def test_a_host_speaks_only_for_itself(tmp_path, trainer, token):
    """Samples and leases in another host's name are refused; in its own they are not."""
    await joined(token(), tmp_path / "id")
    host = load(tmp_path / "id")
    async with channel_as(trainer.address, host, host.authority, trainer=True) as channel:
        for method, request in (
            (METHODS["Push"], telemetry_pb2.PushRequest(host_id=OTHER)),
            (BUDGET["AcquireLease"], fleet_pb2.AcquireLeaseRequest(host_id=OTHER)),
            (BUDGET["ReleaseLease"], fleet_pb2.ReleaseLeaseRequest(host_id=OTHER)),
        ):
            assert await ask(channel, method, request.SerializeToString()) == "PERMISSION_DENIED"
            request.host_id = HOST
            assert await ask(channel, method, request.SerializeToString()) != "PERMISSION_DENIED"


class Stream:
    """A stream to the trainer that stays open."""

    def __init__(self, channel) -> None:
        self.ended = asyncio.Event()
        self.call = channel.stream_stream(PUSH)(self._wait())
        self.read = asyncio.ensure_future(self.call.read())

    async def _wait(self):
        await self.ended.wait()
        yield b""

    async def code(self, timeout_s=8.0) -> str:
        """Return the code it ends with, OK while it does not end."""
        done, _ = await asyncio.wait({self.read}, timeout=timeout_s)
        if not done:
            return "OK"
        try:
            self.read.result()
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "ended"


async def test_a_stream_ends_with_the_certificate_it_came_by(tmp_path):
    """A stream and a connection that outlive their certificate are refused, without any new handshake."""
    async with TrainerServer(tmp_path / "data", "127.0.0.1:0", tls=Tls(lifetime_s=3600)) as trainer:
        brief = Fleet(tmp_path / "data").member(Role.HOST, HOST, lifetime_s=2.5)
        async with channel_as(trainer.address, brief, brief.authority, trainer=True) as channel:
            renewing = fleet_pb2.DESCRIPTOR.services_by_name["EnrolmentService"].methods_by_name["Renew"]
            assert await ask(channel, renewing) == "INVALID_ARGUMENT"
            stream = Stream(channel)
            assert await stream.code(1.0) == "OK"
            assert await stream.code() == "UNAUTHENTICATED"
            assert await ask(channel, renewing) == "UNAUTHENTICATED"


async def test_a_host_renews_at_half_life_while_it_streams(tmp_path):
    """With certificates of a few seconds a host stays a member for three lives, without a restart, and no stream is refused."""
    life_s = 6.0
    data, home = tmp_path / "data", tmp_path / "id"
    async with TrainerServer(data, "127.0.0.1:0", tls=Tls(lifetime_s=life_s)) as trainer:
        await joined(from_text(make(data, ANY_HOST)[0]), home)
        keeper = Keeper(home, SystemClock())
        line = Line(TelemetryConfig(trainer=trainer.address), keeper)
        running = asyncio.create_task(keeper.run())
        first, generations, codes = load(home), set(), []
        try:
            while time.time() < first.not_after + 2 * life_s:
                async with line.open() as channel:
                    generations.add(keeper.identity.generation)
                    stream = Stream(channel)
                    renewed = asyncio.create_task(line.renewed())
                    ended = asyncio.create_task(stream.code(life_s * 2))
                    await asyncio.wait((renewed, ended), return_when=asyncio.FIRST_COMPLETED)
                    codes.append(ended.result() if ended.done() else "renewed")
                    renewed.cancel()
                    stream.call.cancel()
                    await asyncio.wait((renewed, ended, stream.read))
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        assert set(codes) == {"renewed"}, codes
        assert len(generations) >= 4
        assert keeper.problem == ""


async def test_a_trainer_that_is_down_is_tried_again_until_it_is_back(tmp_path, manual_clock):
    """A renewal that fails is said, tried again with growing pauses, and forgotten when one succeeds."""
    fleet = Fleet(tmp_path / "data")
    put(tmp_path / "id", fleet.member(Role.HOST, HOST, lifetime_s=4.0))
    tries = []

    async def failing(directory, trainer):
        tries.append(time.monotonic())
        if len(tries) < 4:
            raise IdentityError("the trainer is away")
        put(directory, fleet.member(Role.HOST, HOST, lifetime_s=3600))

    keeper = Keeper(tmp_path / "id", SystemClock(), renew=failing)
    running = asyncio.create_task(keeper.run())
    try:
        async with asyncio.timeout(10):
            while not tries:  # noqa: ASYNC110  told by a plain list
                await asyncio.sleep(0.02)
            assert "the trainer is away" in keeper.problem
            await keeper.changed(keeper.identity.generation)
    finally:
        running.cancel()
    assert len(tries) == 4
    assert keeper.problem == ""
    assert keeper.remaining_s > 3000


async def test_a_host_without_an_identity_sends_nothing_and_says_what_to_do(tmp_path):
    """Not enrolled, and the line not said to be private: no channel, and the message names both commands."""
    keeper = Keeper(tmp_path / "id", SystemClock())
    line = Line(TelemetryConfig(trainer="127.0.0.1:1"), keeper)
    with pytest.raises(TelemetryError, match=r"nothing is sent: not enrolled.*ordertrainer token.*orderctl enrol"):
        line.open()
    async with Line(TelemetryConfig(trainer="127.0.0.1:1", insecure=True), keeper).open() as channel:
        assert channel.get_state() is grpc.ChannelConnectivity.IDLE


async def test_an_expired_identity_is_told_and_not_used(tmp_path):
    """After its end a certificate is used for nothing, and status has a sentence for it."""
    put(tmp_path / "id", Fleet(tmp_path / "data", utc=lambda: time.time() - 7200).member(Role.HOST, HOST, lifetime_s=3600))
    keeper = Keeper(tmp_path / "id", SystemClock())
    assert "has expired" in keeper.problem
    assert keeper.remaining_s == 0
    with pytest.raises(TelemetryError, match="has expired"):
        Line(TelemetryConfig(trainer="127.0.0.1:1"), keeper).open()


async def test_a_running_host_sees_that_it_was_enrolled(tmp_path, token):
    """A keeper that found nothing at its start has the identity soon after somebody enrols."""
    keeper = Keeper(tmp_path / "id", SystemClock())
    running = asyncio.create_task(keeper.run())
    try:
        await joined(token(), tmp_path / "id")
        async with asyncio.timeout(6):
            await keeper.changed("")
    finally:
        running.cancel()
    assert str(keeper.identity.name).endswith(HOST)


def orderctl(*words, home, **more):
    """Run orderctl as a program."""
    env = os.environ | {"ORDERD_IDENTITY": str(home)}
    argv = [sys.executable, "-m", "orderd.ctl", *words]
    return subprocess.run(argv, capture_output=True, text=True, env=env, timeout=60, check=False, **more)


async def test_orderctl_enrols_a_person_from_a_file_or_standard_input(tmp_path, trainer):
    """`orderctl enrol --me` writes the person's identity; the same token again is refused with the trainer's words."""
    text, line = make(tmp_path / "data", Grant(role=Role.OPERATOR, who="alice"))
    assert "orderctl enrol --me TOKEN" in line
    (tmp_path / "token").write_text(text)
    done = await asyncio.to_thread(orderctl, "enrol", "--me", "--file", str(tmp_path / "token"), home=tmp_path / "me")
    assert (done.returncode, done.stdout.strip()) == (0, "enrolled as spiffe://fleet/operator/alice"), done.stderr
    again = await asyncio.to_thread(orderctl, "enrol", "--me", "-", home=tmp_path / "me2", input=text)
    assert again.returncode == 1
    assert "used before" in again.stderr
    none = await asyncio.to_thread(orderctl, "enrol", "--me", "-", home=tmp_path / "me2", input="nonsense")
    assert "not a join token" in none.stderr


async def test_the_token_command_prints_what_orderctl_takes(tmp_path, trainer):
    """`ordertrainer token` prints a token on standard output and how to use it on standard error; --out keeps it to its owner."""
    argv = [sys.executable, "-m", "ordertrainer", "token", "--data", str(tmp_path / "data"), "--role"]
    done = await asyncio.to_thread(subprocess.run, [*argv, "host"], capture_output=True, text=True, check=True)
    assert from_text(done.stdout).enrol == trainer.enrol_address
    assert "orderctl enrol TOKEN" in done.stderr
    out = tmp_path / "token"
    argv_out = [*argv, "reader", "--name", "bob", "--out", str(out)]
    await asyncio.to_thread(subprocess.run, argv_out, capture_output=True, check=True)
    assert out.stat().st_mode & 0o777 == 0o600
    assert from_text(out.read_text()).role == "reader"
    nobody = await asyncio.to_thread(subprocess.run, [*argv, "operator"], capture_output=True, text=True, check=False)
    assert (nobody.returncode, "--name is missing" in nobody.stderr) == (2, True)


async def test_a_changed_answer_is_not_taken(tmp_path, trainer, token, monkeypatch):
    """A certificate for another key than was asked for is refused, and nothing is written."""
    from orderd.identity import enrolment

    monkeypatch.setattr(enrolment, "_request", lambda _key: OTHER_REQUEST)
    assert "another key" in await refused(token(), tmp_path / "id")


def _other_request() -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec

    from orderd.identity import enrolment

    return enrolment._request(ec.generate_private_key(ec.SECP256R1()))


OTHER_REQUEST = _other_request()
