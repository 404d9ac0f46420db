from orderd.v1 import host_pb2 as _host_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InstalledModel(_message.Message):
    __slots__ = ("version", "serial", "sha256", "not_after", "key_id", "active")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    version: str
    serial: int
    sha256: str
    not_after: str
    key_id: str
    active: bool
    def __init__(self, version: _Optional[str] = ..., serial: _Optional[int] = ..., sha256: _Optional[str] = ..., not_after: _Optional[str] = ..., key_id: _Optional[str] = ..., active: _Optional[bool] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("active", "installed", "floor")
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    INSTALLED_FIELD_NUMBER: _ClassVar[int]
    FLOOR_FIELD_NUMBER: _ClassVar[int]
    active: _host_pb2.ModelStatus
    installed: _containers.RepeatedCompositeFieldContainer[InstalledModel]
    floor: int
    def __init__(self, active: _Optional[_Union[_host_pb2.ModelStatus, _Mapping]] = ..., installed: _Optional[_Iterable[_Union[InstalledModel, _Mapping]]] = ..., floor: _Optional[int] = ...) -> None: ...

class InstallModelRequest(_message.Message):
    __slots__ = ("file", "data", "validate_only")
    FILE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    file: str
    data: bytes
    validate_only: bool
    def __init__(self, file: _Optional[str] = ..., data: _Optional[bytes] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class InstallModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: InstalledModel
    def __init__(self, model: _Optional[_Union[InstalledModel, _Mapping]] = ...) -> None: ...

class RollBackModelRequest(_message.Message):
    __slots__ = ("why", "request_id", "validate_only")
    WHY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    why: str
    request_id: str
    validate_only: bool
    def __init__(self, why: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class RollBackModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: InstalledModel
    def __init__(self, model: _Optional[_Union[InstalledModel, _Mapping]] = ...) -> None: ...
