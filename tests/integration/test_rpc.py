"""The gRPC server, over its real socket."""

import asyncio
import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from orderd.domain.values import Action, IncidentState
from orderd.errors import ConfigError, JournalError
from orderd.rpc import serve
from orderd.rpc.feed import QUEUE_MAX
from orderd.v1 import common_pb2, decision_pb2, decision_pb2_grpc, host_pb2, host_pb2_grpc

NGINX = common_pb2.Entity(kind="unit", key="nginx.service")
ME = f"{pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()})"

# Everything is imported before the user changes: nobody may not even read this interpreter's folder.
HOLD_AS = """
import os, sys, grpc
from orderd.v1 import common_pb2, host_pb2, host_pb2_grpc
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(os.getgid())
entity = common_pb2.Entity(kind="unit", key="nginx.service")
with grpc.insecure_channel("unix:" + sys.argv[1]) as channel:
    host_pb2_grpc.HostServiceStub(channel).Hold(host_pb2.HoldRequest(entity=entity, duration_s=9, why="w"))
"""


@pytest.fixture
async def server(rpc_config, rpc_journal, hub, imagined_host):
    """Return a running server."""
    running = await serve(rpc_config, rpc_journal, hub, imagined_host)
    yield running
    await running.stop(0.1)


@pytest.fixture
async def channel(server, rpc_config):
    """Return a channel to the public socket."""
    async with grpc.aio.insecure_channel(f"unix:{rpc_config.socket}") as opened:
        yield opened


@pytest.fixture
def decisions(channel):
    """Return a stub."""
    return decision_pb2_grpc.DecisionServiceStub(channel)


@pytest.fixture
def host(channel):
    """Return a stub."""
    return host_pb2_grpc.HostServiceStub(channel)


async def refused(call) -> tuple[grpc.StatusCode, str]:
    """Return how a call was refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details()


async def test_a_listing_walks_all_decisions_by_its_tokens(decisions, rpc_journal, make_decision):
    """Pages of three return every decision once, newest first, and the last has no token."""
    for number in range(1, 8):
        rpc_journal.record(make_decision(number))
    seen, token = [], ""
    while True:
        page = await decisions.ListDecisions(decision_pb2.ListDecisionsRequest(page_size=3, page_token=token))
        seen += [decision.id for decision in page.decisions]
        token = page.next_page_token
        if not token:
            break
    assert seen == [make_decision(number).decision_id for number in range(7, 0, -1)]


async def test_a_page_ends_early_rather_than_outgrow_a_message(decisions, rpc_journal, rpc_config, make_decision):
    """Large decisions come in more pages, none larger than a message may be."""
    for number in range(1, 9):
        rpc_journal.record(make_decision(number, detail="x" * 50_000))
    page = await decisions.ListDecisions(decision_pb2.ListDecisionsRequest(page_size=500))
    assert 0 < len(page.decisions) < 8
    assert page.next_page_token
    assert page.ByteSize() <= rpc_config.message_bytes_max


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (decision_pb2.ListDecisionsRequest(page_size=-1), "page_size"),
        (decision_pb2.ListDecisionsRequest(page_token="x"), "page_token"),
        (decision_pb2.ListDecisionsRequest(failure="bad_mood"), "failure"),
        (decision_pb2.ListDecisionsRequest(action="dance"), "action"),
    ],
)
async def test_a_bad_listing_is_refused_by_field(decisions, request_, field):
    """INVALID_ARGUMENT, and the message begins with the field."""
    code, details = await refused(decisions.ListDecisions(request_))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details.startswith(field)


async def test_a_decision_is_found_by_id_or_not_at_all(decisions, rpc_journal, make_decision):
    """A known id returns the decision, another one NOT_FOUND, an empty one INVALID_ARGUMENT."""
    decision = rpc_journal.record(make_decision()).decision
    found = await decisions.GetDecision(decision_pb2.GetDecisionRequest(id=decision.decision_id))
    assert (found.decision.id, found.decision.state) == (decision.decision_id, "repairing")
    assert (await refused(decisions.GetDecision(decision_pb2.GetDecisionRequest(id="d9"))))[0] is grpc.StatusCode.NOT_FOUND
    assert (await refused(decisions.GetDecision(decision_pb2.GetDecisionRequest())))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unreadable_journal_is_unavailable(decisions, rpc_journal, monkeypatch):
    """The client learns what is wrong with the journal and may try again."""

    def fail(decision_id):
        raise JournalError("/var/lib/orderd/journal.sqlite: disk I/O error")

    monkeypatch.setattr(rpc_journal, "get", fail)
    code, details = await refused(decisions.GetDecision(decision_pb2.GetDecisionRequest(id="d1")))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "disk I/O error" in details


async def test_a_watcher_misses_nothing_after_the_initial_metadata(decisions, rpc_journal, hub, make_decision, make_step):
    """Every change published after the metadata arrives, with the newest state whole."""
    decision = make_decision()
    watch = decisions.WatchDecisions(decision_pb2.WatchDecisionsRequest())
    await watch.initial_metadata()
    hub.publish(rpc_journal.record(decision))
    hub.publish(rpc_journal.append(make_step(decision, IncidentState.RESOLVED, "verified")))
    seen = [(await watch.read()).decision for _ in range(2)]
    assert [d.state for d in seen] == ["repairing", "resolved"]
    assert [step.what for step in seen[1].steps] == ["intent", "verified"]
    watch.cancel()


async def test_a_watch_can_be_narrowed_to_a_failure(decisions, rpc_journal, hub, make_decision):
    """Only decisions of the class asked for arrive."""
    watch = decisions.WatchDecisions(decision_pb2.WatchDecisionsRequest(failure="service_down"))
    other = decisions.WatchDecisions(decision_pb2.WatchDecisionsRequest(failure="disk_full"))
    await watch.initial_metadata()
    await other.initial_metadata()
    hub.publish(rpc_journal.record(make_decision(action=Action.ESCALATE)))
    assert (await watch.read()).decision.state == "escalated"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(other.read(), 0.2)
    watch.cancel()


async def until_the_end(watch) -> None:
    """Read all that a watch still has."""
    while await watch.read() is not grpc.aio.EOF:
        pass


async def test_a_watcher_that_does_not_read_is_dropped_and_nobody_waits(decisions, server, hub, rpc_journal, make_decision):
    """RESOURCE_EXHAUSTED for the sleeper; publishing never blocks."""
    watch = decisions.WatchDecisions(decision_pb2.WatchDecisionsRequest())
    await watch.initial_metadata()
    # Flow control stops the server once some megabytes are unread; then the queue fills.
    for number in range(1, 10 * QUEUE_MAX):
        hub.publish(rpc_journal.record(make_decision(number, detail="x" * 50_000)))
        await asyncio.sleep(0)
        if server.feed.dropped:
            break
    for _ in range(500):
        if server.feed.dropped:
            break
        await asyncio.sleep(0.01)
    assert server.feed.dropped == 1
    assert (await refused(until_the_end(watch)))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_one_watcher_too_many_is_refused(decisions, rpc_config):
    """RESOURCE_EXHAUSTED names the setting."""
    watches = [decisions.WatchDecisions(decision_pb2.WatchDecisionsRequest()) for _ in range(rpc_config.watchers_max)]
    for watch in watches:
        await watch.initial_metadata()
    code, details = await refused(decisions.WatchDecisions(decision_pb2.WatchDecisionsRequest()).read())
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "rpc.watchers_max" in details
    for watch in watches:
        watch.cancel()


async def watchers_are(server, count: int) -> None:
    """Wait until so many watch."""
    async with asyncio.timeout(5):
        while server.feed.watchers != count:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def test_a_watcher_that_left_makes_room(decisions, server):
    """A cancelled watch is forgotten by the server."""
    watch = decisions.WatchDecisions(decision_pb2.WatchDecisionsRequest())
    await watch.initial_metadata()
    await watchers_are(server, 1)
    watch.cancel()
    await watchers_are(server, 0)


async def test_status_tells_what_the_loop_sees(host):
    """Failures, signals and what is degraded arrive."""
    status = await host.GetStatus(host_pb2.GetStatusRequest())
    assert {e.entity.key: e.failure for e in status.entities} == {"/": "", "nginx.service": "service_down"}
    assert (status.mode, list(status.degraded), status.open_incidents) == ("auto", ["trainer unreachable"], 1)


async def test_a_hold_is_signed_by_the_kernel(host, imagined_host):
    """The name of the one who holds is that of the connecting process, whatever it sends."""
    placed = await host.Hold(host_pb2.HoldRequest(entity=NGINX, duration_s=90, why=" planned \n restart "))
    assert (placed.hold.by, placed.hold.why, placed.hold.remaining_s) == (ME, "planned restart", 90)
    assert [hold.by for hold in imagined_host.holds()] == [ME]


def open_to_all(path: Path) -> None:
    """Let every user reach a socket."""
    path.chmod(0o666)
    for folder in list(path.parents)[:-1]:
        folder.chmod(folder.stat().st_mode | 0o001)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
@pytest.mark.usefixtures("server")
async def test_another_user_is_named_as_such(rpc_config, imagined_host):
    """A client that runs as nobody is recorded as nobody."""
    nobody = pwd.getpwnam("nobody")
    open_to_all(Path(rpc_config.socket))
    argv = [sys.executable, "-c", HOLD_AS, rpc_config.socket, str(nobody.pw_uid)]
    client = await asyncio.create_subprocess_exec(*argv, stderr=subprocess.PIPE)
    _, complaint = await client.communicate()
    assert client.returncode == 0, complaint.decode()
    assert [hold.by for hold in imagined_host.holds()] == [f"nobody (uid {nobody.pw_uid})"]


@pytest.mark.parametrize(
    ("request_", "code", "field"),
    [
        (host_pb2.HoldRequest(entity=NGINX, duration_s=0, why="w"), "INVALID_ARGUMENT", "duration_s"),
        (host_pb2.HoldRequest(entity=NGINX, duration_s=float("nan"), why="w"), "INVALID_ARGUMENT", "duration_s"),
        (host_pb2.HoldRequest(entity=NGINX, duration_s=1e9, why="w"), "INVALID_ARGUMENT", "duration_s"),
        (host_pb2.HoldRequest(entity=NGINX, duration_s=1, why=" "), "INVALID_ARGUMENT", "why"),
        (host_pb2.HoldRequest(entity=NGINX, duration_s=1, why="w" * 501), "INVALID_ARGUMENT", "why"),
        (host_pb2.HoldRequest(duration_s=1, why="w"), "INVALID_ARGUMENT", "entity.kind"),
        (
            host_pb2.HoldRequest(entity=common_pb2.Entity(kind="unit", key="$(reboot).service"), duration_s=1, why="w"),
            "INVALID_ARGUMENT",
            "entity.key",
        ),
        (
            host_pb2.HoldRequest(entity=common_pb2.Entity(kind="unit", key="other.service"), duration_s=1, why="w"),
            "NOT_FOUND",
            "unit:other",
        ),
    ],
)
async def test_a_bad_hold_is_refused_by_field(host, imagined_host, request_, code, field):
    """Nothing is held, and the message begins with the field."""
    found, details = await refused(host.Hold(request_))
    assert (found.name, details[: len(field)]) == (code, field)
    assert imagined_host.holds() == ()


async def test_releasing_ends_a_hold_once(host, imagined_host):
    """The first release ends it, the second is NOT_FOUND."""
    await host.Hold(host_pb2.HoldRequest(entity=NGINX, duration_s=90, why="w"))
    await host.ReleaseHold(host_pb2.ReleaseHoldRequest(entity=NGINX))
    assert imagined_host.holds() == ()
    assert (await refused(host.ReleaseHold(host_pb2.ReleaseHoldRequest(entity=NGINX))))[0] is grpc.StatusCode.NOT_FOUND


async def test_a_message_larger_than_allowed_is_refused(host):
    """A megabyte never reaches a handler."""
    code, _ = await refused(host.Hold(host_pb2.HoldRequest(entity=NGINX, duration_s=1, why="w" * (1 << 20))))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_mistake_of_orderd_ends_one_call_only(host, imagined_host):
    """INTERNAL without details, and the next call is answered."""
    imagined_host.fails = ZeroDivisionError("secret")
    code, details = await refused(host.GetStatus(host_pb2.GetStatusRequest()))
    assert code is grpc.StatusCode.INTERNAL
    assert "secret" not in details
    imagined_host.fails = None
    assert (await host.GetStatus(host_pb2.GetStatusRequest())).hostname == "web-3"


@pytest.mark.parametrize("service", ["", "orderd.v1.DecisionService", "orderd.v1.HostService"])
async def test_health_is_what_orderd_says_of_itself(server, channel, service):
    """Serving at first, not serving when the daemon says so."""
    stub = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service=service)
    assert (await stub.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
    await server.set_serving(False)
    assert (await stub.Check(request)).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_reflection_lists_the_services(channel):
    """A generic client finds out what there is."""
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    names = {service.name for service in (await call.read()).list_services_response.service}
    assert {"orderd.v1.DecisionService", "orderd.v1.HostService", "grpc.health.v1.Health"} <= names


async def test_a_second_server_on_the_socket_is_refused_and_harms_nothing(host, rpc_config, rpc_journal, hub, imagined_host):
    """ConfigError with a remedy; the first server goes on answering."""
    with pytest.raises(ConfigError, match="another orderd"):
        await serve(rpc_config, rpc_journal, hub, imagined_host)
    assert (await host.GetStatus(host_pb2.GetStatusRequest())).hostname == "web-3"


async def test_stopping_ends_watches_and_removes_the_socket(rpc_config, rpc_journal, hub, imagined_host):
    """A watcher sees the end of the stream, and nothing is left in the folder."""
    running = await serve(rpc_config, rpc_journal, hub, imagined_host)
    async with grpc.aio.insecure_channel(f"unix:{rpc_config.socket}") as opened:
        watch = decision_pb2_grpc.DecisionServiceStub(opened).WatchDecisions(decision_pb2.WatchDecisionsRequest())
        await watch.initial_metadata()
        await running.stop(1.0)
        assert await watch.read() is grpc.aio.EOF
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(FileNotFoundError):
        probe.connect(rpc_config.socket)
    assert [path.name for path in Path(rpc_config.socket).parent.iterdir() if "sock" in path.name] == []
