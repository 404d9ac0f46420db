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
    __slots__ = ("entity", "why", "by", "remaining_s", "seen")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    REMAINING_S_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    entity: _common_pb2.Entity
    why: str
    by: str
    remaining_s: float
    seen: bool
    def __init__(self, entity: _Optional[_Union[_common_pb2.Entity, _Mapping]] = ..., why: _Optional[str] = ..., by: _Optional[str] = ..., remaining_s: _Optional[float] = ..., seen: _Optional[bool] = ...) -> None: ...

class PauseStatus(_message.Message):
    __slots__ = ("why", "by", "remaining_s")
    WHY_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    REMAINING_S_FIELD_NUMBER: _ClassVar[int]
    why: str
    by: str
    remaining_s: float
    def __init__(self, why: _Optional[str] = ..., by: _Optional[str] = ..., remaining_s: _Optional[float] = ...) -> None: ...

class DenialStatus(_message.Message):
    __slots__ = ("repair", "entity", "why")
    REPAIR_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    repair: str
    entity: _common_pb2.Entity
    why: str
    def __init__(self, repair: _Optional[str] = ..., entity: _Optional[_Union[_common_pb2.Entity, _Mapping]] = ..., why: _Optional[str] = ...) -> None: ...

class ApprovalStatus(_message.Message):
    __slots__ = ("decision_id", "entity", "failure", "repair", "remaining_s")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    REPAIR_FIELD_NUMBER: _ClassVar[int]
    REMAINING_S_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    entity: _common_pb2.Entity
    failure: str
    repair: str
    remaining_s: float
    def __init__(self, decision_id: _Optional[str] = ..., entity: _Optional[_Union[_common_pb2.Entity, _Mapping]] = ..., failure: _Optional[str] = ..., repair: _Optional[str] = ..., remaining_s: _Optional[float] = ...) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("version", "host_id", "hostname", "mode", "uptime_s", "model", "entities", "signals", "holds", "degraded", "repairs", "samples", "open_incidents", "telemetry_sent", "telemetry_waiting", "pause", "denials", "approvals", "open_tickets", "reasons", "changes", "budget", "identity", "identity_remaining_s")
    class SignalsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class ReasonsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
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
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    DENIALS_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    OPEN_TICKETS_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_REMAINING_S_FIELD_NUMBER: _ClassVar[int]
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
    pause: PauseStatus
    denials: _containers.RepeatedCompositeFieldContainer[DenialStatus]
    approvals: _containers.RepeatedCompositeFieldContainer[ApprovalStatus]
    open_tickets: int
    reasons: _containers.ScalarMap[str, int]
    changes: _containers.RepeatedScalarFieldContainer[str]
    budget: str
    identity: str
    identity_remaining_s: float
    def __init__(self, version: _Optional[str] = ..., host_id: _Optional[str] = ..., hostname: _Optional[str] = ..., mode: _Optional[str] = ..., uptime_s: _Optional[float] = ..., model: _Optional[_Union[ModelStatus, _Mapping]] = ..., entities: _Optional[_Iterable[_Union[EntityStatus, _Mapping]]] = ..., signals: _Optional[_Mapping[str, float]] = ..., holds: _Optional[_Iterable[_Union[HoldStatus, _Mapping]]] = ..., degraded: _Optional[_Iterable[str]] = ..., repairs: _Optional[_Iterable[str]] = ..., samples: _Optional[int] = ..., open_incidents: _Optional[int] = ..., telemetry_sent: _Optional[int] = ..., telemetry_waiting: _Optional[int] = ..., pause: _Optional[_Union[PauseStatus, _Mapping]] = ..., denials: _Optional[_Iterable[_Union[DenialStatus, _Mapping]]] = ..., approvals: _Optional[_Iterable[_Union[ApprovalStatus, _Mapping]]] = ..., open_tickets: _Optional[int] = ..., reasons: _Optional[_Mapping[str, int]] = ..., changes: _Optional[_Iterable[str]] = ..., budget: _Optional[str] = ..., identity: _Optional[str] = ..., identity_remaining_s: _Optional[float] = ...) -> None: ...

class HoldRequest(_message.Message):
    __slots__ = ("entity", "duration_s", "why", "request_id", "validate_only")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    entity: _common_pb2.Entity
    duration_s: float
    why: str
    request_id: str
    validate_only: bool
    def __init__(self, entity: _Optional[_Union[_common_pb2.Entity, _Mapping]] = ..., duration_s: _Optional[float] = ..., why: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class HoldResponse(_message.Message):
    __slots__ = ("hold",)
    HOLD_FIELD_NUMBER: _ClassVar[int]
    hold: HoldStatus
    def __init__(self, hold: _Optional[_Union[HoldStatus, _Mapping]] = ...) -> None: ...

class ReleaseHoldRequest(_message.Message):
    __slots__ = ("entity", "request_id", "validate_only")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    entity: _common_pb2.Entity
    request_id: str
    validate_only: bool
    def __init__(self, entity: _Optional[_Union[_common_pb2.Entity, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ReleaseHoldResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PauseRequest(_message.Message):
    __slots__ = ("why", "duration_s", "request_id", "validate_only")
    WHY_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    why: str
    duration_s: float
    request_id: str
    validate_only: bool
    def __init__(self, why: _Optional[str] = ..., duration_s: _Optional[float] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class PauseResponse(_message.Message):
    __slots__ = ("pause",)
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    pause: PauseStatus
    def __init__(self, pause: _Optional[_Union[PauseStatus, _Mapping]] = ...) -> None: ...

class ResumeRequest(_message.Message):
    __slots__ = ("request_id", "validate_only")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    validate_only: bool
    def __init__(self, request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ResumeResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RunRepairRequest(_message.Message):
    __slots__ = ("repair", "entity", "why", "request_id", "validate_only")
    REPAIR_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    repair: str
    entity: _common_pb2.Entity
    why: str
    request_id: str
    validate_only: bool
    def __init__(self, repair: _Optional[str] = ..., entity: _Optional[_Union[_common_pb2.Entity, _Mapping]] = ..., why: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class RunRepairResponse(_message.Message):
    __slots__ = ("decision_id",)
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    def __init__(self, decision_id: _Optional[str] = ...) -> None: ...

class Ticket(_message.Message):
    __slots__ = ("id", "entity", "failure", "opened_at", "decision_ids", "closed_at", "by", "why")
    ID_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    DECISION_IDS_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    id: str
    entity: _common_pb2.Entity
    failure: str
    opened_at: _common_pb2.Instant
    decision_ids: _containers.RepeatedScalarFieldContainer[str]
    closed_at: _common_pb2.Instant
    by: str
    why: str
    def __init__(self, id: _Optional[str] = ..., entity: _Optional[_Union[_common_pb2.Entity, _Mapping]] = ..., failure: _Optional[str] = ..., opened_at: _Optional[_Union[_common_pb2.Instant, _Mapping]] = ..., decision_ids: _Optional[_Iterable[str]] = ..., closed_at: _Optional[_Union[_common_pb2.Instant, _Mapping]] = ..., by: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class ListTicketsRequest(_message.Message):
    __slots__ = ("closed", "page_size", "page_token")
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    closed: bool
    page_size: int
    page_token: str
    def __init__(self, closed: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTicketsResponse(_message.Message):
    __slots__ = ("tickets", "next_page_token")
    TICKETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tickets: _containers.RepeatedCompositeFieldContainer[Ticket]
    next_page_token: str
    def __init__(self, tickets: _Optional[_Iterable[_Union[Ticket, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CloseTicketRequest(_message.Message):
    __slots__ = ("id", "why", "request_id", "validate_only")
    ID_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    id: str
    why: str
    request_id: str
    validate_only: bool
    def __init__(self, id: _Optional[str] = ..., why: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class CloseTicketResponse(_message.Message):
    __slots__ = ("ticket",)
    TICKET_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("failure", "repair", "authority", "right", "wrong", "why", "mode")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    REPAIR_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    WRONG_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    failure: str
    repair: str
    authority: str
    right: int
    wrong: int
    why: str
    mode: str
    def __init__(self, failure: _Optional[str] = ..., repair: _Optional[str] = ..., authority: _Optional[str] = ..., right: _Optional[int] = ..., wrong: _Optional[int] = ..., why: _Optional[str] = ..., mode: _Optional[str] = ...) -> None: ...

class GetScorecardRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetScorecardResponse(_message.Message):
    __slots__ = ("scores",)
    SCORES_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedCompositeFieldContainer[Score]
    def __init__(self, scores: _Optional[_Iterable[_Union[Score, _Mapping]]] = ...) -> None: ...

class SetAuthorityRequest(_message.Message):
    __slots__ = ("failure", "repair", "authority", "why", "request_id", "validate_only")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    REPAIR_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    failure: str
    repair: str
    authority: str
    why: str
    request_id: str
    validate_only: bool
    def __init__(self, failure: _Optional[str] = ..., repair: _Optional[str] = ..., authority: _Optional[str] = ..., why: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class SetAuthorityResponse(_message.Message):
    __slots__ = ("score",)
    SCORE_FIELD_NUMBER: _ClassVar[int]
    score: Score
    def __init__(self, score: _Optional[_Union[Score, _Mapping]] = ...) -> None: ...

class LiftDenialRequest(_message.Message):
    __slots__ = ("repair", "entity", "why", "request_id", "validate_only")
    REPAIR_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    repair: str
    entity: _common_pb2.Entity
    why: str
    request_id: str
    validate_only: bool
    def __init__(self, repair: _Optional[str] = ..., entity: _Optional[_Union[_common_pb2.Entity, _Mapping]] = ..., why: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class LiftDenialResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
