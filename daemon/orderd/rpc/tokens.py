"""Page and resume tokens: opaque to clients, and good only for the listing or journal they came from. Pure."""

import base64
import binascii
import hashlib
from typing import Final, TypeVar

import msgspec
from google.protobuf.message import Message

_TOKEN_MAX: Final = 1024
"""Characters; ours have about a hundred."""
_NUMBER_MAX: Final = 1 << 62


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a listing goes on.

    Attributes:
        after: the key of the last thing that was returned.
        filters: digest of what was asked for.
    """

    after: str
    filters: str


class Point(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a watch goes on.

    Attributes:
        change: number of the last change that was handed out.
        decision_id: the decision it changed; tells one journal from another.
    """

    change: int
    decision_id: str


T = TypeVar("T", Place, Point)


def _encode(value: Place | Point) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode()


def _decode(token: str, kind: type[T], field: str) -> T:
    try:
        return msgspec.json.decode(base64.b64decode(token[:_TOKEN_MAX], altchars=b"-_", validate=True), type=kind)
    except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
        msg = f"{field}: not a token of this service: start again without one"
        raise ValueError(msg) from error


def filters_of(request: Message) -> str:
    """Return a digest of all that a listing was asked for, but for page size and token.

    Args:
        request: has the fields ``page_size`` and ``page_token``.
    """
    asked = type(request)()
    asked.CopyFrom(request)
    for field in ("page_size", "page_token"):
        asked.ClearField(field)
    # A field of a newer client stays in: its pages are not those of a client that did not ask for it.
    whole = asked.DESCRIPTOR.full_name.encode() + b"\0" + asked.SerializeToString(deterministic=True)
    return hashlib.sha256(whole).hexdigest()[:16]


def page_token(after: str, filters: str) -> str:
    """Return the token of a place in a listing.

    Args:
        after: the key of the last thing on the page.
        filters: what ``filters_of`` said of the request.
    """
    return _encode(Place(after, filters))


def page_after(token: str, filters: str) -> str:
    """Return the key after which a listing goes on; empty for an empty token.

    Raises:
        ValueError: the token is not one of ours, or of a listing with other filters.
    """
    if not token:
        return ""
    place = _decode(token, Place, "page_token")
    if place.filters != filters:
        msg = "page_token: of a listing with other filters: keep the filters from page to page, or start again without a token"
        raise ValueError(msg)
    return place.after


def resume_token(change: int, decision_id: str) -> str:
    """Return the token of a change that was handed out."""
    return _encode(Point(change, decision_id))


def resume_point(token: str) -> Point | None:
    """Return where a watch goes on, None for an empty token.

    Raises:
        ValueError: the token is not one of ours.
    """
    if not token:
        return None
    point = _decode(token, Point, "resume_after")
    if not 0 <= point.change <= _NUMBER_MAX:
        msg = "resume_after: not a token of this service: watch without one"
        raise ValueError(msg)
    return point
