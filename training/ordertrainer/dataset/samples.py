"""Parquet -> samples, exactly as the host sent them. Reads a data directory.

Rows come back in order of arrival, which within one run of orderd is the order in which it took them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.schema import known_schema, schema_digest
from orderd.domain.values import EntityRow, Sample
from ordertrainer.dataset.errors import DatasetError
from ordertrainer.serve.layout import ENTITIES, ENTITY_NAMES, HOST_NAMES, SAMPLES, Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A sample and the run of orderd that took it; a new run starts with an empty memory."""

    boot_id: str
    sample: Sample


def check_compacted(layout: Layout) -> None:
    """Refuse a directory whose newest samples are not in Parquet yet.

    Raises:
        DatasetError: a trainer is running on it, or was killed.
    """
    if left := layout.segments():
        raise DatasetError(
            f"{layout.wal}: {len(left)} segments are not Parquet yet; stop the trainer, or, if it was killed, "
            f"start and stop `ordertrainer serve --data {layout.root}` once"
        )


def iter_samples(layout: Layout, host_id: str) -> Iterator[Taken]:
    """Yield a host's samples, oldest first.

    Raises:
        DatasetError: a file is damaged or was written with a list of signals that is none of ours.
    """
    for path in sorted((layout.root / "samples" / f"host={host_id}").glob("*.parquet")):
        samples = _read(path, SAMPLES)
        entities_path = layout.parquet("entities", host_id, int(path.stem))
        entities = _read(entities_path, ENTITIES) if entities_path.exists() else ENTITIES.empty_table()
        yield from _join(samples, entities)


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        # Not pq.read_table: it would take host=... from the path for a column.
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path}: {error}; remove the file, its samples are lost") from error
    found = (table.schema.metadata or {}).get(b"schema_digest", b"").decode("ascii", "replace")
    if known_schema(found) is None:
        raise DatasetError(
            f"{path}: schema digest {found or '(none)'}, this trainer has {schema_digest()}; collect anew, or use the "
            "release of ordertrainer that collected it"
        )
    for field in schema:
        if field.name not in table.column_names:  # a signal that nobody measured when this was written
            table = table.append_column(field, pa.nulls(table.num_rows, field.type).fill_null(math.nan))
    return table.select(schema.names)


def _join(samples: pa.Table, entities: pa.Table) -> Iterator[Taken]:
    host = _matrix(samples, HOST_NAMES)
    values = _matrix(entities, ENTITY_NAMES)
    names = entities["entity"].to_pylist()
    known = {name: Entity.parse(name) for name in set(names)}
    rows = [EntityRow(entity=known[name], values=tuple(row)) for name, row in zip(names, values.tolist(), strict=True)]
    ends = np.searchsorted(entities["sample"].to_numpy(), np.arange(samples.num_rows), side="right")
    columns = (samples[name].to_pylist() for name in ("boot_id", "mono_ns", "utc_ns", "cause"))
    start = 0
    for boot_id, mono_ns, utc_ns, cause, host_row, end in zip(*columns, host.tolist(), ends.tolist(), strict=True):
        at = Instant(mono_ns=mono_ns, utc_ns=utc_ns)
        yield Taken(boot_id=boot_id, sample=Sample(at=at, cause=cause, host=tuple(host_row), entities=tuple(rows[start:end])))
        start = end


def _matrix(table: pa.Table, names: tuple[str, ...]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.column_stack([table[name].to_numpy() for name in names]).astype(np.float32, copy=False)
