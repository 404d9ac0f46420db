"""Errors -> gRPC status codes, all of them here. Logs and counts what nobody expected.

    ValueError      INVALID_ARGUMENT     a field is not what it may be; the message names it
    LookupError     NOT_FOUND            no such decision, entity or hold
    WatchError      RESOURCE_EXHAUSTED   too many watchers, or one too slow
    JournalError    UNAVAILABLE          the journal cannot be read; worth another try
    anything else   INTERNAL             a mistake of orderd; the journal of the unit holds the traceback

References:
    etcd api/v3rpc/rpctypes/error.go, for mapping errors in one file.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc

from orderd.errors import JournalError, WatchError

_log = logging.getLogger(__name__)

_CODES: Final[tuple[tuple[type[Exception], grpc.StatusCode], ...]] = (
    (JournalError, grpc.StatusCode.UNAVAILABLE),
    (WatchError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (ValueError, grpc.StatusCode.INVALID_ARGUMENT),
    (LookupError, grpc.StatusCode.NOT_FOUND),
)

unexpected: Final = {"count": 0}
"""Calls that ended in INTERNAL since the start."""


def code_of(error: Exception) -> grpc.StatusCode:
    """Return the status code of an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), grpc.StatusCode.INTERNAL)


def _text(error: Exception) -> str:
    # str() of a KeyError is the repr of its argument.
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)


@asynccontextmanager
async def answered(context: "grpc.aio.ServicerContext[Any, Any]") -> AsyncGenerator[None]:
    """End the call with the status code of whatever goes wrong inside; one of the three supervision points.

    Args:
        context: of the call.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a servicer must answer every call
        code = code_of(error)
        text = _text(error)
        if code is grpc.StatusCode.INTERNAL:
            unexpected["count"] += 1
            _log.exception("a call failed unexpectedly")
            text = f"orderd failed on this call ({type(error).__name__}): see journalctl -u orderd"
        await context.abort(code, text)
