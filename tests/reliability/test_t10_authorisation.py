"""T10: every method of every service x everybody who may not call it: refused, always; and whoever may gets through.

The methods come from the descriptors, so that a method without a row in a table fails here. What each role may do is written down
once more by hand: the tables are the thing under test. Servers, TLS and user ids are real.
"""

import asyncio
import importlib
import os
import pkgutil
import time
from dataclasses import replace

import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

import orderd.v1
from fleet import Fixed, Fleet, ask, channel_as, until, walk, walk_as
from orderd.config.schema import RolesConfig, RpcConfig
from orderd.domain.peers import Role
from orderd.record import DecisionHub, Journal, JournalReader
from orderd.rpc import auth, serve
from orderd.rpc.server import Service
from orderd.v1 import model_pb2
from ordertrainer.serve import TrainerServer, roles

REFUSED = {"PERMISSION_DENIED", "UNAUTHENTICATED"}
NO_HANDSHAKE = {"UNAVAILABLE"}
NOBODY = 65534
SOME_GROUP = 64242
WALKED = "walked methods x callers: {refused} of {asked} that must be refused are, {passed} of {allowed} that must pass do"
LIMIT = "100 %"

# By hand, not from the tables: what needs more than reading.
OPERATE = {
    *("ApproveDecision", "RejectDecision", "RateDecision", "Hold", "ReleaseHold", "Pause", "Resume", "RunRepair", "CloseTicket"),
}
ADMINISTER = {"SetAuthority", "LiftDenial", "RollBackModel"}
RELEASE = {"InstallModel"}
READ_BEGINS = ("Get", "List", "Watch", "Explain", "Replay", "Check", "ServerReflectionInfo")


def services():
    """Return every service of the interface, by its full name."""
    found = {}
    for module in pkgutil.iter_modules(orderd.v1.__path__, "orderd.v1."):
        if module.name.endswith("_pb2"):
            found |= importlib.import_module(module.name).DESCRIPTOR.services_by_name
    return {service.full_name: service for service in found.values()}


HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]
REFLECTION = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]
TRAINERS = {"orderd.v1.TelemetryService", "orderd.v1.EnrolmentService", "orderd.v1.BudgetService"}
ON_HOSTS = [s for name, s in services().items() if name not in TRAINERS]
ON_TRAINER = [s for name, s in services().items() if name in TRAINERS]
# gRPC's own servicer of health has no List; so it has no row, and is denied to everybody.
REMOTE = [m for s in (*ON_HOSTS, HEALTH) for m in s.methods if m.full_name != "grpc.health.v1.Health.List"]
LOCAL = [*REMOTE, *REFLECTION.methods]
TRAINER = [m for s in ON_TRAINER for m in s.methods]


def row(method) -> str:
    """Return a method's name as gRPC writes it."""
    return f"/{method.containing_service.full_name}/{method.name}"


def may(role: Role, method) -> bool:
    """Tell, by hand, whether a role may call a method on a host."""
    if method.name in OPERATE:
        return role in {Role.OPERATOR, Role.ADMIN}
    if method.name in ADMINISTER:
        return role is Role.ADMIN
    if method.name in RELEASE:
        return role in {Role.ADMIN, Role.TRAINER}
    assert method.name.startswith(READ_BEGINS), f"{row(method)}: say here what it needs"
    return role in {Role.READER, Role.OPERATOR, Role.ADMIN, Role.TRAINER}


class Score:
    """Counts what was asked and what came of it."""

    def __init__(self) -> None:
        self.asked = self.refused = self.allowed = self.passed = 0
        self.wrong = []

    def must_refuse(self, who: str, codes: dict[str, str], expected=frozenset(REFUSED)) -> None:
        """Count methods that have to be refused with one of some codes."""
        for name, code in codes.items():
            self.asked += 1
            self.refused += code in expected
            if code not in expected:
                self.wrong.append(f"{who} was not refused {name}: {code}")

    def must_pass(self, who: str, codes: dict[str, str]) -> None:
        """Count methods that have to get past the gate, whatever they say to an empty request."""
        for name, code in codes.items():
            self.allowed += 1
            good = code not in REFUSED | NO_HANDSHAKE | {"UNIMPLEMENTED"}
            self.passed += good
            if not good:
                self.wrong.append(f"{who} did not get through to {name}: {code}")

    def by_role(self, who: str, role: Role, codes: dict[str, str], methods) -> None:
        """Count a whole walk of somebody with a role."""
        allowed = {m.full_name for m in methods if may(role, m)}
        self.must_pass(who, {name: code for name, code in codes.items() if name in allowed})
        self.must_refuse(who, {name: code for name, code in codes.items() if name not in allowed})

    def tell(self, measured) -> None:
        """Say the figure, then hold it to the limit."""
        figure = WALKED.format(refused=self.refused, asked=self.asked, passed=self.passed, allowed=self.allowed)
        measured(figure=figure, limit=LIMIT, runs=self.asked + self.allowed)
        assert not self.wrong, "\n".join(self.wrong)
        assert self.asked
        assert self.allowed


class AnyView:
    """A view of a host where nothing that is asked for exists."""

    def __getattr__(self, name):
        def answer(*_arguments, **_more):
            raise LookupError(f"nothing here: {name}")

        return answer


class AnyModels:
    """A servicer that answers every method."""

    async def GetModel(self, _request, _call):  # noqa: N802
        """Answer."""
        return model_pb2.GetModelResponse()

    async def InstallModel(self, requests, _call):  # noqa: N802
        """Answer."""
        async for _ in requests:
            pass
        return model_pb2.InstallModelResponse()

    async def RollBackModel(self, _request, _call):  # noqa: N802
        """Answer."""
        return model_pb2.RollBackModelResponse()


MODELS = Service(descriptor=model_pb2.DESCRIPTOR.services_by_name["ModelService"], servicer=AnyModels())


@pytest.fixture
def fleet(tmp_path):
    """Return an authority."""
    return Fleet(tmp_path / "fleet")


@pytest.fixture
async def orderd_server(tmp_path, open_folder, fleet):
    """Return a maker of orderd's real server, on a unix socket that anybody may connect to and on TCP."""
    journal = Journal.open(tmp_path / "journal.sqlite")
    running = []
    host = Fixed(fleet.member(Role.HOST, "h1", addresses=("127.0.0.1",)))

    async def made(**of_roles):
        folder = open_folder / f"run{len(running)}"
        folder.mkdir()
        given = RolesConfig(**({"operator": (), "admin": ()} | of_roles))
        config = RpcConfig(socket=str(folder / "orderd.sock"), listen="127.0.0.1:0", roles=given)
        reader = JournalReader.open(tmp_path / "journal.sqlite")
        server = await serve(config, reader, DecisionHub(100), AnyView(), more=(MODELS,), identity=host)
        running.append(server)
        await until(lambda: server.remote_address)
        (folder / "orderd.sock").chmod(0o666)
        return f"unix:{folder / 'orderd.sock'}", server.remote_address

    yield made
    for server in running:
        await server.stop(0.1)
    journal.close()


def test_every_method_has_a_row(measured):
    """Each method of the descriptors is in exactly one table, and the tables hold nothing else."""
    tables = [set(auth.TABLE), set(roles.TABLE), set(roles.STRANGERS)]
    served = [
        {row(m) for m in LOCAL},
        {row(m) for m in TRAINER if m.name != "Enrol"},
        {row(m) for m in TRAINER if m.name == "Enrol"},
    ]
    count = sum(map(len, served))
    measured(figure=f"{count} methods have a row", limit="every method", runs=count)
    assert tables == served
    assert all(Role.NONE not in needed and needed for table in (auth.TABLE, roles.TABLE) for needed in table.values())


async def test_a_method_without_a_row_is_denied_to_everybody(measured, orderd_server, fleet, monkeypatch):
    """With its row gone, a method is refused even to root and to an admin."""
    monkeypatch.setattr(auth, "TABLE", {name: needed for name, needed in auth.TABLE.items() if not name.endswith("/GetStatus")})
    local, remote = await orderd_server()
    (status,) = [m for m in REMOTE if m.name == "GetStatus"]
    without = [status, HEALTH.methods_by_name["List"]]
    admin = fleet.member(Role.ADMIN, "alice")
    score = Score()
    async with channel_as(remote, admin, admin.authority) as channel:
        score.must_refuse("an admin", await walk(channel, without))
        score.must_pass("an admin", await walk(channel, [m for m in REMOTE if m is not status][:1]))
    score.must_refuse("root", await walk_as(local, without, uid=0, gid=0))
    score.tell(measured)


async def test_the_tcp_port_by_certificate(measured, orderd_server, fleet, tmp_path):
    """No certificate, another authority's, expired ones: no handshake. Every role gets what is its own and nothing else."""
    _, remote = await orderd_server()
    score = Score()
    other = Fleet(tmp_path / "other")
    long_ago = Fleet(tmp_path / "fleet", utc=lambda: time.time() - 7200)
    strangers = {
        "nobody": None,
        "an admin of another authority": other.member(Role.ADMIN, "eve"),
        "an admin whose certificate has expired": long_ago.member(Role.ADMIN, "alice", lifetime_s=3600),
        "a server that is no client": fleet.member(Role.ADMIN, "alice", serves=True),
    }
    believed = fleet.authority.pem.encode()
    for who, shown in strangers.items():
        async with channel_as(remote, shown, believed) as channel:
            score.must_refuse(who, await walk(channel, REMOTE), NO_HANDSHAKE)
    for role in (Role.HOST, Role.READER, Role.OPERATOR, Role.ADMIN, Role.TRAINER):
        async with channel_as(remote, fleet.member(role, "somebody"), believed) as channel:
            score.by_role(f"a {role.name.lower()}", role, await walk(channel, REMOTE), REMOTE)
    score.tell(measured)


async def test_a_certificate_with_a_name_that_is_not_ours(measured, orderd_server, fleet):
    """Signed by the fleet's authority, but of another fleet, of no role, or of no name at all: refused everywhere."""
    _, remote = await orderd_server()
    score = Score()
    admin = fleet.member(Role.ADMIN, "alice")
    for who, uri in {
        "an admin of another fleet": "spiffe://other/admin/alice",
        "a role that does not exist": "spiffe://fleet/root/alice",
        "a stranger by certificate": "spiffe://fleet/stranger/alice",
        "a longer path": "spiffe://fleet/admin/alice/x",
    }.items():
        odd = _with_uri(fleet, uri)
        async with channel_as(remote, odd, fleet.authority.pem.encode()) as channel:
            score.must_refuse(who, await walk(channel, REMOTE))
    async with channel_as(remote, admin, admin.authority) as channel:
        score.must_pass("an admin", await walk(channel, REMOTE))
    score.tell(measured)


def _with_uri(fleet, uri):
    class Odd(type(fleet.member(Role.ADMIN, "x").name)):
        def __str__(self) -> str:
            return uri

    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    plain = fleet.member(Role.ADMIN, "alice")
    key = load_pem_private_key(plain.key, None)
    issued = fleet.authority.issue(key.public_key(), Odd(fleet="fleet", role=Role.ADMIN, who="alice"))
    return replace(plain, certificate=issued.encode())


async def test_a_certificate_that_expires_on_a_live_connection(measured, orderd_server, fleet):
    """What got through while the certificate held is refused on the same connection afterwards."""
    _, remote = await orderd_server()
    score = Score()
    brief = fleet.member(Role.ADMIN, "alice", lifetime_s=4)
    async with channel_as(remote, brief, brief.authority) as channel:
        score.must_pass("an admin", await walk(channel, REMOTE))
        await asyncio.sleep(max(0.0, brief.not_after - time.time()) + 0.2)
        score.must_refuse("an admin whose certificate has ended", await walk(channel, REMOTE))
    score.tell(measured)


async def test_reflection_is_not_on_the_tcp_port(measured, orderd_server, fleet):
    """On TCP there is no reflection, not even for an admin; on the unix socket a reader has it."""
    _, remote = await orderd_server()
    admin = fleet.member(Role.ADMIN, "alice")
    async with channel_as(remote, admin, admin.authority) as channel:
        (code,) = (await walk(channel, REFLECTION.methods)).values()
    measured(figure=f"reflection by TCP: {code}", limit="UNIMPLEMENTED", runs=1)
    assert code == "UNIMPLEMENTED"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become other users")
async def test_the_unix_socket_by_user(measured, orderd_server):
    """Real processes of other users, the socket itself open to all: each gets what its role allows and nothing else."""
    score = Score()
    for role in (Role.NONE, Role.READER, Role.OPERATOR, Role.ADMIN):
        local, _ = await orderd_server(**({role.name.lower(): ("nobody",)} if role else {}))
        codes = await walk_as(local, LOCAL, uid=NOBODY, gid=SOME_GROUP)
        score.by_role(f"nobody with the role {role.name.lower()}", role, codes, LOCAL)
    local, _ = await orderd_server()
    score.by_role("root", Role.ADMIN, await walk_as(local, LOCAL, uid=0, gid=0), LOCAL)
    score.tell(measured)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become other users")
async def test_the_unix_socket_by_group(measured, orderd_server):
    """A role given to a group is for processes that are in it, as their own group or a supplementary one, and for no others."""
    import grp

    group = grp.getgrnam("daemon")
    local, _ = await orderd_server(operator=("@daemon",))
    score = Score()
    for who, role, ids in (
        ("nobody, of another group", Role.NONE, {"gid": SOME_GROUP}),
        ("nobody, of the group", Role.OPERATOR, {"gid": group.gr_gid}),
        ("nobody, of the group besides", Role.OPERATOR, {"gid": SOME_GROUP, "groups": (7, group.gr_gid)}),
        ("nobody, of other groups besides", Role.NONE, {"gid": SOME_GROUP, "groups": (7, 8)}),
    ):
        score.by_role(who, role, await walk_as(local, LOCAL, uid=NOBODY, **ids), LOCAL)
    score.tell(measured)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become other users")
async def test_the_socket_itself_keeps_others_out(measured, orderd_server):
    """As it is made, the socket is for its owner and its group; others do not even connect."""
    local, _ = await orderd_server(reader=("nobody",))
    os.chmod(local.removeprefix("unix:"), 0o660)  # noqa: PTH101  as listener.bind leaves it; test_rpc checks that it does
    score = Score()
    score.must_refuse("nobody", await walk_as(local, LOCAL, uid=NOBODY, gid=SOME_GROUP), NO_HANDSHAKE)
    score.must_pass("root", await walk_as(local, LOCAL[:1], uid=0, gid=0))
    score.tell(measured)


async def test_the_trainer_by_certificate(measured, tmp_path):
    """The members' port: no handshake without a certificate that holds; hosts get what is theirs, all others only renew."""
    score = Score()
    async with TrainerServer(tmp_path / "data", "127.0.0.1:0") as trainer:
        fleet, other = Fleet(tmp_path / "data"), Fleet(tmp_path / "other")
        long_ago = Fleet(tmp_path / "data", utc=lambda: time.time() - 7200)
        believed = fleet.authority.pem.encode()
        for who, shown in {
            "nobody": None,
            "a host of another authority": other.member(Role.HOST, "h1"),
            "a host whose certificate has expired": long_ago.member(Role.HOST, "h1", lifetime_s=3600),
        }.items():
            async with channel_as(trainer.address, shown, believed, trainer=True) as channel:
                score.must_refuse(who, await walk(channel, TRAINER), NO_HANDSHAKE)
        for role in (Role.HOST, Role.READER, Role.OPERATOR, Role.ADMIN, Role.TRAINER):
            async with channel_as(trainer.address, fleet.member(role, "somebody"), believed, trainer=True) as channel:
                for method in TRAINER:
                    code = {method.full_name: await ask(channel, method, _own_host(method))}
                    mine = method.name == "Renew" or (role is Role.HOST and method.name != "Enrol")
                    (score.must_pass if mine else score.must_refuse)(f"a {role.name.lower()}", code)
    score.tell(measured)


def _own_host(method) -> bytes:
    """Return a request in the caller's own name, where the method has one."""
    from google.protobuf.message_factory import GetMessageClass

    request = GetMessageClass(method.input_type)()
    if "host_id" in method.input_type.fields_by_name and method.name != "Enrol":
        request.host_id = "somebody"
    return request.SerializeToString()


async def test_the_trainers_other_ports(measured, tmp_path):
    """On the port for enrolment there is Enrol and nothing else; on an insecure port everything of a host's and no enrolment."""
    score = Score()
    async with TrainerServer(tmp_path / "data", "127.0.0.1:0") as trainer:
        fleet = Fleet(tmp_path / "data")
        for shown in (None, fleet.member(Role.HOST, "h1"), fleet.member(Role.ADMIN, "alice")):
            async with channel_as(trainer.enrol_address, shown, fleet.authority.pem.encode(), trainer=True) as channel:
                codes = await walk(channel, TRAINER)
                score.must_pass("anybody", {name: code for name, code in codes.items() if name.endswith(".Enrol")})
                others = {name: code for name, code in codes.items() if not name.endswith(".Enrol")}
                score.must_refuse("anybody", others, REFUSED | {"UNIMPLEMENTED"})
    import grpc

    async with (
        TrainerServer(tmp_path / "cable", "127.0.0.1:0", insecure=True) as trainer,
        grpc.aio.insecure_channel(trainer.address) as channel,
    ):
        codes = await walk(channel, TRAINER)
        score.must_pass("the cable", {name: code for name, code in codes.items() if "Enrolment" not in name})
        enrolling = {name: code for name, code in codes.items() if "Enrolment" in name}
        score.must_refuse("the cable", enrolling, REFUSED | {"UNIMPLEMENTED"})
    score.tell(measured)
