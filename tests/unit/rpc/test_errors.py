"""Errors -> status codes and details."""

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from orderd.errors import (
    ConfigError,
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
from orderd.rpc.errors import code_of, field_of, refuse, unexpected


class Context:
    """A call's context that remembers how it was ended."""

    def __init__(self) -> None:
        self.ended = None
        self.details = {}

    async def abort(self, code, text, trailing_metadata):
        """Remember."""
        self.ended = (code, text)
        status = status_pb2.Status.FromString(dict(trailing_metadata)["grpc-status-details-bin"])
        assert (status.code, status.message) == (code.value[0], text)
        for packed in status.details:
            kinds = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
            kind = next(k for k in kinds if packed.Is(k.DESCRIPTOR))
            message = kind()
            packed.Unpack(message)
            self.details[kind.DESCRIPTOR.name] = message


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (ValueError("f: bad"), "INVALID_ARGUMENT", "invalid_field"),
        (LookupError("none"), "NOT_FOUND", "not_found"),
        (StateError("masking", "no"), "FAILED_PRECONDITION", "masking"),
        (StateError("busy", "later"), "RESOURCE_EXHAUSTED", "busy"),
        (RepairRefusedError("unknown_playbook", "no"), "FAILED_PRECONDITION", "unknown_playbook"),
        (ModelRefusedError("no"), "FAILED_PRECONDITION", "model_refused"),
        (TrustError("no"), "FAILED_PRECONDITION", "not_trusted"),
        (NotAllowedError("no"), "PERMISSION_DENIED", "not_allowed"),
        (IdentityError("no"), "UNAUTHENTICATED", "no_identity"),
        (WatchError("slow"), "RESOURCE_EXHAUSTED", "watch"),
        (JournalError("disk"), "UNAVAILABLE", "journal_unavailable"),
        (InferenceError("gone"), "UNAVAILABLE", "no_model"),
        (ExecutorError("gone"), "UNAVAILABLE", "executor_unavailable"),
        (TelemetryError("gone"), "UNAVAILABLE", "trainer_unavailable"),
        (TimeoutError(), "DEADLINE_EXCEEDED", "too_slow"),
        (ConfigError(file="f", key="k", value=1, allowed="2"), "INTERNAL", "internal"),
        (ZeroDivisionError(), "INTERNAL", "internal"),
    ],
)
async def test_each_error_has_one_status_code_and_one_reason(error, code, reason):
    """The mapping of the module docstring holds, and programs find the reason in ErrorInfo."""
    context = Context()
    await refuse(context, error)
    assert code_of(error).name == context.ended[0].name == code
    info = context.details["ErrorInfo"]
    assert (info.reason, info.domain) == (reason, "orderd")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("duration_s = 0: must be positive", "duration_s"),
        ("entity.kind = 'planet': allowed are unit", "entity.kind"),
        ("steps[0].state = 'limbo': allowed", "steps[0].state"),
        ("why: must be 1 to 500 characters", "why"),
        ("something is wrong: really", ""),
        ("at most 3600 s", ""),
    ],
)
async def test_a_bad_field_is_named_in_the_details(text, field):
    """BadRequest names the field that the message begins with, and is left out where there is none."""
    context = Context()
    await refuse(context, ValueError(text))
    assert field_of(text) == field
    violations = context.details["BadRequest"].field_violations if "BadRequest" in context.details else []
    assert [(v.field, v.description) for v in violations] == ([(field, text)] if field else [])


async def test_what_passes_by_itself_says_when_to_try_again():
    """RetryInfo for a journal that cannot be read, none for a bad field."""
    context = Context()
    await refuse(context, JournalError("disk"))
    assert context.details["RetryInfo"].retry_delay.ToSeconds() == 5
    context = Context()
    await refuse(context, ValueError("why: missing"))
    assert "RetryInfo" not in context.details


async def test_an_unexpected_error_is_counted_logged_and_not_shown(caplog):
    """The client learns where to look, not what the traceback says; the log holds it."""
    context, before = Context(), unexpected["count"]
    await refuse(context, ZeroDivisionError("secret"))
    code, details = context.ended
    assert code is grpc.StatusCode.INTERNAL
    assert "secret" not in details
    assert "journalctl" in details
    assert unexpected["count"] == before + 1
    assert "secret" in caplog.text


async def test_the_text_of_a_lookup_error_is_not_its_repr():
    """A KeyError reads like a sentence."""
    context = Context()
    await refuse(context, KeyError("no such thing"))
    assert context.ended == (grpc.StatusCode.NOT_FOUND, "no such thing")


async def test_a_long_message_is_cut():
    """A trailer stays small enough for clients to take it."""
    context = Context()
    await refuse(context, ValueError("x" * 100_000))
    assert len(context.ended[1]) <= 2000
