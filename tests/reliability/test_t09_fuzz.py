"""T9: every decoder and every RPC is fed rubbish: random bytes, and valid input with something wrong in it. Clean refusals only.

Every input follows from a seed that is printed when it fails; SEEDS_THAT_FAILED keeps those that ever did.
"""

import asyncio
import gc
import io
import json
import random
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import grpc
import msgspec
import pytest
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from orderd.catalogue import manifest as playbooks
from orderd.catalogue.contract import parse_contract
from orderd.config import load
from orderd.config.schema import RpcConfig
from orderd.ctl.words import parse_duration, parse_target
from orderd.decision.facts import Facts
from orderd.decision.facts import decode as decode_facts
from orderd.decision.facts import encode as encode_facts
from orderd.domain.clock import Instant
from orderd.domain.faults import FAILURES, Entity, EntityKind, Failure
from orderd.domain.packed import pack, unpack
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from orderd.domain.values import NAN, DecisionRecord, EntityRow, ModelInfo, Sample, Scores
from orderd.domain.window import History
from orderd.errors import CatalogueError, ConfigError, InferenceError, ModelRefusedError, TelemetryError, TrustError
from orderd.executor import messages
from orderd.identity import token as join
from orderd.inference import manifest as models
from orderd.inference import offline, protocol
from orderd.record import DecisionHub, Journal
from orderd.record.evidence import pack_scores, unpack_scores
from orderd.rpc import serve
from orderd.rpc.tokens import page_after, page_token, resume_point, resume_token
from orderd.telemetry.segments import MAGIC
from orderd.trust.signature import Signature, decode_signature, encode_signature
from orderd.v1 import decision_pb2, host_pb2, telemetry_pb2
from orderd.wire import decision_from_wire, decision_to_wire, evidence_from_wire, samples_from_wire, samples_to_wire

ROOT = Path(__file__).resolve().parents[2]
SEEDS_THAT_FAILED: tuple[int, ...] = ()
GROWTH_MAX_BYTES = 48 << 20
REFUSALS = (ValueError, CatalogueError, ConfigError, InferenceError, ModelRefusedError, TelemetryError, TrustError)
"""What a decoder may raise. DecodeError of protobuf and the errors of msgspec are ValueErrors of their own kind."""
NASTY = (
    b"",
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"{{7*7}}",
    b"../../etc",
)
NASTY_TEXT = (
    "",
    "\0",
    "x" * 70_000,
    "{{ 7*7 }}",
    "../../etc/passwd",
    "\u202e",
    "\ud7ff",
    "-1",
    "NaN",
    "unit",
    "nginx.service",
    "d0000",
)
NASTY_NUMBERS = (0, 1, -1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
NASTY_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e308, -1e308, float("nan"), float("inf"), 5e-324)


def mutated(rng: random.Random, valid: bytes) -> bytes:
    """Return random bytes, or valid ones with a few things wrong."""
    if rng.random() < 0.1:
        return rng.randbytes(rng.randrange(400))
    data = bytearray(valid)
    for _ in range(rng.randint(1, 4)):
        at, end = rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)
        match rng.randrange(7):
            case 0 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 1:
                del data[min(at, end) : max(at, end)]
            case 2:
                data[at:at] = data[min(at, end) : max(at, end)][:2000]
            case 3:
                data[at:at] = rng.choice(NASTY)
            case 4:
                data[at : at + 8] = struct.pack("<q", rng.choice(NASTY_NUMBERS))
            case 5:
                data = data[:at]
            case _:
                data[at : at + 1] = rng.randbytes(rng.randrange(4))
    return bytes(data)


def twisted(rng: random.Random, text: bytes) -> bytes:
    """Return JSON with one value, key or nesting replaced; where it is none, bytes."""
    try:
        value = json.loads(text)
    except ValueError:
        return mutated(rng, text)
    return json.dumps(_twist(rng, value, 0.2)).encode()


def _twist(rng: random.Random, value, share: float):
    if rng.random() < share * 0.3:
        return rng.choice((None, True, [], {}, [[[[]]]], rng.choice(NASTY_TEXT), rng.choice(NASTY_NUMBERS), 10**40, 1.5))
    if isinstance(value, dict):
        items = [
            (rng.choice(NASTY_TEXT) if rng.random() < share * 0.1 else key, _twist(rng, v, share)) for key, v in value.items()
        ]
        return dict(items[: len(items) - (rng.random() < share)])
    if isinstance(value, list):
        return [_twist(rng, v, share) for v in value] * rng.choice((1, 1, 1, 2))
    return value


def _window():
    history = History()
    rows = tuple(EntityRow(entity=Entity.parse(f"unit:a{n}.service"), values=(0.5,) * len(ENTITY_SIGNALS)) for n in range(3))
    sample = Sample(at=Instant(mono_ns=1, utc_ns=2), cause="timer", host=(NAN,) * len(HOST_SIGNALS), entities=rows)
    return history.add(sample), sample


def _frame(data: bytes) -> None:
    header = protocol.decode_header(data[: protocol.HEADER.size].ljust(protocol.HEADER.size, b"\0"))
    body = data[protocol.HEADER.size :][: header.body_bytes].ljust(header.body_bytes, b"\0")
    reader = {protocol.Kind.INFO: protocol.decode_info}.get(header.kind)
    if reader:
        reader(body)
    elif header.kind is not protocol.Kind.CLASSIFY and header.body_bytes == protocol.scores_bytes(header.entities):
        protocol.decode_scores(header, body)


def _toml(tmp_path: Path):
    def read(data: bytes) -> None:
        path = tmp_path / "orderd.toml"
        path.write_bytes(data)
        load(path)

    return read


def _certain(classes):
    return struct.pack(f"<{classes}f", 1.0, *[0.0] * (classes - 1))


def _wire(kind, back):
    def read(data: bytes) -> None:
        try:
            message = kind.FromString(data)
        except DecodeError:
            return
        back(message)

    return read


CONFIG = b"""
services = [{unit = "nginx.service", probe = {kind = "http", url = "http://127.0.0.1/", timeout_s = 0.5}}]
mounts = [{path = "/srv"}]
[decision]
mode = "auto"
approval_s = 600.0
[decision.modes.failures]
disk_full = "approve"
[[decision.windows]]
name = "night"
start = "22:00"
end = "04:00"
[rpc.roles]
operator = ["@orderd", "alice"]
[[notify.sinks]]
kind = "webhook"
url = "https://example.org/x"
"""


REQUESTS = (
    messages.Wake(),
    messages.RepairRequest(
        repair_id="d0000000000010000", playbook="start", target="unit:nginx.service", deadline_s=10, mode=messages.Mode.APPLY
    ),
)
REPLIES = (
    messages.Accepted(repair_id="d0000000000010000"),
    messages.Started(repair_id="d0000000000010000", scope="orderd-repair-d1.scope"),
)
JOB = messages.Job(
    job_id="d1",
    work_dir="/run/orderd-repairs",
    source_dir="/usr/share/orderd/playbooks/repairs",
    files={"start/repair.yml": "ab" * 32},
    playbook="start/repair.yml",
    variables={"target": "nginx.service", "names": ("a", "b")},
    check=False,
    tmpfs_bytes=0,
)
TOKEN = join.Token(
    secret="s" * 40, role="host", fleet="f", enrol="a:1", trainer="a:2", authority="PEM", made_at=1.0, lifetime_s=900.0
)
DONE = messages.JobDone(rc=0, tasks=(), detail="", seconds={"run": 0.2})


@pytest.fixture
def decoders(tmp_path, make_decision, make_step):
    """Return every decoder with valid inputs to begin from."""
    window, sample = _window()
    rows = sample.entities
    decision = make_decision()
    record = DecisionRecord(decision=decision, steps=())
    scores = Scores(failures=((1.0,) + (0.0,) * (len(FAILURES) - 1),) * 3, wrong=0.5)
    contract = next(iter(sorted((ROOT / "playbooks/repairs").glob("*/contract.yml"))))
    manifests = [p.read_bytes() for p in sorted((ROOT / "models").rglob("manifest.json"))][:1] or [b"{}"]
    packed = pack(window)
    text = lambda read: lambda data: read(data.decode("utf-8", "replace"))  # noqa: E731 - one line of glue
    signature = encode_signature(Signature(key_id="ab" * 8, signature=bytes(64)))
    token = join.to_text(TOKEN).encode()
    facts = Facts(now=sample.at, incident_id="i", target=rows[0].entity, failure=Failure.SERVICE_DOWN, opened=sample.at)
    return {
        "decision": (_wire(decision_pb2.Decision, decision_from_wire), [decision_to_wire(record).SerializeToString()]),
        "samples": (_wire(telemetry_pb2.SampleBatch, samples_from_wire), [samples_to_wire([sample]).SerializeToString()]),
        "evidence": (
            _wire(decision_pb2.Evidence, lambda m: evidence_from_wire(m, "d1")),
            [
                decision_pb2.Evidence(window=packed, failures=row, wrong=0.5, facts=b"{}").SerializeToString()
                for row in (_certain(len(FAILURES)), _certain(10))  # of this release, and of the first
            ],
        ),
        "page token": (text(lambda t: page_after(t, "f")), [page_token("d1", "f").encode()]),
        "resume token": (text(resume_point), [resume_token(17, "d1").encode()]),
        "executor request": (messages.REQUESTS.decode, [messages.encode(m) for m in REQUESTS]),
        "executor reply": (messages.REPLIES.decode, [messages.encode(m) for m in REPLIES]),
        "zygote job": (messages.JOBS.decode, [messages.encode(JOB)]),
        "zygote reply": (messages.JOB_REPLIES.decode, [messages.encode(DONE)]),
        "inference frame": (
            _frame,
            [protocol.classify_frame(window, 1).encode(), protocol.info_frame(ModelInfo(loaded=True), 1).encode()],
        ),
        "inference load": (protocol.decode_load, [msgspec.json.encode(protocol.Load(folder="1.0", validate_only=True))]),
        "inference loaded": (protocol.decode_loaded, [b'{"accepted":true}']),
        "offline windows": (lambda data: offline.read_windows(io.BytesIO(data)), [offline.framed(packed)]),
        "contract": (
            lambda data: parse_contract(data, file="contract.yml", folder=contract.parent.name),
            [contract.read_bytes()],
        ),
        "playbook manifest": (
            lambda data: playbooks.decode(data, Path("manifest.json")),
            [msgspec.json.encode(playbooks.Manifest(version=2, files={"start/repair.yml": "ab" * 32}))],
        ),
        "model manifest": (lambda data: models.decode_manifest(data, "manifest.json"), manifests),
        "signature": (lambda data: decode_signature(data, "manifest.sig"), [signature]),
        "config": (_toml(tmp_path), [CONFIG]),
        "join token": (text(join.from_text), [token]),
        "window": (unpack, [packed]),
        "scores": (unpack_scores, [pack_scores(scores)]),
        "facts": (decode_facts, [encode_facts(facts)]),
        "duration": (text(parse_duration), [b"1h30m", b"90s"]),
        "target": (text(parse_target), [b"nginx", b"/var", b"unit:a.service"]),
    }


def rss_bytes() -> int:
    """Return what this process holds in memory."""
    gc.collect()
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * 4096


def test_decoders_refuse_cleanly(decoders, size, measured):
    """A value or a refusal that callers expect, never another error; memory does not grow with what is thrown away."""
    each = size(300, 30_000)
    wrong: list[str] = []
    runs = 0

    for name, (read, corpus) in decoders.items():
        for valid in corpus:
            read(valid)  # what is broken below is whole to begin with
        assert corpus, name

    def feed(name: str, seed: int) -> None:
        read, corpus = decoders[name]
        rng = random.Random(f"{name}:{seed}")
        valid = rng.choice(corpus)
        data = twisted(rng, valid) if rng.random() < 0.4 else mutated(rng, valid)
        try:
            read(data)
        except REFUSALS:
            pass
        except Exception as error:  # noqa: BLE001 - what is looked for
            wrong.append(f"{name}, seed {seed}: {type(error).__name__}: {error}"[:300])

    for name in decoders:
        for seed in range(20):
            feed(name, seed)
    before = rss_bytes()
    for name in decoders:
        for seed in (*SEEDS_THAT_FAILED, *range(20, each)):
            feed(name, seed)
            runs += 1
    grown = rss_bytes() - before
    measured(
        figure=f"{len(decoders)} decoders: {len(wrong)} unclean, memory grew by {grown / 1e6:.1f} MB",
        limit=f"clean refusals only, growth <= {GROWTH_MAX_BYTES / 1e6:.0f} MB",
        runs=runs,
    )
    assert wrong == []
    assert grown <= GROWTH_MAX_BYTES


def _spool(folder: Path, block: bytes) -> None:
    from orderd.telemetry.segments import Segments

    segments = Segments(folder, 1 << 20)
    try:
        for batch in segments.read(0, 100):
            batch.message()
    finally:
        segments.close()


def test_spool_segments_are_read_whatever_they_hold(tmp_path, size, measured):
    """What an earlier run left is indexed as far as it is whole; a damaged tail costs that tail."""
    from orderd.telemetry.segments import Batch, Segments

    first = tmp_path / "valid"
    segments = Segments(first, 1 << 20)
    for number in range(1, 6):
        segments.append(Batch(place=0, sequence=number, samples=1, packed=zlib.compress(b"x" * 50 * number)))
    segments.close()
    files = sorted(p for p in first.iterdir() if p.stat().st_size > len(MAGIC))
    corpus = files[0].read_bytes()
    wrong, runs = [], size(150, 15_000)
    for seed in range(runs):
        folder = tmp_path / f"s{seed}"
        folder.mkdir(mode=0o700)
        (folder / files[0].name).write_bytes(mutated(random.Random(f"spool:{seed}"), corpus))
        try:
            _spool(folder, b"")
        except (TelemetryError, OSError, zlib.error):
            pass
        except Exception as error:  # noqa: BLE001 - what is looked for
            wrong.append(f"seed {seed}: {type(error).__name__}: {error}")
    measured(figure=f"spool: {len(wrong)} unclean", limit="clean refusals only", runs=runs)
    assert wrong == []


def filled(rng: random.Random, descriptor):
    """Return a message with nasty values in some of its fields."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if rng.random() < 0.4 or field.is_repeated:
            continue
        match field.cpp_type:
            case field.CPPTYPE_MESSAGE:
                getattr(message, field.name).CopyFrom(filled(rng, field.message_type))
            case field.CPPTYPE_STRING if field.type == field.TYPE_BYTES:
                setattr(message, field.name, rng.choice(NASTY))
            case field.CPPTYPE_STRING:
                words = (
                    *NASTY_TEXT,
                    *FAILURES,
                    *EntityKind,
                    "start",
                    "repair",
                    "resolved",
                    "held",
                    "granted_by_person",
                    "WzEsIiJd",
                )
                setattr(message, field.name, rng.choice(words))
            case field.CPPTYPE_DOUBLE | field.CPPTYPE_FLOAT:
                setattr(message, field.name, rng.choice(NASTY_FLOATS))
            case field.CPPTYPE_BOOL:
                setattr(message, field.name, rng.random() < 0.5)
            case field.CPPTYPE_INT32:
                setattr(message, field.name, rng.choice(NASTY_NUMBERS[:5]))
            case _:
                setattr(message, field.name, rng.choice(NASTY_NUMBERS))
    return message


METHODS = [
    method
    for file, name in ((decision_pb2, "DecisionService"), (host_pb2, "HostService"))
    for method in file.DESCRIPTOR.services_by_name[name].methods
]


class Caller:
    """Sends bytes to methods and keeps what was answered in a way nobody should."""

    def __init__(self, channel) -> None:
        self.channel = channel
        self.codes: dict[str, int] = {}
        self.wrong: list[str] = []

    async def call(self, method, seed: int) -> None:
        """Send what follows from a seed."""
        rng = random.Random(f"{method.full_name}:{seed}")
        message = filled(rng, method.input_type).SerializeToString()
        data = mutated(rng, message) if rng.random() < 0.4 else message
        path = f"/{method.containing_service.full_name}/{method.name}"
        code = await (self._stream(path, data) if method.server_streaming else self._unary(path, data))
        self.codes[code] = self.codes.get(code, 0) + 1
        if code in {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED"}:
            self.wrong.append(f"{path}, seed {seed}: {code}")

    async def _unary(self, path: str, data: bytes) -> str:
        try:
            await self.channel.unary_unary(path)(data, timeout=20)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    async def _stream(self, path: str, data: bytes) -> str:
        call = self.channel.unary_stream(path)(data, timeout=20)
        try:
            await call.initial_metadata()
            if not call.done():
                call.cancel()
                return "OK"
            return (await call.code()).name
        except (grpc.aio.AioRpcError, asyncio.CancelledError):
            return (await call.code()).name


async def test_every_rpc_refuses_cleanly(tmp_path, fuzzed_host, make_decision, size, measured):
    """INVALID_ARGUMENT and its like, never INTERNAL; afterwards orderd answers as before and holds no more memory."""
    each = size(200, 40_000)
    journal = Journal.open(tmp_path / "journal.sqlite")
    for number in range(1, 6):
        journal.record(replace(make_decision(number)))
    config = RpcConfig(socket=str(tmp_path / "o.sock"))
    server = await serve(config, journal, DecisionHub(), fuzzed_host(journal), kept=journal.kept)
    try:
        async with grpc.aio.insecure_channel(f"unix:{config.socket}") as channel:
            caller = Caller(channel)
            for method in METHODS:
                for seed in range(20):
                    await caller.call(method, seed)
            before = rss_bytes()
            for method in METHODS:
                for start in range(20, each, 20):
                    await asyncio.gather(*(caller.call(method, seed) for seed in range(start, start + 20)))
            grown = rss_bytes() - before
            status = host_pb2.GetStatusResponse.FromString(await channel.unary_unary("/orderd.v1.HostService/GetStatus")(b""))
    finally:
        await server.stop(0.1)
        journal.close()
    runs = sum(caller.codes.values())
    told = ", ".join(f"{count} {code}" for code, count in sorted(caller.codes.items(), key=lambda item: -item[1]))
    measured(
        figure=f"{len(METHODS)} RPCs: {told}; memory grew by {grown / 1e6:.1f} MB",
        limit=f"never INTERNAL or a crash, growth <= {GROWTH_MAX_BYTES / 1e6:.0f} MB",
        runs=runs,
    )
    assert caller.wrong == []
    assert status.hostname == "web-3"
    assert caller.codes.get("INVALID_ARGUMENT", 0) > runs / 10
    assert grown <= GROWTH_MAX_BYTES


@pytest.fixture
def fuzzed_host(manual_clock):
    """Return a maker of the imagined host of the integration tests."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("imagined", ROOT / "tests/integration/conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda journal: module.ImaginedHost(manual_clock, journal)
