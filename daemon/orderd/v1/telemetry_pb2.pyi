from orderd.v1 import decision_pb2 as _decision_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SampleBatch(_message.Message):
    __slots__ = ("schema_digest", "mono_ns", "utc_ns", "cause", "host", "entity_count", "entity_index", "entities", "rows")
    SCHEMA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MONO_NS_FIELD_NUMBER: _ClassVar[int]
    UTC_NS_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    ENTITY_COUNT_FIELD_NUMBER: _ClassVar[int]
    ENTITY_INDEX_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    schema_digest: str
    mono_ns: _containers.RepeatedScalarFieldContainer[int]
    utc_ns: _containers.RepeatedScalarFieldContainer[int]
    cause: _containers.RepeatedScalarFieldContainer[str]
    host: bytes
    entity_count: _containers.RepeatedScalarFieldContainer[int]
    entity_index: _containers.RepeatedScalarFieldContainer[int]
    entities: _containers.RepeatedScalarFieldContainer[str]
    rows: bytes
    def __init__(self, schema_digest: _Optional[str] = ..., mono_ns: _Optional[_Iterable[int]] = ..., utc_ns: _Optional[_Iterable[int]] = ..., cause: _Optional[_Iterable[str]] = ..., host: _Optional[bytes] = ..., entity_count: _Optional[_Iterable[int]] = ..., entity_index: _Optional[_Iterable[int]] = ..., entities: _Optional[_Iterable[str]] = ..., rows: _Optional[bytes] = ...) -> None: ...

class PushRequest(_message.Message):
    __slots__ = ("host_id", "boot_id", "sequence", "samples", "decisions")
    HOST_ID_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    host_id: str
    boot_id: str
    sequence: int
    samples: SampleBatch
    decisions: _containers.RepeatedCompositeFieldContainer[_decision_pb2.Decision]
    def __init__(self, host_id: _Optional[str] = ..., boot_id: _Optional[str] = ..., sequence: _Optional[int] = ..., samples: _Optional[_Union[SampleBatch, _Mapping]] = ..., decisions: _Optional[_Iterable[_Union[_decision_pb2.Decision, _Mapping]]] = ...) -> None: ...

class PushResponse(_message.Message):
    __slots__ = ("sequence",)
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    def __init__(self, sequence: _Optional[int] = ...) -> None: ...
