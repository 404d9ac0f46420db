"""A client that is not ours and not Python: Buf's own, over the unix socket, by reflection and with the .proto files alone."""

import asyncio
import base64
import json
import sys
from pathlib import Path

import pytest
from google.rpc import error_details_pb2

from orderd.domain.values import IncidentState
from orderd.rpc import serve

PROTO = Path(__file__).resolve().parents[2] / "proto"
BUF = Path(sys.executable).parent / "buf"
SCHEMAS = {"proto files": ["--schema", str(PROTO)], "reflection": ["--reflect"]}
pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
async def server(rpc_config, rpc_journal, hub, imagined_host):
    """Return a running server."""
    running = await serve(rpc_config, rpc_journal, hub, imagined_host)
    yield running
    await running.stop(0.1)


@pytest.fixture(params=SCHEMAS)
def start(request, rpc_config, tmp_path):
    """Return a starter of calls."""
    words = SCHEMAS[request.param]

    async def begin(method: str, body: dict) -> asyncio.subprocess.Process:
        url = f"http://orderd/orderd.v1.{method}"
        argv = [BUF, "curl", *words, "--protocol", "grpc", "--http2-prior-knowledge", "--unix-socket", rpc_config.socket]
        argv += ["-d", json.dumps(body), url]
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(*argv, cwd=tmp_path, stdout=pipe, stderr=pipe)

    return begin


@pytest.fixture
def call(start):
    """Return a caller: exit code, what was answered, what was complained about."""

    async def ask(method: str, **body) -> tuple[int, dict, str]:
        process = await start(method, body)
        out, err = await asyncio.wait_for(process.communicate(), 20)
        return process.returncode, json.loads(out) if out else {}, err.decode()

    return ask


@pytest.fixture
def resolved_decision(make_decision, make_step):
    """Return a decision and the step that ends it."""
    decision = make_decision()
    return decision, make_step(decision, IncidentState.RESOLVED, "verified")


async def test_it_lists_and_gets(call, rpc_journal, make_decision):
    """Pages and single decisions arrive as what the .proto files say."""
    for number in (1, 2, 3):
        rpc_journal.record(make_decision(number))
    code, page, complaint = await call("DecisionService/ListDecisions", page_size=2, failure="service_down")
    assert code == 0, complaint
    assert [decision["id"] for decision in page["decisions"]] == [make_decision(n).decision_id for n in (3, 2)]
    code, rest, _ = await call(
        "DecisionService/ListDecisions", page_size=2, failure="service_down", page_token=page["nextPageToken"]
    )
    assert [decision["id"] for decision in rest["decisions"]] == [make_decision(1).decision_id]
    code, found, _ = await call("DecisionService/GetDecision", id=make_decision(2).decision_id)
    assert found["decision"]["diagnosis"]["entity"] == {"kind": "unit", "key": "nginx.service"}


async def test_it_holds_and_is_named(call, imagined_host):
    """An order of a foreign client is done in the name the kernel gave."""
    entity = {"kind": "unit", "key": "nginx.service"}
    code, placed, complaint = await call("HostService/Hold", entity=entity, duration_s=60, why="planned", request_id="a1")
    assert code == 0, complaint
    assert (placed["hold"]["why"], placed["hold"]["remainingS"]) == ("planned", 60)
    assert [str(hold.entity) for hold in imagined_host.holds()] == ["unit:nginx.service"]


async def test_it_is_told_what_is_wrong(call):
    """Code, field and reason arrive as google.rpc details."""
    code, _, complaint = await call("HostService/Hold", why="w")
    told = json.loads(complaint)
    assert (code != 0, told["code"]) == (True, "invalid_argument")
    packed = {detail["type"]: base64.b64decode(detail["value"] + "==") for detail in told["details"]}
    info = error_details_pb2.ErrorInfo.FromString(packed["google.rpc.ErrorInfo"])
    assert (info.reason, info.domain) == ("invalid_field", "orderd")
    bad = error_details_pb2.BadRequest.FromString(packed["google.rpc.BadRequest"])
    assert [violation.field for violation in bad.field_violations] == ["entity.kind"]


async def test_it_watches(start, server, hub, rpc_journal, resolved_decision):
    """Changes arrive as they happen, each with the token to go on from."""
    process = await start("DecisionService/WatchDecisions", {})
    for _ in range(1000):
        if server.feed.watchers:
            break
        await asyncio.sleep(0.01)
    decision, step = resolved_decision
    hub.publish(rpc_journal.record(decision))
    hub.publish(rpc_journal.append(step))
    text = ""
    while text.count("resumeToken") < 2:
        text += (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    process.kill()
    await process.wait()
    assert '"repairing"' in text
    assert '"resolved"' in text
