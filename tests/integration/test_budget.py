import asyncio
import contextlib
import socket
import subprocess
import sys

import grpc
import grpc.aio
import pytest

from orderd.config.schema import FleetConfig, TelemetryConfig
from orderd.domain.clock import Instant, SystemClock
from orderd.telemetry import Budget
from orderd.telemetry.budget import ACQUIRE, RELEASE
from orderd.telemetry.channel import PUSH, Line
from orderd.v1.fleet_pb2 import AcquireLeaseRequest, AcquireLeaseResponse, ReleaseLeaseRequest, ReleaseLeaseResponse
from orderd.v1.fleet_pb2_grpc import BudgetServiceServicer, add_BudgetServiceServicer_to_server
from orderd.v1.telemetry_pb2 import PushRequest
from ordertrainer.serve import TrainerServer
from ordertrainer.serve.budget import Budget as TrainerBudget
from ordertrainer.serve.leases import Terms

LATE_S = 0.08
"""What an event loop on a busy machine may add to a time limit."""


class MovingClock:
    """The system's clocks, moved forwards on request."""

    def __init__(self):
        self.ahead_ns = 0

    def now(self):
        now = SystemClock().now()
        return Instant(mono_ns=now.mono_ns + self.ahead_ns, utc_ns=now.utc_ns + self.ahead_ns)

    def advance(self, seconds):
        self.ahead_ns += int(seconds * 1e9)


@contextlib.asynccontextmanager
async def trainer(tmp_path, *, hosts=0, address="127.0.0.1:0", clock=None, **terms):
    """Serve real leases of a fleet of so many hosts; yields the service and its address."""
    service = TrainerBudget(tmp_path / "budget.sqlite", Terms(**terms), clock=clock)
    await service.open()
    for number in range(hosts):
        service.saw(f"h{number}")
    async with serving(service, address) as bound:
        yield service, bound
    await service.close()


@contextlib.asynccontextmanager
async def serving(service, address="127.0.0.1:0"):
    """Serve any budget service; yields its address."""
    server = grpc.aio.server()
    add_BudgetServiceServicer_to_server(service, server)
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@pytest.fixture
async def host():
    """Make the budget of a host; all are closed at the end."""
    made = []

    def make(address, host_id="h0", clock=None, **fleet):
        config = TelemetryConfig(trainer=address, insecure=True)
        budget = Budget(
            FleetConfig(**{"budget": True} | fleet), config, host_id, channel=Line(config).open, clock=clock or SystemClock()
        )
        made.append(budget)
        return budget

    yield make
    for budget in made:
        await budget.close()


async def timed(budget, *, wanted=True):
    """Ask, and return the answer with the seconds it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    lease = await budget.prepare(wanted)
    return lease, loop.time() - began


async def until(condition, seconds=8.0):
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  answers that come late have no event
            await asyncio.sleep(0.01)


async def test_hundreds_of_asks_at_once_never_exceed_the_share(tmp_path):
    """Of 500 hosts that ask at the same moment exactly the tenth part is granted, and every rack keeps most of its hosts."""
    async with trainer(tmp_path, hosts=500) as (service, address), grpc.aio.insecure_channel(address) as channel:
        acquire = channel.unary_unary(
            ACQUIRE,
            request_serializer=AcquireLeaseRequest.SerializeToString,
            response_deserializer=AcquireLeaseResponse.FromString,
        )

        async def ask(number):
            response = await acquire(AcquireLeaseRequest(host_id=f"h{number}", group=f"rack-{number % 25}"), timeout=60)
            return number % 25 if response.granted else None

        racks = [rack for rack in await asyncio.gather(*(ask(n) for n in range(500))) if rack is not None]
        assert len(racks) == 50
        assert max(map(racks.count, racks)) <= 5
        assert service.describe() == "50 of 500 hosts under repair, 50 may be"
        # Those who have a lease may renew it as often as they like; nobody else gets in.
        again = [rack for rack in await asyncio.gather(*(ask(n) for n in range(500))) if rack is not None]
        assert sorted(again) == sorted(racks)


async def test_one_host_asking_many_times_at_once_has_one_lease(tmp_path, host):
    """A hundred simultaneous asks of one host are one lease."""
    async with trainer(tmp_path, hosts=30) as (service, address), grpc.aio.insecure_channel(address) as channel:
        acquire = channel.unary_unary(
            ACQUIRE,
            request_serializer=AcquireLeaseRequest.SerializeToString,
            response_deserializer=AcquireLeaseResponse.FromString,
        )
        answers = await asyncio.gather(*(acquire(AcquireLeaseRequest(host_id="h1")) for _ in range(100)))
        assert all(answer.granted for answer in answers)
        assert service.describe().startswith("1 of 30")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (AcquireLeaseRequest(host_id="../x"), "host_id"),
        (AcquireLeaseRequest(), "host_id"),
        (AcquireLeaseRequest(host_id="h", group="a b"), "group"),
    ],
)
async def test_malformed_asks_are_refused_by_field(tmp_path, request_, field):
    """A host id or group of another shape is INVALID_ARGUMENT and named."""
    async with trainer(tmp_path) as (_, address), grpc.aio.insecure_channel(address) as channel:
        acquire = channel.unary_unary(ACQUIRE, request_serializer=AcquireLeaseRequest.SerializeToString)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await acquire(request_)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in refused.value.details()


async def test_without_a_budget_there_is_no_answer(host):
    """A host without fleet.budget asks nobody and is told None."""
    budget = host("127.0.0.1:1", budget=False)
    assert await budget.prepare(wanted=True) is None
    assert budget.describe() == ""


async def test_a_lease_is_asked_for_kept_and_given_back(tmp_path, host):
    """A wanted repair gets a lease, later ticks reuse it without asking, and release frees the share for others."""
    async with trainer(tmp_path, hosts=10) as (service, address):
        mine, other = host(address, "h0"), host(address, "h1")
        assert (await mine.prepare(wanted=False)).granted is False
        assert service.describe().startswith("0 of")
        lease = await mine.prepare(wanted=True)
        assert (lease.granted, lease.unreachable) == (True, False)
        assert mine.describe() == "1 of 10 hosts under repair, 1 may be; this host may repair"
        assert [(await mine.prepare(wanted=True)).until for _ in range(20)] == [lease.until] * 20
        refused = await other.prepare(wanted=True)
        assert (refused.granted, refused.unreachable, refused.until) == (False, False, 0)
        assert other.describe() == "1 of 10 hosts under repair, 1 may be; this host has to wait"
        mine.release()
        await until(lambda: service.describe().startswith("0 of 10"))
        assert mine.describe() == "no repair is running or wanted"


async def test_a_refused_host_asks_again_only_after_the_pause(tmp_path, host):
    """A refusal is remembered for as long as the trainer said, then asked again."""
    clock = MovingClock()
    async with trainer(tmp_path, hosts=10) as (service, address):
        await host(address, "h1").prepare(wanted=True)
        budget = host(address, "h0", clock=clock)
        assert not (await budget.prepare(wanted=True)).granted
        service.saw("h11")
        for number in range(12, 40):
            service.saw(f"h{number}")
        assert not (await budget.prepare(wanted=True)).granted
        clock.advance(16)
        assert (await budget.prepare(wanted=True)).granted


async def test_a_lease_is_renewed_in_the_background_until_it_is_released(tmp_path, host):
    """Past half of its time a lease is renewed without a tick waiting, also when nothing new is wanted."""
    clock = MovingClock()
    async with trainer(tmp_path, hosts=10, clock=clock) as (_, address):
        budget = host(address, clock=clock)
        first = await budget.prepare(wanted=True)
        for _ in range(6):
            clock.advance(70)
            lease, took_s = await timed(budget, wanted=False)
            assert lease.granted
            assert took_s < LATE_S
            await until(lambda seen=lease.until: budget.lease().until > seen)
        assert budget.lease().until > first.until + int(300e9)


async def test_a_lease_the_trainer_forgot_to_renew_ends(tmp_path, host):
    """A host that cannot renew stops believing in its lease when its time is over, counted from when it asked."""
    clock = MovingClock()
    async with trainer(tmp_path, hosts=10) as (_, address):
        budget = host(address, clock=clock, local_repairs_per_hour=0)
        assert (await budget.prepare(wanted=True)).granted
    clock.advance(60.1)
    assert (await budget.prepare(wanted=True)).granted
    await until(lambda: budget._asking is None)
    clock.advance(60)
    assert not (await budget.prepare(wanted=True)).granted


async def test_while_nobody_answers_the_local_allowance_counts(host, free_address):
    """An unreachable trainer leaves so many repairs an hour, by the monotonic clock, and says so."""
    clock = MovingClock()
    budget = host(free_address, clock=clock, local_repairs_per_hour=2)
    for left in (2, 1):
        lease = await budget.prepare(wanted=True)
        assert (lease.granted, lease.unreachable) == (True, True)
        assert f"{left} of 2 repairs" in lease.detail
        budget.spend()
    assert not budget.lease().granted
    assert not (await budget.prepare(wanted=True)).granted
    assert "0 of 2 repairs of this hour are left" in budget.describe()
    clock.advance(3_601)
    assert (await budget.prepare(wanted=True)).granted


async def test_the_local_allowance_survives_a_restart(host, free_address):
    """Repairs that an earlier run began are counted when the loop tells of them."""
    budget = host(free_address, local_repairs_per_hour=2)
    now = SystemClock().now()
    budget.restore([Instant(mono_ns=now.mono_ns - int(age * 1e9), utc_ns=0) for age in (3_700, 600, 60)])
    assert not (await budget.prepare(wanted=True)).granted


async def test_a_repair_under_a_lease_costs_no_local_allowance(tmp_path, host):
    """Only repairs without the trainer's word count against the local allowance."""
    async with trainer(tmp_path, hosts=10) as (_, address):
        budget = host(address, local_repairs_per_hour=1)
        await budget.prepare(wanted=True)
        for _ in range(5):
            budget.spend()
    assert list(budget._local) == []


class Slow(BudgetServiceServicer):
    """Answers after a while, as if by a trainer under load."""

    def __init__(self, delay_s):
        self.delay_s, self.asks, self.released = delay_s, 0, []

    async def AcquireLease(self, request, context):  # noqa: N802  gRPC's name
        self.asks += 1
        await asyncio.sleep(self.delay_s)
        return AcquireLeaseResponse(granted=True, lease_id="l", duration_s=60, detail="1 of 9 hosts under repair")

    async def ReleaseLease(self, request, context):  # noqa: N802  gRPC's name
        self.released.append(request.lease_id)
        return ReleaseLeaseResponse()


async def test_a_slow_trainer_is_waited_for_once_and_its_answer_still_counts(host):
    """The first tick waits timeout_s, the next ones not at all, and the answer that comes late is the lease."""
    slow = Slow(0.6)
    async with serving(slow) as address:
        budget = host(address, timeout_s=0.2)
        lease, took_s = await timed(budget)
        assert lease.unreachable
        assert took_s < 0.2 + LATE_S
        for _ in range(5):
            lease, took_s = await timed(budget)
            assert lease.unreachable
            assert took_s < LATE_S
        await until(lambda: not budget.lease().unreachable)
        assert (await budget.prepare(wanted=True)).granted
        assert slow.asks == 1
        budget.release()
        await until(lambda: slow.released == ["l"])


async def test_a_lease_that_comes_after_nobody_wants_it_is_given_back(host):
    """A late grant is released at the next tick that wants nothing."""
    slow = Slow(0.4)
    async with serving(slow) as address:
        budget = host(address, timeout_s=0.1)
        await budget.prepare(wanted=True)
        budget.release()
        await asyncio.sleep(0.6)
        budget.release()
        await until(lambda: slow.released == ["l"])


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"])
async def test_half_open_trainers_hold_up_no_tick(host, monkeypatch, greeting):
    """One that accepts and never answers, speaks something else, or stops in mid-speech costs one timeout_s, then nothing."""
    from orderd.telemetry import budget as module

    monkeypatch.setattr(module, "CALL_S_MAX", 0.3)  # so that several requests go unanswered within the test
    writers = []

    async def taken(_reader, writer):
        writers.append(writer)
        writer.write(greeting)

    server = await asyncio.start_server(taken, "127.0.0.1", 0)
    clock = MovingClock()
    budget = host(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=0.2, clock=clock)
    costs = []
    for _ in range(60):
        clock.advance(1)
        lease, took_s = await timed(budget)
        costs.append(took_s)
        assert lease.unreachable
        await asyncio.sleep(0.03)
    assert max(costs) < 0.2 + LATE_S
    assert sorted(costs)[-2] < LATE_S
    await budget.close()
    for writer in writers:
        writer.close()
    server.close()
    await server.wait_closed()


class Garbage(BudgetServiceServicer):
    """Answers what it was given."""

    def __init__(self, answer):
        self.answer = answer

    async def AcquireLease(self, request, context):  # noqa: N802  gRPC's name
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        AcquireLeaseResponse(granted=True, lease_id="l", duration_s=float("nan")),
        AcquireLeaseResponse(granted=True, lease_id="l", duration_s=float("inf")),
        AcquireLeaseResponse(granted=True, lease_id="l", duration_s=-5),
        AcquireLeaseResponse(granted=True, lease_id="l"),
        AcquireLeaseResponse(granted=True, duration_s=60),
        AcquireLeaseResponse(duration_s=float("nan")),
    ],
)
async def test_nonsense_is_no_lease(host, answer):
    """An answer without an id or with an impossible duration counts as no answer."""
    async with serving(Garbage(answer)) as address:
        budget = host(address, local_repairs_per_hour=0)
        lease = await budget.prepare(wanted=True)
    assert (lease.granted, lease.unreachable) == (False, True)
    assert "nonsense" in lease.detail


async def test_bytes_that_are_no_message_are_no_lease(host):
    """A response that does not parse counts as no answer, and the tick goes on."""

    async def junk(_request, _context):
        return b"\xff" * 50

    server = grpc.aio.server()
    handlers = {"AcquireLease": grpc.unary_unary_rpc_method_handler(junk)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("orderd.v1.BudgetService", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    budget = host(f"127.0.0.1:{port}")
    lease = await budget.prepare(wanted=True)
    assert lease.unreachable
    await server.stop(0)


async def test_boundless_answers_are_bounded(host):
    """A lease for years lasts an hour, and words for people come without control characters and cut."""
    answer = AcquireLeaseResponse(granted=True, lease_id="l", duration_s=1e12, detail="\x1b[31m" + "x" * 10_000)
    async with serving(Garbage(answer)) as address:
        budget = host(address)
        lease = await budget.prepare(wanted=True)
        assert lease.until < SystemClock().now().mono_ns + int(3_601e9)
        assert len(lease.detail) <= 200
        assert "\x1b" not in lease.detail


async def test_the_trainer_coming_back_is_noticed_without_a_tick_waiting(tmp_path, host, free_address):
    """After silence the host asks in the background, and the first lease ends the local allowance's time."""
    clock = MovingClock()
    budget = host(free_address, "h0", clock=clock)
    assert (await budget.prepare(wanted=True)).unreachable
    async with trainer(tmp_path, hosts=10, address=free_address):
        for _ in range(50):
            clock.advance(1)
            lease, took_s = await timed(budget)
            assert took_s < LATE_S
            if not lease.unreachable:
                break
            await asyncio.sleep(0.02)
        assert (lease.granted, lease.unreachable) == (True, False)


async def test_release_of_an_old_lease_does_not_end_a_new_one(tmp_path):
    """A release that was long on its way names an older id and is of no effect."""
    async with trainer(tmp_path, hosts=10) as (service, address), grpc.aio.insecure_channel(address) as channel:
        acquire = channel.unary_unary(
            ACQUIRE,
            request_serializer=AcquireLeaseRequest.SerializeToString,
            response_deserializer=AcquireLeaseResponse.FromString,
        )
        release = channel.unary_unary(RELEASE, request_serializer=ReleaseLeaseRequest.SerializeToString)
        old = await acquire(AcquireLeaseRequest(host_id="h0"))
        await acquire(AcquireLeaseRequest(host_id="h0"))
        await release(ReleaseLeaseRequest(host_id="h0", lease_id=old.lease_id))
        assert service.describe().startswith("1 of 10")


@pytest.fixture
def free_address():
    """A loopback address nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def test_hosts_that_send_telemetry_are_the_fleet(tmp_path, host):
    """The trainer counts who sent it a batch, and still does, leases and all, when it is started again."""
    root = tmp_path / "data"
    async with TrainerServer(root, "127.0.0.1:0", insecure=True, terms=Terms(repair_share=0.5)) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            for number in range(6):
                call = channel.stream_stream(PUSH, request_serializer=PushRequest.SerializeToString)()
                await call.write(PushRequest(host_id=f"h{number}", boot_id="b", sequence=1))
                await call.read()
                await call.done_writing()
        assert (await host(server.address, "h0").prepare(wanted=True)).detail == "1 of 6 hosts under repair, 3 may be"
    async with TrainerServer(root, "127.0.0.1:0", insecure=True, terms=Terms(repair_share=0.5)) as server:
        assert server.budget == "1 of 6 hosts under repair, 3 may be"
        assert (await host(server.address, "h1").prepare(wanted=True)).detail == "2 of 6 hosts under repair, 3 may be"


def test_serve_refuses_terms_by_option(tmp_path):
    """A share that is none is one line that names option, value and what is allowed, and exit code 2."""
    argv = [sys.executable, "-m", "ordertrainer", "serve", "--insecure", "--data", str(tmp_path), "--repair-share", "10"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "error: --repair-share 10.0: allowed are 0 to 1\n")
