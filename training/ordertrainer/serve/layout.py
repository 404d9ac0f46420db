"""How a data directory is laid out, and the columns of its Parquet files. Pure.

    DIR/lock                                   held by the one trainer that writes here
    DIR/state.json                             schema digest, number of the next segment, what was received of each host
    DIR/wal/<segment>.wal                      durable batches that are not in Parquet yet
    DIR/samples/host=<id>/<segment>.parquet    one row per sample: when, why, host signals
    DIR/entities/host=<id>/<segment>.parquet   one row per entity and sample; `sample` is the row number in the file above
    DIR/decisions/host=<id>/<segment>.parquet  one row per decision and change; the newest row of an id is its state
    DIR/labels.jsonl                           what was done to the hosts (ordertrainer.dataset)

Files are named after the segment they were made from, so that compacting a segment twice writes the same file twice.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS

HOST_ID_SHAPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
BOOT_ID_SHAPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

HOST_NAMES: Final = tuple(signal.name for signal in HOST_SIGNALS)
ENTITY_NAMES: Final = tuple(signal.name for signal in ENTITY_SIGNALS)

TABLES: Final = ("samples", "entities", "decisions")

_WORDS: Final = pa.dictionary(pa.int32(), pa.string())

SAMPLES: Final = pa.schema(
    [
        ("boot_id", _WORDS),
        ("sequence", pa.int64()),
        ("mono_ns", pa.int64()),
        ("utc_ns", pa.int64()),
        ("cause", _WORDS),
        *((name, pa.float32()) for name in HOST_NAMES),
    ]
)

ENTITIES: Final = pa.schema(
    [
        ("sample", pa.int32()),
        ("entity", _WORDS),
        *((name, pa.float32()) for name in ENTITY_NAMES),
    ]
)

DECISIONS: Final = pa.schema(
    [
        ("decision_id", pa.string()),
        ("incident_id", pa.string()),
        ("decided_mono_ns", pa.int64()),
        ("decided_utc_ns", pa.int64()),
        ("failure", _WORDS),
        ("entity", _WORDS),
        ("probability", pa.float32()),
        ("source", _WORDS),
        ("action", _WORDS),
        ("repair", _WORDS),
        ("reason", _WORDS),
        ("state", _WORDS),
        ("message", pa.binary()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The paths of one data directory."""

    root: Path

    @property
    def lock(self) -> Path:
        """Return the file that the writing trainer locks."""
        return self.root / "lock"

    @property
    def state(self) -> Path:
        """Return the file that survives the write-ahead segments."""
        return self.root / "state.json"

    @property
    def wal(self) -> Path:
        """Return the directory of write-ahead segments."""
        return self.root / "wal"

    @property
    def labels(self) -> Path:
        """Return the file of labels."""
        return self.root / "labels.jsonl"

    def segment(self, number: int) -> Path:
        """Return the path of a write-ahead segment."""
        return self.wal / f"{number:08d}.wal"

    def segments(self) -> list[Path]:
        """Return the write-ahead segments, oldest first."""
        return sorted(self.wal.glob("*.wal")) if self.wal.is_dir() else []

    def parquet(self, table: str, host_id: str, segment: int) -> Path:
        """Return the path of one table (``samples``, ``entities``, ``decisions``) of one host and segment."""
        return self.root / table / f"host={host_id}" / f"{segment:08d}.parquet"

    def files(self) -> list[Path]:
        """Return the Parquet files of all tables and hosts, oldest segments first."""
        found = (path for table in TABLES for path in self.root.glob(f"{table}/host=*/*.parquet") if path.stem.isdecimal())
        return sorted(found, key=lambda path: (int(path.stem), path))

    def hosts(self) -> list[str]:
        """Return the hosts that have samples."""
        return sorted(p.name.removeprefix("host=") for p in self.root.glob("samples/host=*") if p.is_dir())
