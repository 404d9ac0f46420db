"""Request ids: an order that is sent twice is done once. Keeps what was answered in the journal's file.

Before anything is done, the request is kept as begun; when it is done, its answer is kept. Whoever repeats it gets that answer,
also from an orderd that was restarted in between. Was orderd killed between the two, nobody can say whether it was done: a
repetition is then refused rather than done perhaps a second time.

References:
    google.aip.dev/155
"""

import hashlib
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import msgspec
from google.protobuf.message import Message

from orderd.domain.standing import Standing
from orderd.errors import JournalError, StateError
from orderd.rpc import checks
from orderd.rpc.handlers import Answer, Call

_log = logging.getLogger(__name__)

T = TypeVar("T")

REQUESTS_MAX: Final = 1000
"""Requests that are remembered; the oldest gives way. A person sends a few an hour."""
_ANSWER_BYTES_MAX: Final = 32 << 10
"""A larger answer is not kept: a repetition is told that it was done, not what was answered."""


class KeptPart(Protocol):
    """See orderd.record.KeptState."""

    def put(self, kind: Standing, key: str, value: object) -> None:
        """Keep a value durably."""
        ...

    def drop(self, kind: Standing, key: str) -> bool:
        """Forget a value durably."""
        ...

    def load(self, kind: Standing, of: type[T]) -> dict[str, T]:
        """Return every value of a kind by key, oldest first."""
        ...


class Remembered(msgspec.Struct, frozen=True):
    """What is remembered of a request.

    Attributes:
        digest: of its content.
        done: whether it was done; False from a run that ended in the middle.
        answer: what was answered; None when it was too large to keep.
    """

    digest: str
    done: bool = False
    answer: bytes | None = None


class Requests:
    """Answers repeated requests as the first one was."""

    def __init__(self, kept: KeptPart | None, requests_max: int = REQUESTS_MAX) -> None:
        """Remember what an earlier run has done.

        Args:
            kept: where requests outlive a restart; None keeps them in memory only.
            requests_max: how many are remembered.

        Raises:
            JournalError: what is kept cannot be read.
        """
        self._kept = kept
        self._requests_max = requests_max
        self._known = {} if kept is None else kept.load(Standing.REQUEST, Remembered)

    def once(self, call: Call, request: Any, act: Callable[[], Message]) -> Answer:
        """Do what a request asks for, unless it was done before.

        Args:
            call: method and caller; others may use the same ids.
            request: has the fields ``request_id`` and ``validate_only``.
            act: does it, or checks it; must not wait for anything.

        Returns:
            The answer, the first one's where it was done before.

        Raises:
            ValueError: ``request_id`` is not one, or was used for something else.
            StateError: orderd ended in the middle of it (``outcome_unknown``).
            JournalError: it could not be remembered, so it was not done.
        """
        request_id = checks.request_id(request.request_id)
        if not request_id or request.validate_only:
            return act()
        key = _digest(call.caller.key.encode(), call.method.encode(), request_id.encode())
        digest = _digest(request.SerializeToString(deterministic=True))
        known = self._known.get(key)
        if known is not None:
            return _repeat(known, digest, request_id)
        self._keep(key, Remembered(digest))
        try:
            answer = act()
        except BaseException:
            self._forget(key)
            raise
        self._settle(key, digest, answer.SerializeToString())
        return answer

    def _settle(self, key: str, digest: str, answer: bytes) -> None:
        small = answer if len(answer) <= _ANSWER_BYTES_MAX else None
        try:
            self._keep(key, Remembered(digest, done=True, answer=small))
        except JournalError as error:
            # It is done and was recorded as such by who did it; only a repetition after a restart will not get this answer.
            self._known[key] = Remembered(digest, done=True, answer=small)
            _log.warning("the answer to a request is remembered until orderd ends only: %s", error)

    def _keep(self, key: str, value: Remembered) -> None:
        if self._kept is not None:
            self._kept.put(Standing.REQUEST, key, value)
        self._known[key] = value
        while len(self._known) > self._requests_max:
            self._forget(next(iter(self._known)))

    def _forget(self, key: str) -> None:
        self._known.pop(key, None)
        if self._kept is not None:
            try:
                self._kept.drop(Standing.REQUEST, key)
            except JournalError as error:
                _log.warning("a request that was not done stays on the disk as begun: %s", error)


def _repeat(known: Remembered, digest: str, request_id: str) -> bytes:
    if known.digest != digest:
        msg = f"request_id = {request_id!r}: was used for another request: new content needs a new id"
        raise ValueError(msg)
    if not known.done:
        msg = f"orderd ended while request {request_id!r} was being done: look whether it was, then send it with a new id"
        raise StateError("outcome_unknown", msg)
    if known.answer is None:
        msg = f"request {request_id!r} was done; its answer was too large to keep: ask for the decision"
        raise StateError("done_before", msg)
    return known.answer


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]
