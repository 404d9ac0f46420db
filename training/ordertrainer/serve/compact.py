"""Write-ahead segment -> Parquet files, one per host and table. Touches the data directory.

Zstandard with BYTE_STREAM_SPLIT floats: bytes of equal weight beside each other compress to about half of what plain floats
do. Doing it again after a crash writes the same files again.

References:
    Parquet format, Encodings.md: BYTE_STREAM_SPLIT (9), DELTA_BINARY_PACKED (5).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from orderd.v1.telemetry_pb2 import PushRequest
from ordertrainer.files import publish, sync_directory
from ordertrainer.serve.columns import decisions_table, entities_table, samples_table
from ordertrainer.serve.layout import Layout
from ordertrainer.serve.wal import read_segment

_ZSTD_LEVEL: Final = 3


def compact(layout: Layout, segment: Path, digest: str) -> None:
    """Write a closed segment's batches as Parquet; all files are durable when it returns. The segment stays.

    Raises:
        ForeignSchemaError: the segment was written with another list of signals.
        OSError: the disk is full or broken.
    """
    number = int(segment.stem)
    # Entities lead and samples close: a host's samples file exists only when its entities do.
    for host_id, batches in _by_host(segment, digest).items():
        about = {"host_id": host_id, "schema_digest": digest}
        sampled = [b for b in batches if b.samples.mono_ns]
        tables: Mapping[str, pa.Table] = {
            "decisions": decisions_table(batches),
            "entities": entities_table(sampled),
            "samples": samples_table(sampled),
        }
        for name, table in tables.items():
            if table.num_rows:
                _write(layout.parquet(name, host_id, number), table.replace_schema_metadata(about))


def _by_host(segment: Path, digest: str) -> dict[str, Sequence[PushRequest]]:
    batches: dict[str, list[PushRequest]] = defaultdict(list)
    for payload in read_segment(segment, digest):
        request = PushRequest.FromString(payload)
        batches[request.host_id].append(request)
    return dict(batches)


def _write(path: Path, table: pa.Table) -> None:
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
        sync_directory(path.parent.parent)
    temporary = path.with_name(f".{path.name}.part")
    dictionary = [f.name for f in table.schema if pa.types.is_dictionary(f.type)]
    pq.write_table(
        table,
        temporary,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        use_dictionary=dictionary,
        column_encoding={f.name: encoding for f in table.schema if (encoding := _encoding(f.type))},
    )
    publish(temporary, path)


def _encoding(kind: pa.DataType) -> str:
    if pa.types.is_floating(kind):
        return "BYTE_STREAM_SPLIT"
    return "DELTA_BINARY_PACKED" if pa.types.is_integer(kind) else ""
