"""Until when something signed counts, judged by a clock that may be wrong. Pure; the time is an argument."""

from datetime import UTC, datetime
from typing import Annotated, Final

from msgspec import Meta

from orderd.errors import TrustError

Term = Annotated[str, Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$")]
"""UTC, ISO 8601; empty: it does not expire."""

Serial = Annotated[int, Meta(ge=0, le=(1 << 62))]
"""Rises with every release; 0: from before serials, counts only where signatures are not asked for."""

CLOCK_MIN: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""This orderd was made after it: a clock that says earlier is wrong."""
_SHAPE: Final = "%Y-%m-%dT%H:%M:%SZ"


def check_term(not_after: str, now_utc_s: float, where: str) -> None:
    """Refuse what has expired, and refuse to judge by a clock that cannot be right.

    Args:
        not_after: from the manifest.
        now_utc_s: seconds since 1970, UTC.
        where: path of the manifest, for messages.

    Raises:
        TrustError: it has expired, or this host's clock is too far off to say.
    """
    if not not_after:
        return
    now = datetime.fromtimestamp(now_utc_s, UTC)
    if now < CLOCK_MIN:
        raise TrustError(
            f"{where}: counts until {not_after}, but the clock here says {now.strftime(_SHAPE)}, which cannot be: set it"
        )
    if now.timestamp() > utc_seconds(not_after, where):
        raise TrustError(f"{where}: expired on {not_after}; this host's clock says {now.strftime(_SHAPE)}")


def utc_seconds(when: str, where: str) -> int:
    """Return seconds since 1970 of a UTC time as manifests write it.

    Raises:
        TrustError: it is no such time.
    """
    try:
        return int(datetime.strptime(when, _SHAPE).replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise TrustError(f"{where}: {when!r} is no time; wanted is UTC such as 2027-01-31T00:00:00Z") from error


def utc_text(utc_s: float) -> str:
    """Return a time as manifests write it."""
    return datetime.fromtimestamp(utc_s, UTC).strftime(_SHAPE)
