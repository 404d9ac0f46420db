"""What orderd and orderd-infer say to each other: framed binary messages on a unix stream. Pure; no numpy.

A frame is a header (little endian: body bytes u32, kind u8, status u8, entities u16, request id u64) and a body:

    CLASSIFY  kinds i64[E], host f32[S,H], rows f32[E,S,F]
    SCORES    failure f32[E,C], wrong f32              status OK; otherwise the body is the reason in UTF-8
    INFO      request: empty; reply: ModelInfo as JSON; also sent unasked, with id 0, when the model changes
    LOAD      a folder of installed models as JSON: check it and, unless validate_only, let it decide
    LOADED    what became of it as JSON; a refused model changes nothing

Axes: E entity, S slot, H host signal, F entity signal, C failure class. Every length is implied by E and checked before a body
is believed; E is at most ENTITIES_MAX, so a frame is bounded.
"""

import math
import struct
from array import array
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final, TypeVar

import msgspec

from orderd.domain.faults import FAILURES, KINDS
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S
from orderd.domain.values import ModelInfo, Scores
from orderd.domain.window import Window
from orderd.errors import InferenceError

ENTITIES_MAX: Final = 512
TEXT_BYTES_MAX: Final = 4096
HEADER: Final = struct.Struct("<IBBHQ")

SLOTS: Final = len(SLOT_AGES_S)
HOST_FLOATS: Final = SLOTS * len(HOST_SIGNALS)
ENTITY_FLOATS: Final = SLOTS * len(ENTITY_SIGNALS)
CLASSES: Final = len(FAILURES)
_FLOAT_BYTES: Final = 4
_KIND_BYTES: Final = 8
_SUM_TOLERANCE: Final = 1e-3


class Kind(IntEnum):
    """What a frame carries."""

    CLASSIFY = 1
    SCORES = 2
    INFO = 3
    LOAD = 4
    LOADED = 5


_TEXTS: Final = frozenset({Kind.INFO, Kind.LOAD, Kind.LOADED})


class Status(IntEnum):
    """How a request ended."""

    OK = 0
    NO_MODEL = 1
    BAD_REQUEST = 2
    FAILED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One message.

    Attributes:
        kind: what the body is.
        request_id: chosen by the client and repeated in the reply; 0 when nobody asked.
        entities: E; 0 where the body has no entities.
        status: of a reply; OK in requests.
        body: the payload.
    """

    kind: Kind
    request_id: int
    entities: int = 0
    status: Status = Status.OK
    body: bytes = b""

    def encode(self) -> bytes:
        """Return the bytes that go over the wire."""
        return HEADER.pack(len(self.body), self.kind, self.status, self.entities, self.request_id) + self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The fixed part of a frame, checked.

    Attributes:
        kind: what the body is.
        status: of a reply.
        entities: E.
        request_id: which request.
        body_bytes: length of the body that follows.
    """

    kind: Kind
    status: Status
    entities: int
    request_id: int
    body_bytes: int


def decode_header(raw: bytes) -> Header:
    """Read and bound a header.

    Raises:
        InferenceError: an unknown kind or status, more than ENTITIES_MAX entities, or a body of another length than E implies.
    """
    body_bytes, kind, status, entities, request_id = HEADER.unpack(raw)
    try:
        header = Header(kind=Kind(kind), status=Status(status), entities=entities, request_id=request_id, body_bytes=body_bytes)
    except ValueError as error:
        msg = f"not an inference frame: {error}"
        raise InferenceError(msg) from error
    _check_length(header)
    return header


def _check_length(header: Header) -> None:
    if header.entities > ENTITIES_MAX:
        msg = f"{header.entities} entities in one window; at most {ENTITIES_MAX}"
        raise InferenceError(msg)
    if header.kind in _TEXTS or header.status is not Status.OK:
        if header.body_bytes > TEXT_BYTES_MAX:
            msg = f"a text of {header.body_bytes} bytes; at most {TEXT_BYTES_MAX}"
            raise InferenceError(msg)
        return
    size = classify_bytes if header.kind is Kind.CLASSIFY else scores_bytes
    expected = size(header.entities)
    if header.body_bytes != expected:
        what = f"{header.kind.name} of {header.entities} entities"
        msg = f"{what} has {header.body_bytes} bytes, not {expected}; do the versions match?"
        raise InferenceError(msg)


def classify_bytes(entities: int) -> int:
    """Return the length of a CLASSIFY body."""
    return entities * _KIND_BYTES + (HOST_FLOATS + entities * ENTITY_FLOATS) * _FLOAT_BYTES


def scores_bytes(entities: int) -> int:
    """Return the length of a SCORES body."""
    return (entities * CLASSES + 1) * _FLOAT_BYTES


def classify_frame(window: Window, request_id: int) -> Frame:
    """Return the request to classify a window.

    Raises:
        InferenceError: the window has more than ENTITIES_MAX entities.
    """
    entities = len(window.entities)
    if entities > ENTITIES_MAX:
        msg = f"{entities} entities in one window; at most {ENTITIES_MAX}: watch fewer units, mounts or processes"
        raise InferenceError(msg)
    body = window.kinds.tobytes() + window.host.tobytes() + window.rows.tobytes()
    return Frame(kind=Kind.CLASSIFY, request_id=request_id, entities=entities, body=body)


def check_kinds(kinds: "array[int]") -> None:
    """Refuse kind indices that are no kind.

    Raises:
        InferenceError: an index is outside KINDS.
    """
    if kinds and not (min(kinds) >= 0 and max(kinds) < len(KINDS)):
        msg = f"kind indices {min(kinds)} to {max(kinds)}; allowed are 0 to {len(KINDS) - 1}"
        raise InferenceError(msg)


def refusal_frame(request_id: int, status: Status, why: str) -> Frame:
    """Return a reply that says why there are no scores."""
    return Frame(kind=Kind.SCORES, request_id=request_id, status=status, body=_short(why))


def _short(text: str) -> bytes:
    return text.encode(errors="replace")[:TEXT_BYTES_MAX]


def decode_scores(header: Header, body: bytes) -> Scores:
    """Read probabilities.

    Raises:
        InferenceError: refused, or a row is not a distribution, or ``wrong`` is not a probability.
    """
    if header.status is not Status.OK:
        raise InferenceError(body.decode(errors="replace"))
    values = array("f")
    values.frombytes(body)
    rows = tuple(tuple(values[i * CLASSES : (i + 1) * CLASSES]) for i in range(header.entities))
    scores = Scores(failures=rows, wrong=values[-1])
    _check_scores(scores)
    return scores


def _check_scores(scores: Scores) -> None:
    for row in scores.failures:
        # A NaN anywhere makes the sum NaN, which is no number within the tolerance.
        if not abs(math.fsum(row) - 1.0) <= _SUM_TOLERANCE:
            msg = f"a row of failure probabilities sums to {math.fsum(row)!r}, not 1"
            raise InferenceError(msg)
    if not 0.0 <= scores.wrong <= 1.0:
        msg = f"P(anything wrong) is {scores.wrong!r}"
        raise InferenceError(msg)


class _InfoWire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    loaded: bool
    why: str
    version: str
    sha256: str
    provider: str


def info_frame(info: ModelInfo, request_id: int) -> Frame:
    """Return the reply that says which model is loaded."""
    why = info.why[: TEXT_BYTES_MAX // 8]  # JSON may need six bytes for one character
    wire = _InfoWire(loaded=info.loaded, why=why, version=info.version, sha256=info.sha256, provider=info.provider)
    return Frame(kind=Kind.INFO, request_id=request_id, body=msgspec.json.encode(wire))


def decode_info(body: bytes) -> ModelInfo:
    """Read which model is loaded.

    Raises:
        InferenceError: the body is not what orderd-infer of this version says.
    """
    try:
        wire = msgspec.json.decode(body, type=_InfoWire)
    except msgspec.DecodeError as error:
        msg = f"model info is unreadable ({error}); do the versions match?"
        raise InferenceError(msg) from error
    return ModelInfo(loaded=wire.loaded, why=wire.why, version=wire.version, sha256=wire.sha256, provider=wire.provider)


FolderName = Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._+-]{0,99})?$")]


class Load(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request to load a model.

    Attributes:
        folder: name of a folder in ``inference.installed_dir``; empty: the model that came with orderd.
        validate_only: check everything, let nothing change.
    """

    folder: FolderName
    validate_only: bool = False


class Loaded(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of a request to load.

    Attributes:
        accepted: it decides now, or would with ``validate_only`` off.
        why: it was refused; empty otherwise.
        version: of the model that was asked for; empty, like the rest, when it could not be read.
        serial: of its manifest.
        sha256: of its model.onnx.
        not_after: of its manifest.
        key_id: who signed it.
    """

    accepted: bool
    why: str = ""
    version: str = ""
    serial: int = 0
    sha256: str = ""
    not_after: str = ""
    key_id: str = ""


def load_frame(load: Load, request_id: int) -> Frame:
    """Return the request to load a model."""
    return Frame(kind=Kind.LOAD, request_id=request_id, body=msgspec.json.encode(load))


def loaded_frame(loaded: Loaded, request_id: int) -> Frame:
    """Return what became of a request to load."""
    short = msgspec.structs.replace(loaded, why=loaded.why[: TEXT_BYTES_MAX // 8])
    return Frame(kind=Kind.LOADED, request_id=request_id, body=msgspec.json.encode(short))


def decode_load(body: bytes) -> Load:
    """Read a request to load.

    Raises:
        InferenceError: it is none.
    """
    return _decode(body, Load)


def decode_loaded(body: bytes) -> Loaded:
    """Read what became of a request to load.

    Raises:
        InferenceError: it is none.
    """
    return _decode(body, Loaded)


_Message = TypeVar("_Message", Load, Loaded)


def _decode(body: bytes, kind: type[_Message]) -> _Message:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"not an inference message ({error}); do the versions match?"
        raise InferenceError(msg) from error
