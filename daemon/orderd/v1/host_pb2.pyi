from orderd.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ModelStatus(_message.Message):
    __slots__ = ("loaded", "why", "version", "sha256", "provider")
    LOADED_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    loaded: bool
    why: str
    version: str
    sha256: str
    provider: str
    def __init__(self, loaded: _Optional[bool] = ..., why: _Optional[str] = ..., version: _Optional[str] = ..., sha256: _Optional[str] = ..., provider: _Optional[str] = ...) -> None: ...

class EntityStatus(_message.Message):
    __slots__ = ("entity", "failure", "signals")
    class SignalsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    entity: _common_pb2.Entity
    failure: str
    signals: _containers.ScalarMap[str, float]
    def __init__(self, entity: _Optional[_Union[_common_pb2.Entity, _Mapping]] = ..., failure: _Optional[str] = ..., signals: _Optional[_Mapping[str, float]] = ...) -> None: ...

class HoldStatus(_message.Message):
    __slots__ = ("entity", "why", "by", "remaining_s")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    REMAINING_S_FIELD_NUMBER: _ClassVar[int]
    entity: _common_pb2.Entity
    why: str
    by: str
    remaining_s: float
    def __init__(self, entity: _Optional[_Union[_common_pb2.Entity, _Mapping]] = ..., why: _Optional[str] = ..., by: _Optional[str] = ..., remaining_s: _Optional[float] = ...) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("version", "host_id", "hostname", "mode", "uptime_s", "model", "entities", "signals", "holds", "degraded", "repairs", "samples", "open_incidents", "telemetry_sent", "telemetry_waiting")
    class SignalsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HOST_ID_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    UPTIME_S_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    REPAIRS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    OPEN_INCIDENTS_FIELD_NUMBER: _ClassVar[int]
    TELEMETRY_SENT_FIELD_NUMBER: _ClassVar[int]
    TELEMETRY_WAITING_FIELD_NUMBER: _ClassVar[int]
    version: str
    host_id: str
    hostname: str
    mode: str
    uptime_s: float
    model: ModelStatus
    entities: _containers.RepeatedCompositeFieldContainer[EntityStatus]
    signals: _containers.ScalarMap[str, float]
    holds: _containers.RepeatedCompositeFieldContainer[HoldStatus]
    degraded: _containers.RepeatedScalarFieldContainer[str]
    repairs: _containers.RepeatedScalarFieldContainer[str]
    samples: int
    open_incidents: int
    telemetry_sent: int
    telemetry_waiting: int
    def __init__(self, version: _Optional[str] = ..., host_id: _Optional[str] = ..., hostname: _Optional[str] = ..., mode: _Optional[str] = ..., uptime_s: _Optional[float] = ..., model: _Optional[_Union[ModelStatus, _Mapping]] = ..., entities: _Optional[_Iterable[_Union[EntityStatus, _Mapping]]] = ..., signals: _Optional[_Mapping[str, float]] = ..., holds: _Optional[_Iterable[_Union[HoldStatus, _Mapping]]] = ..., degraded: _Optional[_Iterable[str]] = ..., repairs: _Optional[_Iterable[str]] = ..., samples: _Optional[int] = ..., open_incidents: _Optional[int] = ..., telemetry_sent: _Optional[int] = ..., telemetry_waiting: _Optional[int] = ...) -> None: ...

class HoldRequest(_message.Message):
    __slots__ = ("entity", "duration_s", "why")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    entity: _common_pb2.Entity
    duration_s: float
    why: str
    def __init__(self, entity: _Optional[_Union[_common_pb2.Entity, _Mapping]] = ..., duration_s: _Optional[float] = ..., why: _Optional[str] = ...) -> None: ...

class HoldResponse(_message.Message):
    __slots__ = ("hold",)
    HOLD_FIELD_NUMBER: _ClassVar[int]
    hold: HoldStatus
    def __init__(self, hold: _Optional[_Union[HoldStatus, _Mapping]] = ...) -> None: ...

class ReleaseHoldRequest(_message.Message):
    __slots__ = ("entity",)
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    entity: _common_pb2.Entity
    def __init__(self, entity: _Optional[_Union[_common_pb2.Entity, _Mapping]] = ...) -> None: ...

class ReleaseHoldResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
