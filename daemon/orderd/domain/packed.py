"""A window as bytes, for the journal: compact, versioned, exact. Pure.

    ``OW1`` zlib( digest 32 | mono_ns i64 | utc_ns i64 | entities u16 | text bytes u32 | text | floats )

``text`` is JSON: cause, failed collectors, entities. The newest slot is kept in double precision, because preconditions are
judged on it; the older ones are f32, as the window holds them. All numbers are little-endian. A window of an older schema is
read as one in which the signals since then are missing. Bytes from a disk may be damaged: everything is bounded before it is
believed.
"""

import json
import math
import struct
import sys
import zlib
from array import array
from dataclasses import dataclass
from typing import Final, Self

from orderd.domain.clock import Instant
from orderd.domain.faults import KINDS, Entity
from orderd.domain.schema import CURRENT, Schema, known_schema, schema_digest
from orderd.domain.signals import SLOT_AGES_S
from orderd.domain.values import EntityRow, Sample
from orderd.domain.window import Window

ENTITIES_MAX: Final = 512
_MAGIC: Final = b"OW1"
_HEADER: Final = struct.Struct("<32sqqHI")
_TEXT_BYTES_MAX: Final = ENTITIES_MAX * 320 + 4096
_OLDER: Final = len(SLOT_AGES_S) - 1
_KIND_INDEX: Final = {kind: i for i, kind in enumerate(KINDS)}


def pack(window: Window) -> bytes:
    """Return a window as bytes that ``unpack`` turns into an equal one.

    Raises:
        ValueError: it has more than ENTITIES_MAX entities.
    """
    if len(window.entities) > ENTITIES_MAX:
        msg = f"{len(window.entities)} entities in one window; at most {ENTITIES_MAX}"
        raise ValueError(msg)
    newest = window.newest
    text = json.dumps([newest.cause, newest.failed_collectors, [str(entity) for entity in window.entities]]).encode()
    width = CURRENT.entity
    doubles, floats = array("d", newest.host), window.host[CURRENT.host :]
    for index, row in enumerate(newest.entities):
        doubles.extend(row.values)
        start = index * (_OLDER + 1) * width
        floats.extend(window.rows[start + width : start + (_OLDER + 1) * width])
    digest = bytes.fromhex(schema_digest())
    header = _HEADER.pack(digest, window.at.mono_ns, window.at.utc_ns, len(window.entities), len(text))
    return _MAGIC + zlib.compress(header + text + _little(doubles) + _little(floats))


def unpack(packed: bytes) -> Window:
    """Read a window that ``pack`` wrote.

    Raises:
        ValueError: it is damaged, of another version, or of a newer list of signals; the message says which.
    """
    body = _inflate(packed)
    digest, mono_ns, utc_ns, entities, text_bytes = _HEADER.unpack_from(body)
    schema = known_schema(digest.hex())
    if schema is None:
        msg = "the packed window has other signals than this orderd: it was recorded by another version"
        raise ValueError(msg)
    host_end, row_end = schema.host * (8 + 4 * _OLDER), entities * schema.entity * (8 + 4 * _OLDER)
    if entities > ENTITIES_MAX or text_bytes > _TEXT_BYTES_MAX or len(body) != _HEADER.size + text_bytes + host_end + row_end:
        msg = f"the packed window is damaged: {len(body)} bytes do not fit {entities} entities"
        raise ValueError(msg)
    cause, failed, keys = _text(body[_HEADER.size : _HEADER.size + text_bytes], entities)
    at = Instant(mono_ns=mono_ns, utc_ns=utc_ns)
    numbers = _Numbers.read(schema, len(keys), body[_HEADER.size + text_bytes :])
    return _rebuild(at, cause, failed, keys, numbers)


def _inflate(packed: bytes) -> bytes:
    if not packed.startswith(_MAGIC):
        msg = f"not a packed window of this version: it begins with {packed[:3]!r}, not {_MAGIC!r}"
        raise ValueError(msg)
    longest = _HEADER.size + _TEXT_BYTES_MAX + (CURRENT.host + ENTITIES_MAX * CURRENT.entity) * (8 + 4 * _OLDER)
    inflater = zlib.decompressobj()
    try:
        body = inflater.decompress(packed[len(_MAGIC) :], longest)
    except zlib.error as error:
        msg = f"the packed window is damaged: {error}"
        raise ValueError(msg) from error
    if not inflater.eof or inflater.unused_data or len(body) < _HEADER.size:
        msg = "the packed window is damaged: it is cut short, too long, or followed by something else"
        raise ValueError(msg)
    return body


def _text(raw: bytes, count: int) -> tuple[str, tuple[str, ...], tuple[Entity, ...]]:
    try:
        cause, failed, keys = json.loads(raw)
        entities = tuple(Entity.parse(key) for key in keys)
        words = (str(cause), tuple(str(name) for name in failed))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        msg = f"the packed window is damaged: {error}"
        raise ValueError(msg) from error
    if len(entities) != count or len(set(entities)) != count:
        msg = f"the packed window is damaged: it names {len(set(entities))} entities of {count}"
        raise ValueError(msg)
    return *words, entities


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbers:
    """The numbers of a window in today's columns, NaN for those that its schema lacks.

    Attributes:
        host: H of the newest slot.
        older_host: H for each of the older slots.
        rows: F for each entity, of the newest slot.
        older_rows: F for each entity and older slot, slots of one entity together.
    """

    host: "array[float]"
    older_host: "array[float]"
    rows: "array[float]"
    older_rows: "array[float]"

    @classmethod
    def read(cls, schema: Schema, entities: int, raw: bytes) -> Self:
        split = 8 * (schema.host + entities * schema.entity)
        doubles, floats = _read("d", raw[:split]), _read("f", raw[split:])
        more_host, more_rows = CURRENT.host - schema.host, CURRENT.entity - schema.entity
        return cls(
            host=_widen(doubles[: schema.host], schema.host, more_host),
            older_host=_widen(floats[: _OLDER * schema.host], schema.host, more_host),
            rows=_widen(doubles[schema.host :], schema.entity, more_rows),
            older_rows=_widen(floats[_OLDER * schema.host :], schema.entity, more_rows),
        )


def _widen(numbers: "array[float]", width: int, more: int) -> "array[float]":
    """Append ``more`` missing columns to each row of ``width``."""
    if not more:
        return numbers
    missing, wide = array(numbers.typecode, [math.nan] * more), array(numbers.typecode)
    for start in range(0, len(numbers), width):
        wide += numbers[start : start + width]
        wide += missing
    return wide


def _rebuild(at: Instant, cause: str, failed: tuple[str, ...], entities: tuple[Entity, ...], numbers: _Numbers) -> Window:
    width, rows = CURRENT.entity, array("f")
    values = [tuple(numbers.rows[i * width : (i + 1) * width]) for i in range(len(entities))]
    for index, newest in enumerate(values):
        start = _OLDER * index * width
        rows.extend(newest)
        rows.extend(numbers.older_rows[start : start + _OLDER * width])
    return Window(
        at=at,
        entities=entities,
        kinds=array("q", (_KIND_INDEX[entity.kind] for entity in entities)),
        host=array("f", numbers.host) + numbers.older_host,
        rows=rows,
        newest=Sample(
            at=at,
            cause=cause,
            host=tuple(numbers.host),
            entities=tuple(EntityRow(entity=e, values=v) for e, v in zip(entities, values, strict=True)),
            failed_collectors=failed,
        ),
    )


def _little(numbers: "array[float]") -> bytes:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def _read(code: str, raw: bytes) -> "array[float]":
    numbers: array[float] = array(code)
    numbers.frombytes(raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
