"""Which maintenance windows are open now. Pure but for the time zone files, read once each.

Windows are the one thing here that is told in wall-clock time. A wall clock that was set lately may be wrong now or may have been
wrong before, so a window counts as open when either says so.
"""

from collections import deque
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from orderd.config.schema import WindowConfig
from orderd.decision.facts import OpenWindow
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_JUMP_NS: Final = 60 * 10**9
"""The wall clock and the monotonic clock drift apart by less than this between two looks, unless one was set."""
_DOUBT_NS: Final = 86_400 * 10**9
"""For how long after a jump the time before it is not ruled out."""
_JUMPS_MAX: Final = 16


class WallClock:
    """What time it may be: by the wall clock, and by what it would show had it not been set within the last day."""

    def __init__(self) -> None:
        """Start without any jump seen."""
        self._offset: int | None = None
        self._before: deque[tuple[int, int]] = deque(maxlen=_JUMPS_MAX)

    def moments(self, now: Instant) -> tuple[datetime, ...]:
        """Look at the clock; return the believable times, the clock's own first. Times no calendar holds are left out."""
        offset = now.utc_ns - now.mono_ns
        if self._offset is not None and abs(offset - self._offset) > _JUMP_NS:
            self._before.append((now.mono_ns, self._offset))
        self._offset = offset
        while self._before and now.mono_ns - self._before[0][0] > _DOUBT_NS:
            self._before.popleft()
        offsets = [offset, *(earlier for _, earlier in self._before)]
        return tuple(moment for o in offsets if (moment := _datetime(now.mono_ns + o)) is not None)


def _datetime(utc_ns: int) -> datetime | None:
    try:
        moment = datetime.fromtimestamp(utc_ns / 1e9, tz=UTC)
        # A day on either side has to exist too: windows are looked for yesterday, and ends lie tomorrow.
        _ = (moment - timedelta(days=2), moment + timedelta(days=2))
    except (OverflowError, ValueError, OSError):
        return None
    return moment


def open_windows(windows: Iterable[WindowConfig], target: Entity, moments: Iterable[datetime]) -> tuple[OpenWindow, ...]:
    """Return the windows that are open for a target at any of the moments.

    Args:
        windows: as configured.
        target: the entity; a window with units is about those only.
        moments: believable times, in UTC.
    """
    times = tuple(moments)
    about = [w for w in windows if not w.units or (target.kind is EntityKind.UNIT and target.key in w.units)]
    found = ((w, end) for w in about if (end := next(filter(None, (ends(w, t) for t in times)), None)))
    return tuple(OpenWindow(name=w.name, mode=w.mode, until=f"{end:%a %H:%M} {w.timezone}") for w, end in found)


def ends(window: WindowConfig, moment: datetime) -> datetime | None:
    """Return when a window that is open at a moment ends, in its own zone; None when it is not open.

    On the days on which clocks change, times that exist twice or not at all are read so that the window is longer, not shorter.

    Args:
        window: as configured.
        moment: in UTC.
    """
    zone = _zone(window.timezone)
    today = moment.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        if _DAYS[day.weekday()] in window.days:
            start, end = _start_and_end(window, day, zone)
            if start <= moment < end:
                return end.astimezone(zone)
    return None


def _start_and_end(window: WindowConfig, day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    over_midnight = window.end <= window.start
    start = min(_instants(day, window.start, zone))
    end = max(_instants(day + timedelta(days=1 if over_midnight else 0), window.end, zone))
    return start, end


def _instants(day: date, time_of_day: str, zone: tzinfo) -> tuple[datetime, datetime]:
    hour, minute = (int(part) for part in time_of_day.split(":"))
    wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
    return wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC)


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415  only a host that has windows pays the memory

    return ZoneInfo(name)
