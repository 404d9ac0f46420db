"""Errors -> gRPC status codes and google.rpc details, all of them here. Logs and counts what nobody expected.

    ValueError           INVALID_ARGUMENT     invalid_field          a field is not what it may be; BadRequest names it
    LookupError          NOT_FOUND            not_found              no such decision, entity, hold, ticket or repair
    StateError           FAILED_PRECONDITION  its own reason         does not fit the state things are in; a guard's reason code
    StateError busy      RESOURCE_EXHAUSTED   busy                   as many are being computed as may be; RetryInfo
    RepairRefusedError   FAILED_PRECONDITION  its own code           the executor refused
    ModelRefusedError    FAILED_PRECONDITION  model_refused          a model did not pass its checks
    TrustError           FAILED_PRECONDITION  not_trusted            a signature, key or version floor
    NotAllowedError      PERMISSION_DENIED    not_allowed            the caller's role does not allow it
    IdentityError        UNAUTHENTICATED      no_identity            no certificate, or one that cannot be used
    WatchError           RESOURCE_EXHAUSTED   watch                  too many watchers, or one too slow; RetryInfo
    JournalError         UNAVAILABLE          journal_unavailable    the journal cannot be read or written; RetryInfo
    InferenceError       UNAVAILABLE          no_model               orderd-infer does not answer; RetryInfo
    ExecutorError        UNAVAILABLE          executor_unavailable   orderd-exec does not answer; RetryInfo
    TelemetryError       UNAVAILABLE          trainer_unavailable    the trainer does not answer; RetryInfo
    TimeoutError         DEADLINE_EXCEEDED    too_slow               not done within the time a call may take
    anything else        INTERNAL             internal               a mistake of orderd; its log holds the traceback

Every refusal carries google.rpc.ErrorInfo (domain ``orderd``, the reason of the third column) in ``grpc-status-details-bin``.

References:
    etcd api/v3rpc/rpctypes/error.go, for mapping errors in one file. google.aip.dev/193 for the details.
"""

import logging
import re
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from orderd.errors import (
    ExecutorError,
    IdentityError,
    InferenceError,
    JournalError,
    ModelRefusedError,
    NotAllowedError,
    RepairRefusedError,
    StateError,
    TelemetryError,
    TrustError,
    WatchError,
)

_log = logging.getLogger(__name__)

DOMAIN: Final = "orderd"
_FIELD: Final = re.compile(r"(?P<field>[a-z][a-z0-9_]*(?:\[[^\]\s]{1,80}\])?(?:\.[a-z][a-z0-9_]*)*)(?: = |: )")
_TEXT_MAX: Final = 2000
"""Characters of a message; a trailer larger than a few KiB is thrown away by clients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """How a call is refused.

    Attributes:
        code: of gRPC.
        reason: stable code, for programs.
        text: for people.
        retry_s: seconds after which another try may help; 0 when it will not help by itself.
    """

    code: grpc.StatusCode
    reason: str
    text: str
    retry_s: float = 0.0


_KINDS: Final[tuple[tuple[type[Exception], grpc.StatusCode, str, float], ...]] = (
    (JournalError, grpc.StatusCode.UNAVAILABLE, "journal_unavailable", 5.0),
    (WatchError, grpc.StatusCode.RESOURCE_EXHAUSTED, "watch", 1.0),
    (NotAllowedError, grpc.StatusCode.PERMISSION_DENIED, "not_allowed", 0.0),
    (IdentityError, grpc.StatusCode.UNAUTHENTICATED, "no_identity", 0.0),
    (ModelRefusedError, grpc.StatusCode.FAILED_PRECONDITION, "model_refused", 0.0),
    (TrustError, grpc.StatusCode.FAILED_PRECONDITION, "not_trusted", 0.0),
    (InferenceError, grpc.StatusCode.UNAVAILABLE, "no_model", 5.0),
    (ExecutorError, grpc.StatusCode.UNAVAILABLE, "executor_unavailable", 5.0),
    (TelemetryError, grpc.StatusCode.UNAVAILABLE, "trainer_unavailable", 5.0),
    (TimeoutError, grpc.StatusCode.DEADLINE_EXCEEDED, "too_slow", 0.0),
    (ValueError, grpc.StatusCode.INVALID_ARGUMENT, "invalid_field", 0.0),
    (LookupError, grpc.StatusCode.NOT_FOUND, "not_found", 0.0),
)

unexpected: Final = {"count": 0}
"""Calls that ended in INTERNAL since the start."""


def _text(error: Exception) -> str:
    # str() of a KeyError is the repr of its argument.
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return text[:_TEXT_MAX]


def refusal_of(error: Exception) -> Refusal:
    """Return how an error is told to the caller; what is not expected is not shown."""
    if isinstance(error, StateError):
        busy = error.reason == "busy"
        code = grpc.StatusCode.RESOURCE_EXHAUSTED if busy else grpc.StatusCode.FAILED_PRECONDITION
        return Refusal(code=code, reason=error.reason, text=_text(error), retry_s=1.0 if busy else 0.0)
    if isinstance(error, RepairRefusedError):
        return Refusal(code=grpc.StatusCode.FAILED_PRECONDITION, reason=error.code, text=_text(error))
    for kind, code, reason, retry_s in _KINDS:
        if isinstance(error, kind):
            return Refusal(code=code, reason=reason, text=_text(error) or reason, retry_s=retry_s)
    text = f"orderd failed on this call ({type(error).__name__}): see journalctl -u orderd"
    return Refusal(code=grpc.StatusCode.INTERNAL, reason="internal", text=text)


def code_of(error: Exception) -> grpc.StatusCode:
    """Return the status code of an error."""
    return refusal_of(error).code


def field_of(text: str) -> str:
    """Return the field that a message about a bad request begins with, empty when it names none."""
    found = _FIELD.match(text)
    return found["field"] if found else ""


def _details(refusal: Refusal) -> list[AnyMessage]:
    messages: list[Any] = [error_details_pb2.ErrorInfo(reason=refusal.reason, domain=DOMAIN)]
    field = field_of(refusal.text) if refusal.code is grpc.StatusCode.INVALID_ARGUMENT else ""
    if field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=refusal.text)
        messages.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if refusal.retry_s:
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromMilliseconds(int(refusal.retry_s * 1000))
        messages.append(info)
    packed: list[AnyMessage] = []
    for message in messages:
        wrapped = AnyMessage()
        wrapped.Pack(message)
        packed.append(wrapped)
    return packed


async def refuse(context: "grpc.aio.ServicerContext[Any, Any]", error: Exception) -> None:
    """End a call with the status code and the details of an error.

    Args:
        context: of the call.
        error: what went wrong.

    Raises:
        BaseException: always; it is how gRPC leaves a handler.
    """
    refusal = refusal_of(error)
    if refusal.code is grpc.StatusCode.INTERNAL:
        unexpected["count"] += 1
        _log.error("a call failed unexpectedly", exc_info=error)
    # A number in gRPC and a member of an enumeration in Python, which holds both.
    code: int = refusal.code.value[0]
    status = rpc_status.to_status(status_pb2.Status(code=code, message=refusal.text, details=_details(refusal)))
    await context.abort(refusal.code, refusal.text, status.trailing_metadata)
