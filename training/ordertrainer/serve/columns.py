"""Batches of one host -> Arrow tables. Pure. A batch of an older schema lacks the signals since then.

Axes: N sample, R entity row, H host signal, F entity signal. Float columns are views into the batches until the last moment.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orderd.domain.schema import Schema, known_schema, schema_digest
from orderd.v1.decision_pb2 import Decision
from orderd.v1.telemetry_pb2 import PushRequest
from ordertrainer.serve.errors import ForeignSchemaError
from ordertrainer.serve.layout import DECISIONS, ENTITIES, ENTITY_NAMES, HOST_NAMES, SAMPLES

Floats = NDArray[np.float32]
_FLOAT: Final = np.dtype("<f4")


def samples_table(batches: Sequence[PushRequest]) -> pa.Table:
    """Return one row per sample, in order of arrival."""
    counts = [len(b.samples.mono_ns) for b in batches]
    host = _stack([(b.samples.host, _schema(b).host) for b in batches], len(HOST_NAMES))
    return pa.table(
        {
            "boot_id": _words([b.boot_id for b, n in zip(batches, counts, strict=True) for _ in range(n)]),
            "sequence": np.repeat(np.array([b.sequence for b in batches], np.int64), counts),
            "mono_ns": _integers([b.samples.mono_ns for b in batches]),
            "utc_ns": _integers([b.samples.utc_ns for b in batches]),
            "cause": _words([cause for b in batches for cause in b.samples.cause]),
            **{name: host[:, i].copy() for i, name in enumerate(HOST_NAMES)},
        },
        schema=SAMPLES,
    )


def entities_table(batches: Sequence[PushRequest]) -> pa.Table:
    """Return one row per entity and sample; ``sample`` counts the rows of `samples_table`."""
    per_sample = _integers([b.samples.entity_count for b in batches])
    rows = _stack([(b.samples.rows, _schema(b).entity) for b in batches], len(ENTITY_NAMES))
    return pa.table(
        {
            "sample": np.repeat(np.arange(len(per_sample), dtype=np.int32), per_sample),
            "entity": _words([b.samples.entities[i] for b in batches for i in b.samples.entity_index]),
            **{name: rows[:, i].copy() for i, name in enumerate(ENTITY_NAMES)},
        },
        schema=ENTITIES,
    )


def decisions_table(batches: Sequence[PushRequest]) -> pa.Table:
    """Return one row per decision that came, oldest first."""
    rows = [_decision_row(decision) for batch in batches for decision in batch.decisions]
    return pa.Table.from_pylist(rows, schema=DECISIONS)


def _decision_row(decision: Decision) -> dict[str, object]:
    diagnosis = decision.diagnosis
    return {
        "decision_id": decision.id,
        "incident_id": decision.incident_id,
        "decided_mono_ns": decision.decided_at.mono_ns,
        "decided_utc_ns": decision.decided_at.utc_ns,
        "failure": diagnosis.failure,
        "entity": f"{diagnosis.entity.kind}:{diagnosis.entity.key}",
        "probability": diagnosis.probability,
        "source": diagnosis.source,
        "action": decision.action,
        "repair": decision.repair,
        "reason": decision.reason,
        "state": decision.state,
        "message": decision.SerializeToString(),
    }


def _schema(batch: PushRequest) -> Schema:
    schema = known_schema(batch.samples.schema_digest)
    if schema is None:
        raise ForeignSchemaError(f"host {batch.host_id}", found=batch.samples.schema_digest[:64], ours=schema_digest())
    return schema


def _stack(blocks: Sequence[tuple[bytes, int]], width: int) -> Floats:
    """Put blocks, each with its own number of columns, on top of each other; columns that a block lacks are missing."""
    if all(own == width for _, own in blocks):
        return np.frombuffer(b"".join(block for block, _ in blocks), _FLOAT).reshape(-1, width)
    read = (np.frombuffer(block, _FLOAT).reshape(-1, own) for block, own in blocks)
    return np.concatenate([np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=np.nan) for rows in read])


def _integers(columns: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    return np.concatenate([np.asarray(c, np.int64) for c in columns]) if columns else np.empty(0, np.int64)


def _words(values: Sequence[str]) -> pa.DictionaryArray:
    return pa.array(values, pa.string()).dictionary_encode()
