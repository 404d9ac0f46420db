"""samples_to_wire and samples_from_wire."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from orderd.domain.values import EntityRow, Sample
from orderd.v1 import telemetry_pb2
from orderd.wire import samples_from_wire, samples_to_wire

VALUES = st.one_of(st.just(math.nan), st.floats(width=32, allow_nan=False, allow_infinity=False))
UNITS = st.sampled_from([f"unit{i}.service" for i in range(6)])
NANOSECONDS = st.integers(min_value=0, max_value=2**62)


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Draw a whole sample, each entity once."""

    def values(count: int) -> tuple[float, ...]:
        return tuple(draw(st.lists(VALUES, min_size=count, max_size=count)))

    keys = draw(st.lists(UNITS, unique=True, max_size=3))
    entities = [Entity(kind=EntityKind.UNIT, key=key) for key in keys]
    return Sample(
        at=Instant(mono_ns=draw(NANOSECONDS), utc_ns=draw(NANOSECONDS)),
        cause=draw(st.sampled_from(["timer", "unit", "verify"])),
        host=values(len(HOST_SIGNALS)),
        entities=tuple(EntityRow(entity=e, values=values(len(ENTITY_SIGNALS))) for e in entities),
    )


def bits(values: tuple[float, ...]) -> bytes:
    """Return float32 bits with one NaN, so that missing equals missing."""
    return struct.pack(f"<{len(values)}f", *(math.nan if math.isnan(v) else v for v in values))


def same(a: Sample, b: Sample) -> bool:
    """Compare samples, NaN being equal to NaN."""
    rows = [(r.entity, bits(r.values)) for r in a.entities] == [(r.entity, bits(r.values)) for r in b.entities]
    return rows and bits(a.host) == bits(b.host) and (a.at, a.cause) == (b.at, b.cause)


def plain_sample(*keys: str) -> Sample:
    """Return a sample of zeros with these units."""
    rows = tuple(EntityRow(entity=Entity.parse(f"unit:{key}"), values=(0.0,) * len(ENTITY_SIGNALS)) for key in keys)
    return Sample(at=Instant(mono_ns=1, utc_ns=2), cause="timer", host=(0.0,) * len(HOST_SIGNALS), entities=rows)


@given(st.lists(samples(), max_size=4))
def test_samples_survive_the_wire_bit_for_bit(taken):
    """Every float32 sample comes back as it was, order, missing values and entities included."""
    message = telemetry_pb2.SampleBatch.FromString(samples_to_wire(taken).SerializeToString())
    assert all(same(a, b) for a, b in zip(samples_from_wire(message), taken, strict=True))


def test_an_entity_is_named_once_per_batch():
    """Ten samples of one unit carry its name once."""
    batch = samples_to_wire([plain_sample("a.service")] * 10)
    assert list(batch.entities) == ["unit:a.service"]


@pytest.mark.parametrize(
    ("field", "break_it"),
    [
        ("schema_digest", lambda b: setattr(b, "schema_digest", "0" * 64)),
        ("utc_ns", lambda b: b.utc_ns.append(1)),
        ("cause", lambda b: b.cause.pop()),
        ("entity_count", lambda b: b.entity_count.append(0)),
        ("entity_count", lambda b: b.entity_count.__setitem__(0, -1)),
        ("entity_index", lambda b: b.entity_index.append(0)),
        ("entity_index", lambda b: b.entity_index.__setitem__(0, 9)),
        ("entity_index", lambda b: b.entity_index.__setitem__(0, -1)),
        ("entity_index", lambda b: b.entity_index.__setitem__(1, 0)),
        ("entities", lambda b: b.entities.__setitem__(0, "unit:b.service")),
        ("entities[0]", lambda b: b.entities.__setitem__(0, "unit:../../etc")),
        ("entities[0]", lambda b: b.entities.__setitem__(0, "planet:mars")),
        ("host", lambda b: setattr(b, "host", b.host[:-1])),
        ("rows", lambda b: setattr(b, "rows", b.rows + b"\0\0\0\0")),
    ],
)
def test_a_broken_batch_is_refused_and_the_field_named(field, break_it):
    """Wrong lengths, indices, entities or schema raise ValueError that begins with the field."""
    batch = samples_to_wire([plain_sample("a.service", "b.service")])
    break_it(batch)
    with pytest.raises(ValueError, match="^" + field.replace("[", r"\[")):
        samples_from_wire(batch)


def test_a_sample_of_another_width_is_not_sent():
    """A sample that lacks a signal raises instead of shifting every column after it."""
    short = Sample(at=Instant(mono_ns=1, utc_ns=2), cause="timer", host=(0.0,), entities=())
    with pytest.raises(ValueError, match="host"):
        samples_to_wire([short])


@given(st.binary(max_size=400))
def test_random_bytes_are_a_value_or_a_value_error(data):
    """Whatever parses as a batch is a list of samples or a ValueError, never another exception."""
    try:
        batch = telemetry_pb2.SampleBatch.FromString(data)
    except Exception:  # noqa: BLE001 - protobuf's own refusal is not under test
        return
    try:
        samples_from_wire(batch)
    except ValueError:
        return
