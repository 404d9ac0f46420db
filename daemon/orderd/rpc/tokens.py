"""Page tokens: opaque to clients, and good only for the listing they came from. Pure."""

import base64
import binascii

import msgspec


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a listing goes on.

    Attributes:
        before_id: only older decisions than this.
        failure: filter of the listing.
        action: filter of the listing.
    """

    before_id: str
    failure: str
    action: str


def to_token(place: Place) -> str:
    """Return the token of a place."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def from_token(token: str, failure: str, action: str) -> str:
    """Return the id before which the listing goes on; empty for an empty token.

    Raises:
        ValueError: the token is not one of ours, or of a listing with other filters.
    """
    if not token:
        return ""
    try:
        place = msgspec.json.decode(base64.b64decode(token, altchars=b"-_", validate=True), type=Place)
    except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
        msg = "page_token: not a token of this service: start again without one"
        raise ValueError(msg) from error
    if (place.failure, place.action) != (failure, action):
        msg = f"page_token: of a listing with failure={place.failure!r} action={place.action!r}: keep the filters, or start again"
        raise ValueError(msg)
    return place.before_id
