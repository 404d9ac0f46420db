"""Samples <-> one batch of float32 columns. Pure.

Axes: N sample, R entity row over all samples, H host signal, F entity signal. Columns as ``bytes`` cost a third of repeated
floats; the conversion is ``array('f')`` without numpy, because orderd never imports it. ``failed_collectors`` stays on the
host: what a failed collector would have measured is already missing (NaN) in the columns.
"""

import math
import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import chain

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.schema import CURRENT, known_schema, schema_digest
from orderd.domain.values import EntityRow, Sample
from orderd.v1 import telemetry_pb2


def _pack(values: Iterable[float], count: int, field: str) -> bytes:
    block = array("f", values)
    if len(block) != count:
        msg = f"{field}: {len(block)} values where the schema wants {count}"
        raise ValueError(msg)
    if sys.byteorder == "big":
        block.byteswap()
    return block.tobytes()


def samples_to_wire(samples: Sequence[Sample]) -> telemetry_pb2.SampleBatch:
    """Return samples as columns.

    Args:
        samples: in the order they were taken; may be empty.

    Returns:
        A batch that names the schema it was written with; values are float32.

    Raises:
        ValueError: a sample does not have one value per declared signal.
    """
    indices: dict[Entity, int] = {}
    rows = [row for sample in samples for row in sample.entities]
    entity_index = [indices.setdefault(row.entity, len(indices)) for row in rows]
    return telemetry_pb2.SampleBatch(
        schema_digest=schema_digest(),
        mono_ns=[sample.at.mono_ns for sample in samples],
        utc_ns=[sample.at.utc_ns for sample in samples],
        cause=[sample.cause for sample in samples],
        host=_pack(chain.from_iterable(s.host for s in samples), len(samples) * CURRENT.host, "host"),
        entity_count=[len(sample.entities) for sample in samples],
        entity_index=entity_index,
        entities=[str(entity) for entity in indices],
        rows=_pack(chain.from_iterable(row.values for row in rows), len(rows) * CURRENT.entity, "rows"),
    )


def _require(ok: bool, field: str, why: str) -> None:  # noqa: FBT001 - an assertion with a field name
    if not ok:
        msg = f"{field}: {why}"
        raise ValueError(msg)


def _unpack(block: bytes, rows: int, width: int, more: int, field: str) -> list[tuple[float, ...]]:
    """Return the rows of a block, each with ``more`` missing values behind its own ``width``."""
    expected = rows * width * 4
    _require(len(block) == expected, field, f"{len(block)} bytes where {rows} rows of {width} float32 are {expected}")
    values = array("f")
    values.frombytes(block)
    if sys.byteorder == "big":
        values.byteswap()
    missing = (math.nan,) * more
    return [(*values[i : i + width], *missing) for i in range(0, rows * width, width)]


def _check_counts(batch: telemetry_pb2.SampleBatch) -> None:
    count = len(batch.mono_ns)
    for field in ("utc_ns", "cause", "entity_count"):
        length = len(getattr(batch, field))
        _require(length == count, field, f"{length} entries for {count} samples")
    _require(all(n >= 0 for n in batch.entity_count), "entity_count", "must not be negative")
    rows = sum(batch.entity_count)
    _require(len(batch.entity_index) == rows, "entity_index", f"{len(batch.entity_index)} entries for {rows} rows")
    known = len(batch.entities)
    _require(all(0 <= i < known for i in batch.entity_index), "entity_index", f"must be 0 to {known - 1}")


def _entities(batch: telemetry_pb2.SampleBatch) -> list[Entity]:
    entities: list[Entity] = []
    for i, text in enumerate(batch.entities):
        try:
            entities.append(Entity.parse(text))
        except ValueError as error:
            msg = f"entities[{i}] = {text[:80]!r}: not kind:key of a known kind"
            raise ValueError(msg) from error
    _require(len(set(entities)) == len(entities), "entities", "must be distinct")
    return entities


def samples_from_wire(batch: telemetry_pb2.SampleBatch) -> list[Sample]:
    """Return the samples of a batch, in its order.

    Args:
        batch: what a host sent; untrusted.

    Returns:
        Samples with float32 precision, NaN where missing.

    Raises:
        ValueError: the batch was written with a schema that is none of ours, a column has the wrong length, an entity is not
            one, or a sample holds one entity twice; the message names the field.
    """
    schema = known_schema(batch.schema_digest)
    if schema is None:
        msg = f"schema_digest: {batch.schema_digest[:64]!r} is not ours, {schema_digest()!r}"
        raise ValueError(msg)
    _check_counts(batch)
    entities = _entities(batch)
    host = _unpack(batch.host, len(batch.mono_ns), schema.host, CURRENT.host - schema.host, "host")
    values = _unpack(batch.rows, len(batch.entity_index), schema.entity, CURRENT.entity - schema.entity, "rows")
    rows = [EntityRow(entity=entities[i], values=row) for i, row in zip(batch.entity_index, values, strict=True)]
    samples: list[Sample] = []
    start = 0
    columns = zip(batch.mono_ns, batch.utc_ns, batch.cause, batch.entity_count, host, strict=True)
    for mono_ns, utc_ns, cause, count, host_values in columns:
        end = start + count
        distinct = len(set(batch.entity_index[start:end])) == count
        _require(distinct, "entity_index", f"sample {len(samples)} holds an entity twice")
        samples.append(
            Sample(
                at=Instant(mono_ns=mono_ns, utc_ns=utc_ns),
                cause=cause,
                host=host_values,
                entities=tuple(rows[start:end]),
            )
        )
        start = end
    return samples
