"""A window as bytes, for the journal: compact, versioned, exact. Pure.

    ``OW1`` zlib( digest 32 | mono_ns i64 | utc_ns i64 | entities u16 | text bytes u32 | text | floats )

``text`` is JSON: cause, failed collectors, entities. The newest slot is kept in double precision, because preconditions are
judged on it; the older ones are f32, as the window holds them. All numbers are little-endian. Bytes from a disk may be damaged:
everything is bounded before it is believed.
"""

import json
import struct
import sys
import zlib
from array import array
from typing import Final

from orderd.domain.clock import Instant
from orderd.domain.faults import KINDS, Entity
from orderd.domain.schema import schema_digest
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S
from orderd.domain.values import EntityRow, Sample
from orderd.domain.window import Window

ENTITIES_MAX: Final = 512
_MAGIC: Final = b"OW1"
_HEADER: Final = struct.Struct("<32sqqHI")
_TEXT_BYTES_MAX: Final = ENTITIES_MAX * 320 + 4096
_HOST, _ENTITY, _OLDER = len(HOST_SIGNALS), len(ENTITY_SIGNALS), len(SLOT_AGES_S) - 1
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
    doubles, floats = array("d", newest.host), window.host[_HOST:]
    for index, row in enumerate(newest.entities):
        doubles.extend(row.values)
        start = index * (_OLDER + 1) * _ENTITY
        floats.extend(window.rows[start + _ENTITY : start + (_OLDER + 1) * _ENTITY])
    digest = bytes.fromhex(schema_digest())
    header = _HEADER.pack(digest, window.at.mono_ns, window.at.utc_ns, len(window.entities), len(text))
    return _MAGIC + zlib.compress(header + text + _little(doubles) + _little(floats))


def unpack(packed: bytes) -> Window:
    """Read a window that ``pack`` wrote.

    Raises:
        ValueError: it is damaged, of another version, or of another list of signals; the message says which.
    """
    body = _inflate(packed)
    digest, mono_ns, utc_ns, entities, text_bytes = _HEADER.unpack_from(body)
    if digest != bytes.fromhex(schema_digest()):
        msg = "the packed window has other signals than this orderd: it was recorded by another version"
        raise ValueError(msg)
    host_end, row_end = _HOST * (8 + 4 * _OLDER), entities * _ENTITY * (8 + 4 * _OLDER)
    if entities > ENTITIES_MAX or text_bytes > _TEXT_BYTES_MAX or len(body) != _HEADER.size + text_bytes + host_end + row_end:
        msg = f"the packed window is damaged: {len(body)} bytes do not fit {entities} entities"
        raise ValueError(msg)
    cause, failed, keys = _text(body[_HEADER.size : _HEADER.size + text_bytes], entities)
    at = Instant(mono_ns=mono_ns, utc_ns=utc_ns)
    return _rebuild(at, cause, failed, keys, body[_HEADER.size + text_bytes :])


def _inflate(packed: bytes) -> bytes:
    if not packed.startswith(_MAGIC):
        msg = f"not a packed window of this version: it begins with {packed[:3]!r}, not {_MAGIC!r}"
        raise ValueError(msg)
    longest = _HEADER.size + _TEXT_BYTES_MAX + (_HOST + ENTITIES_MAX * _ENTITY) * (8 + 4 * _OLDER)
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


def _rebuild(at: Instant, cause: str, failed: tuple[str, ...], entities: tuple[Entity, ...], numbers: bytes) -> Window:
    split = 8 * (_HOST + len(entities) * _ENTITY)
    doubles, floats = _read("d", numbers[:split]), _read("f", numbers[split:])
    host, rows = array("f", doubles[:_HOST]) + floats[: _OLDER * _HOST], array("f")
    values = [tuple(doubles[_HOST + i * _ENTITY : _HOST + (i + 1) * _ENTITY]) for i in range(len(entities))]
    for index, newest in enumerate(values):
        start = _OLDER * (_HOST + index * _ENTITY)
        rows.extend(newest)
        rows.extend(floats[start : start + _OLDER * _ENTITY])
    return Window(
        at=at,
        entities=entities,
        kinds=array("q", (_KIND_INDEX[entity.kind] for entity in entities)),
        host=host,
        rows=rows,
        newest=Sample(
            at=at,
            cause=cause,
            host=tuple(doubles[:_HOST]),
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
