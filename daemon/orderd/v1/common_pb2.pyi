from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Instant(_message.Message):
    __slots__ = ("mono_ns", "utc_ns")
    MONO_NS_FIELD_NUMBER: _ClassVar[int]
    UTC_NS_FIELD_NUMBER: _ClassVar[int]
    mono_ns: int
    utc_ns: int
    def __init__(self, mono_ns: _Optional[int] = ..., utc_ns: _Optional[int] = ...) -> None: ...

class Entity(_message.Message):
    __slots__ = ("kind", "key")
    KIND_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    kind: str
    key: str
    def __init__(self, kind: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class Diagnosis(_message.Message):
    __slots__ = ("failure", "entity", "probability", "source", "evidence")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    failure: str
    entity: Entity
    probability: float
    source: str
    evidence: str
    def __init__(self, failure: _Optional[str] = ..., entity: _Optional[_Union[Entity, _Mapping]] = ..., probability: _Optional[float] = ..., source: _Optional[str] = ..., evidence: _Optional[str] = ...) -> None: ...
