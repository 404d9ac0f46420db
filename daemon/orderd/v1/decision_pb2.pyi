from orderd.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Candidate(_message.Message):
    __slots__ = ("repair", "rung", "refused_because", "reason", "detail")
    REPAIR_FIELD_NUMBER: _ClassVar[int]
    RUNG_FIELD_NUMBER: _ClassVar[int]
    REFUSED_BECAUSE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    repair: str
    rung: int
    refused_because: str
    reason: str
    detail: str
    def __init__(self, repair: _Optional[str] = ..., rung: _Optional[int] = ..., refused_because: _Optional[str] = ..., reason: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("at", "state", "what", "detail", "outcome", "seconds")
    AT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    at: _common_pb2.Instant
    state: str
    what: str
    detail: str
    outcome: str
    seconds: float
    def __init__(self, at: _Optional[_Union[_common_pb2.Instant, _Mapping]] = ..., state: _Optional[str] = ..., what: _Optional[str] = ..., detail: _Optional[str] = ..., outcome: _Optional[str] = ..., seconds: _Optional[float] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("id", "incident_id", "decided_at", "detected_at", "diagnosis", "other_diagnosis", "action", "repair", "reason", "detail", "candidates", "model_version", "provider", "state", "steps", "approval_remaining_s", "ratings", "bundle")
    ID_FIELD_NUMBER: _ClassVar[int]
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    DETECTED_AT_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSIS_FIELD_NUMBER: _ClassVar[int]
    OTHER_DIAGNOSIS_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    REPAIR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_REMAINING_S_FIELD_NUMBER: _ClassVar[int]
    RATINGS_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    id: str
    incident_id: str
    decided_at: _common_pb2.Instant
    detected_at: _common_pb2.Instant
    diagnosis: _common_pb2.Diagnosis
    other_diagnosis: _common_pb2.Diagnosis
    action: str
    repair: str
    reason: str
    detail: str
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    model_version: str
    provider: str
    state: str
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    approval_remaining_s: float
    ratings: _containers.RepeatedCompositeFieldContainer[Rating]
    bundle: str
    def __init__(self, id: _Optional[str] = ..., incident_id: _Optional[str] = ..., decided_at: _Optional[_Union[_common_pb2.Instant, _Mapping]] = ..., detected_at: _Optional[_Union[_common_pb2.Instant, _Mapping]] = ..., diagnosis: _Optional[_Union[_common_pb2.Diagnosis, _Mapping]] = ..., other_diagnosis: _Optional[_Union[_common_pb2.Diagnosis, _Mapping]] = ..., action: _Optional[str] = ..., repair: _Optional[str] = ..., reason: _Optional[str] = ..., detail: _Optional[str] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., model_version: _Optional[str] = ..., provider: _Optional[str] = ..., state: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., approval_remaining_s: _Optional[float] = ..., ratings: _Optional[_Iterable[_Union[Rating, _Mapping]]] = ..., bundle: _Optional[str] = ...) -> None: ...

class Rating(_message.Message):
    __slots__ = ("good", "note", "by", "at")
    GOOD_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    good: bool
    note: str
    by: str
    at: _common_pb2.Instant
    def __init__(self, good: _Optional[bool] = ..., note: _Optional[str] = ..., by: _Optional[str] = ..., at: _Optional[_Union[_common_pb2.Instant, _Mapping]] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("window", "failures", "wrong", "facts")
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    WRONG_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    window: bytes
    failures: bytes
    wrong: float
    facts: bytes
    def __init__(self, window: _Optional[bytes] = ..., failures: _Optional[bytes] = ..., wrong: _Optional[float] = ..., facts: _Optional[bytes] = ...) -> None: ...

class ListDecisionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "failure", "action", "entity", "state", "reason", "since_utc_ns", "until_utc_ns")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SINCE_UTC_NS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_UTC_NS_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    failure: str
    action: str
    entity: _common_pb2.Entity
    state: str
    reason: str
    since_utc_ns: int
    until_utc_ns: int
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., failure: _Optional[str] = ..., action: _Optional[str] = ..., entity: _Optional[_Union[_common_pb2.Entity, _Mapping]] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., since_utc_ns: _Optional[int] = ..., until_utc_ns: _Optional[int] = ...) -> None: ...

class ListDecisionsResponse(_message.Message):
    __slots__ = ("decisions", "next_page_token")
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[Decision]
    next_page_token: str
    def __init__(self, decisions: _Optional[_Iterable[_Union[Decision, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetDecisionRequest(_message.Message):
    __slots__ = ("id", "evidence")
    ID_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    id: str
    evidence: bool
    def __init__(self, id: _Optional[str] = ..., evidence: _Optional[bool] = ...) -> None: ...

class GetDecisionResponse(_message.Message):
    __slots__ = ("decision", "evidence")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    evidence: Evidence
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ...) -> None: ...

class WatchDecisionsRequest(_message.Message):
    __slots__ = ("failure", "resume_after")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    RESUME_AFTER_FIELD_NUMBER: _ClassVar[int]
    failure: str
    resume_after: str
    def __init__(self, failure: _Optional[str] = ..., resume_after: _Optional[str] = ...) -> None: ...

class WatchDecisionsResponse(_message.Message):
    __slots__ = ("decision", "resume_token")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    resume_token: str
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class ExplainDecisionRequest(_message.Message):
    __slots__ = ("id", "signals_max")
    ID_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_MAX_FIELD_NUMBER: _ClassVar[int]
    id: str
    signals_max: int
    def __init__(self, id: _Optional[str] = ..., signals_max: _Optional[int] = ...) -> None: ...

class SignalWeight(_message.Message):
    __slots__ = ("entity", "signal", "value", "probability_without")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_WITHOUT_FIELD_NUMBER: _ClassVar[int]
    entity: _common_pb2.Entity
    signal: str
    value: float
    probability_without: float
    def __init__(self, entity: _Optional[_Union[_common_pb2.Entity, _Mapping]] = ..., signal: _Optional[str] = ..., value: _Optional[float] = ..., probability_without: _Optional[float] = ...) -> None: ...

class ExplainDecisionResponse(_message.Message):
    __slots__ = ("decision", "sentences", "signals", "probability", "model_version")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    sentences: _containers.RepeatedScalarFieldContainer[str]
    signals: _containers.RepeatedCompositeFieldContainer[SignalWeight]
    probability: float
    model_version: str
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ..., sentences: _Optional[_Iterable[str]] = ..., signals: _Optional[_Iterable[_Union[SignalWeight, _Mapping]]] = ..., probability: _Optional[float] = ..., model_version: _Optional[str] = ...) -> None: ...

class ReplayDecisionRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class Difference(_message.Message):
    __slots__ = ("field", "recorded", "replayed")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    field: str
    recorded: str
    replayed: str
    def __init__(self, field: _Optional[str] = ..., recorded: _Optional[str] = ..., replayed: _Optional[str] = ...) -> None: ...

class ReplayDecisionResponse(_message.Message):
    __slots__ = ("recorded", "replayed", "differences", "model_version")
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    recorded: Decision
    replayed: Decision
    differences: _containers.RepeatedCompositeFieldContainer[Difference]
    model_version: str
    def __init__(self, recorded: _Optional[_Union[Decision, _Mapping]] = ..., replayed: _Optional[_Union[Decision, _Mapping]] = ..., differences: _Optional[_Iterable[_Union[Difference, _Mapping]]] = ..., model_version: _Optional[str] = ...) -> None: ...

class ApproveDecisionRequest(_message.Message):
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

class ApproveDecisionResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ...) -> None: ...

class RejectDecisionRequest(_message.Message):
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

class RejectDecisionResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ...) -> None: ...

class RateDecisionRequest(_message.Message):
    __slots__ = ("id", "good", "note", "request_id", "validate_only")
    ID_FIELD_NUMBER: _ClassVar[int]
    GOOD_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    id: str
    good: bool
    note: str
    request_id: str
    validate_only: bool
    def __init__(self, id: _Optional[str] = ..., good: _Optional[bool] = ..., note: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class RateDecisionResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ...) -> None: ...
