"""T19: what the version before wrote, on the wire, beside its model, into its configuration, is read here; and the other way.

The files under ``tests/data`` with v0.1.0 in their names were written by the code of that version.
"""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from orderd.config import load
from orderd.domain.schema import schema_digest
from orderd.domain.values import IncidentState, Reason, RepairOutcome
from orderd.inference.manifest import decode_manifest
from orderd.v1 import decision_pb2, host_pb2, telemetry_pb2
from orderd.v1.telemetry_pb2 import PushRequest
from orderd.wire import decision_from_wire, decision_to_wire, samples_from_wire
from ordertrainer.serve.check import check

DATA = Path(__file__).parents[1] / "data"
RELEASED = Path(__file__).parents[2] / "proto" / "released" / "v0.1.0.binpb"
LIMIT = "all readable; buf breaking clean"


@pytest.fixture
def push():
    """Return a batch as version 0.1.0 sent it."""
    return PushRequest.FromString((DATA / "push-v0.1.0.binpb").read_bytes())


@pytest.fixture(scope="module")
def released():
    """Return a maker of message classes as version 0.1.0 knew them."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(RELEASED.read_bytes()).file:
        pool.Add(file)
    return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def test_a_batch_of_the_version_before_is_taken(push, measured):
    """The trainer checks and takes it, with every sample, decision and step."""
    check(push, schema_digest())
    samples = samples_from_wire(push.samples)
    (record,) = [decision_from_wire(decision) for decision in push.decisions]
    measured(figure=f"wire 0.1.0: {len(samples)} samples and {len(record.steps)} steps of a decision read", limit=LIMIT, runs=1)
    assert [sample.at.mono_ns for sample in samples] == [10**9, 2 * 10**9]
    assert math.isnan(samples[0].host[-1])
    assert record.decision.reason is Reason.ALLOWED
    assert record.decision.candidates[1].refused_because == "unit_masked_ratio ge 0.5"
    assert [step.what for step in record.steps] == ["intent", "finished", "verified"]
    assert record.steps[1].outcome is RepairOutcome.SUCCEEDED
    assert record.state is IncidentState.RESOLVED


def test_the_version_before_reads_what_this_one_sends(push, released, measured):
    """Messages of today, parsed with the descriptors of 0.1.0: what it knew means what it meant."""
    record = decision_from_wire(push.decisions[0])
    old = released("orderd.v1.Decision").FromString(decision_to_wire(record).SerializeToString())
    assert old.SerializeToString(deterministic=True)
    assert (old.id, old.reason, old.repair, old.state) == (record.decision.decision_id, "allowed", "service_start", "resolved")
    assert [step.what for step in old.steps] == ["intent", "finished", "verified"]
    read = 0
    for module in (decision_pb2, host_pb2, telemetry_pb2):
        for name, message in module.DESCRIPTOR.message_types_by_name.items():
            try:
                before = released(f"orderd.v1.{name}")
            except KeyError:
                continue  # this version's own
            now = {field.number: (field.name, field.type, field.is_repeated) for field in message.fields}
            for field in before.DESCRIPTOR.fields:
                assert now[field.number] == (field.name, field.type, field.is_repeated)
            read += 1
    measured(figure=f"wire today: {read} messages of 0.1.0 unchanged", limit=LIMIT, runs=read)
    assert read >= 20


def test_buf_finds_nothing_broken(measured):
    """The interface, held against the released one by the field's own tool."""
    buf = Path(sys.executable).with_name("buf")
    asked = [str(buf), "breaking", "--against", str(RELEASED)]
    done = subprocess.run(asked, cwd=RELEASED.parents[1], capture_output=True, text=True, check=False)
    measured(figure=f"buf breaking: {'clean' if done.returncode == 0 else done.stdout.splitlines()[0]}", limit=LIMIT, runs=1)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_model_manifest_of_the_version_before_is_read(measured):
    """It counts as unsigned with serial 0: readable, and only taken where signatures are not asked for."""
    manifest = decode_manifest((DATA / "model-manifest-v0.1.0.json").read_bytes(), "manifest.json")
    measured(figure=f"model manifest 0.1.0: version {manifest.version}, serial {manifest.serial}", limit=LIMIT, runs=1)
    assert (manifest.version, manifest.serial, manifest.key_id) == ("0.1.0", 0, "")


def test_a_configuration_of_the_version_before_still_loads(tmp_path, measured):
    """Every key it knew is known, with the meaning it had; nothing becomes laxer by an upgrade."""
    text = (DATA / "orderd-v0.1.0.toml").read_text().replace('"MODE"', '"observe"').replace('"TRAINER"', '""')
    file = tmp_path / "orderd.toml"
    file.write_text(text)
    config = load(file)
    measured(figure=f"configuration 0.1.0: {len(config.services)} services", limit=LIMIT, runs=1)
    assert (len(config.services), config.decision.mode) == (5, "observe")
    assert config.executor.signed
    assert config.inference.signed
    assert config.rpc.listen == ""
