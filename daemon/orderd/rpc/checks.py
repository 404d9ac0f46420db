"""What the fields of requests may be. Pure; every refusal is a ValueError whose message begins with the field."""

import math
import re
from enum import StrEnum
from typing import Final

from orderd.domain.standing import Authority
from orderd.wire.scalars import member

WHY_MAX: Final = 500
"""Characters of a reason; bounds what an order keeps in memory."""
DURATION_S_MAX: Final = 315_360_000.0
"""Ten years; what a hold or a pause may last is decided by decision.hold_max_s, this only keeps arithmetic whole."""
PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 500
SIGNALS_DEFAULT: Final = 8
SIGNALS_MAX: Final = 50
_ID: Final = re.compile(r"[A-Za-z0-9]{1,64}")
_REPAIR: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_UTC_NS_MAX: Final = 1 << 62


def why(text: str, *, required: bool = True, field: str = "why") -> str:
    """Return a person's words on one line.

    Raises:
        ValueError: they are missing where they must not be, or too many.
    """
    words = " ".join(text.split())
    if len(words) > WHY_MAX or (required and not words):
        msg = (
            f"{field}: must be {'1 to' if required else 'at most'} {WHY_MAX} characters, so that others can tell what is going on"
        )
        raise ValueError(msg)
    return words


def duration(duration_s: float, *, zero: bool = False) -> float:
    """Return seconds, which must be positive, or zero where that means something.

    Raises:
        ValueError: they are not.
    """
    if zero and duration_s == 0:
        return 0.0
    if not (math.isfinite(duration_s) and 0 < duration_s <= DURATION_S_MAX):
        msg = f"duration_s = {duration_s:g}: must be positive, and less than ten years"
        raise ValueError(msg)
    return duration_s


def page_size(asked: int) -> int:
    """Return how many a page may hold.

    Raises:
        ValueError: it is negative.
    """
    return _count(asked, "page_size", PAGE_DEFAULT, PAGE_MAX)


def signals_max(asked: int) -> int:
    """Return how many signals an explanation may weigh.

    Raises:
        ValueError: it is negative.
    """
    return _count(asked, "signals_max", SIGNALS_DEFAULT, SIGNALS_MAX)


def _count(asked: int, field: str, default: int, most: int) -> int:
    if asked < 0:
        msg = f"{field} = {asked}: must not be negative"
        raise ValueError(msg)
    return min(asked or default, most)


def one_of(kind: type[StrEnum], value: str, field: str) -> str:
    """Return a filter, which may be empty.

    Raises:
        ValueError: it is neither empty nor a member of the enumeration.
    """
    return str(member(kind, value, field)) if value else ""


def moment(utc_ns: int, field: str) -> int:
    """Return a point in time, UTC nanoseconds.

    Raises:
        ValueError: it is before 1970 or further away than a clock can say.
    """
    if not 0 <= utc_ns <= _UTC_NS_MAX:
        msg = f"{field} = {utc_ns}: must be nanoseconds since 1970-01-01 UTC"
        raise ValueError(msg)
    return utc_ns


def any_id(text: str, field: str = "id") -> str:
    """Return an id, or a part of one.

    Raises:
        ValueError: it is empty or cannot be an id.
    """
    if not _ID.fullmatch(text):
        msg = f"{field} = {text[:80]!r}: must be an id: 1 to 64 letters and digits"
        raise ValueError(msg)
    return text


def repair_name(text: str) -> str:
    """Return the name of a repair.

    Raises:
        ValueError: no repair can have that name.
    """
    if not _REPAIR.fullmatch(text):
        msg = f"repair = {text[:80]!r}: must be a name of the catalogue; orderctl status --json lists them"
        raise ValueError(msg)
    return text


def request_id(text: str) -> str:
    """Return a request id, which may be empty.

    Raises:
        ValueError: it is not one.
    """
    if text and not _REQUEST_ID.fullmatch(text):
        msg = f"request_id = {text[:80]!r}: must be 1 to 64 letters, digits and . _ : -, for example a UUID"
        raise ValueError(msg)
    return text


def granted(text: str) -> Authority | None:
    """Return what a person says of a playbook's authority, None to let the numbers speak.

    Raises:
        ValueError: it is something only the numbers can say.
    """
    if not text:
        return None
    if text not in {Authority.GRANTED_BY_PERSON, Authority.DENIED_BY_PERSON}:
        allowed = f"{Authority.GRANTED_BY_PERSON}, {Authority.DENIED_BY_PERSON}"
        msg = f"authority = {text[:80]!r}: allowed are {allowed}, or empty for what the numbers say"
        raise ValueError(msg)
    return Authority(text)
