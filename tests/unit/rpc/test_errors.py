"""Errors -> status codes."""

import grpc
import pytest

from orderd.errors import ConfigError, JournalError, WatchError
from orderd.rpc.errors import answered, code_of, unexpected


class Context:
    """A call's context that remembers how it was ended."""

    def __init__(self) -> None:
        self.ended = None

    async def abort(self, code, details):
        """Remember."""
        self.ended = (code, details)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("f: bad"), grpc.StatusCode.INVALID_ARGUMENT),
        (LookupError("none"), grpc.StatusCode.NOT_FOUND),
        (JournalError("disk"), grpc.StatusCode.UNAVAILABLE),
        (WatchError("slow"), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (ConfigError(file="f", key="k", value=1, allowed="2"), grpc.StatusCode.INTERNAL),
        (ZeroDivisionError(), grpc.StatusCode.INTERNAL),
    ],
)
def test_each_error_has_one_status_code(error, code):
    """The mapping of the module docstring holds."""
    assert code_of(error) is code


async def test_an_unexpected_error_is_counted_logged_and_not_shown(caplog):
    """The client learns where to look, not what the traceback says; the log holds it."""
    context, before = Context(), unexpected["count"]
    async with answered(context):
        raise ZeroDivisionError("secret")
    code, details = context.ended
    assert code is grpc.StatusCode.INTERNAL
    assert "secret" not in details
    assert "journalctl" in details
    assert unexpected["count"] == before + 1
    assert "secret" in caplog.text


async def test_the_text_of_a_lookup_error_is_not_its_repr():
    """A KeyError reads like a sentence."""
    context = Context()
    async with answered(context):
        raise KeyError("no such thing")
    assert context.ended == (grpc.StatusCode.NOT_FOUND, "no such thing")
