"""Numbers, times and names as people write and read them. Pure.

Everything that came from a host is data: control characters and text-direction marks are made visible before they reach a
terminal.
"""

import math
import re
from datetime import UTC, datetime, tzinfo
from typing import Final

from orderd.domain.faults import Entity, EntityKind

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MINUTE_S: Final = 60
_TWO_DIGITS_BELOW_S: Final = 10.0
_MILLISECONDS_BELOW_S: Final = 0.1
_DURATION: Final = re.compile(r"(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?")
_UNIT_SUFFIXES: Final = (".service", ".socket", ".timer", ".mount")


def clean(text: str) -> str:
    r"""Return text that cannot command a terminal: what is not printable becomes ``\x..`` or ``\u....``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as ``90s``, ``2m``, ``1h30m``.

    Raises:
        ValueError: it is no duration, or zero.
    """
    found = _DURATION.fullmatch(text.strip())
    seconds = sum(float(n) * _SECONDS[unit] for unit, n in found.groupdict().items() if n) if found else 0.0
    if not seconds:
        msg = f"{text!r} is no duration: write for example 90s, 2m, 1h or 1h30m"
        raise ValueError(msg)
    return seconds


def duration(seconds: float) -> str:
    """Return seconds with the precision a person wants: ``4 ms``, ``0.95 s``, ``1 m 58 s``, ``3 h 2 m``, ``5 d 1 h``."""
    if seconds < _MILLISECONDS_BELOW_S:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < _TWO_DIGITS_BELOW_S:
        return f"{seconds:.2f} s"
    whole = math.floor(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    units = [("d", whole // 86400), ("h", whole // 3600 % 24), ("m", whole // 60 % 60), ("s", whole % 60)]
    first = next(i for i, (_, n) in enumerate(units) if n)
    return " ".join(f"{n} {unit}" for unit, n in units[first : first + 2] if n)


def offset(seconds: float) -> str:
    """Return a time relative to the detection: ``+0.052 s``, ``+1 m 3 s``."""
    if abs(seconds) < _MINUTE_S:
        return f"{seconds:+.3f} s"
    return f"{'-' if seconds < 0 else '+'}{duration(abs(seconds))}"


def moment(utc_ns: int, zone: tzinfo | None = None) -> datetime:
    """Return a point in time in a time zone; ``None`` is that of this machine."""
    return datetime.fromtimestamp(utc_ns / 1e9, UTC).astimezone(zone)


def clock_time(utc_ns: int, now: datetime, zone: tzinfo | None = None) -> str:
    """Return the time of day, with the date when it is not that of ``now``."""
    when = moment(utc_ns, zone)
    return when.strftime("%H:%M:%S" if when.date() == now.astimezone(zone).date() else "%Y-%m-%d %H:%M:%S")


def parse_target(text: str) -> Entity:
    """Return the entity a person means: ``nginx``, ``nginx.service``, ``/var``, or ``kind:key``.

    Raises:
        ValueError: it cannot be the name of anything orderd watches.
    """
    kind, colon, _ = text.partition(":")
    if colon and kind in set(EntityKind):
        return Entity.parse(text)
    if text.startswith("/"):
        return Entity(kind=EntityKind.MOUNT, key=text)
    return Entity(kind=EntityKind.UNIT, key=text if text.endswith(_UNIT_SUFFIXES) else f"{text}.service")


def entity_name(kind: str, key: str) -> str:
    """Return an entity as a person would say it: units and mounts by their name alone."""
    if kind in {EntityKind.UNIT, EntityKind.MOUNT}:
        return clean(key)
    return clean(kind) if key == "system" else clean(f"{kind} {key.partition(':')[0]}")
