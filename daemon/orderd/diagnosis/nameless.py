"""Signs that a host is in trouble, without a name for it: they call a person, and never start a repair. Pure.

What the rules are to the names, these are to what has none: the floor under the model's P(anything wrong). Each stands in every
slot of the last 16 s, because a person is woken for it, and is plain enough to be put into words that tell where to look.
"""

import math
from collections.abc import Callable
from typing import Final

from orderd.domain.signals import HOST_INDEX, HOST_SIGNALS, SLOT_AGES_S
from orderd.domain.window import Window

STANDING_SLOTS: Final = 6
STANDING_S: Final = SLOT_AGES_S[STANDING_SLOTS - 1]
"""In each of the newest slots, for 16 s, a sign must stand; backups, upgrades and start-ups have their peaks in less."""
BLOCKED_RATIO: Final = 0.1
BLOCKED_PROCESSES: Final = 8.0
"""A disk at work holds two or three at a time; eight, and a tenth of all, that cannot even be killed wait in vain."""
GROWN_BY: Final = 150.0
GROWN_TIMES: Final = 2.0
"""Twice as many processes as a minute ago, and by more than a build or a batch on a small host starts."""
MEMORY_USED_RATIO: Final = 0.85
MEMORY_GROWN_RATIO: Final = 0.3
"""Little is left, caches given back, and much of it went within a minute; a database that lives there is no news."""
MEMORY_STALLED_RATIO: Final = 0.25
"""A quarter of the time somebody waits for memory that has to be won back first: the host thrashes."""


def nameless(window: Window) -> str:
    """Return in words what stands on a host and has no name; empty when nothing does.

    Args:
        window: the newest one.
    """
    return ", ".join(words for sign in _SIGNS if (words := sign(window)))


def _host(window: Window, signal: str) -> list[float]:
    """Return one signal over the slots, newest first."""
    column, width = HOST_INDEX[signal], len(HOST_SIGNALS)
    return [window.host[slot * width + column] for slot in range(len(SLOT_AGES_S))]


def _before(series: list[float]) -> float:
    """Return the least that a signal was before a sign could stand, NaN where nobody looked: nothing is at least NaN."""
    return min((value for value in series[STANDING_SLOTS:] if not math.isnan(value)), default=math.nan)


def _blocked(window: Window) -> str:
    shares, counts = _host(window, "process_blocked_ratio")[:STANDING_SLOTS], _host(window, "process_count")
    waiting = [share * count for share, count in zip(shares, counts, strict=False)]
    if all(share >= BLOCKED_RATIO for share in shares) and all(each >= BLOCKED_PROCESSES for each in waiting):
        return f"{waiting[0]:.0f} processes wait and cannot be interrupted"
    return ""


def _swarming(window: Window) -> str:
    counts = _host(window, "process_count")
    least = max(_before(counts) + GROWN_BY, _before(counts) * GROWN_TIMES)
    if all(count >= least for count in counts[:STANDING_SLOTS]):
        return f"{counts[0]:.0f} processes where a minute ago there were {_before(counts):.0f}"
    return ""


def _without_memory(window: Window) -> str:
    used = _host(window, "memory_used_ratio")
    grown = _before(used) + MEMORY_GROWN_RATIO
    if all(share >= MEMORY_USED_RATIO and share >= grown for share in used[:STANDING_SLOTS]):
        return f"{used[0]:.0%} of the memory is taken, {_before(used):.0%} a minute ago"
    return ""


def _thrashing(window: Window) -> str:
    stalled = _host(window, "pressure_memory_ratio")[:STANDING_SLOTS]
    if all(share >= MEMORY_STALLED_RATIO for share in stalled):
        return f"{stalled[0]:.0%} of the time somebody waits for memory"
    return ""


_SIGNS: Final[tuple[Callable[[Window], str], ...]] = (_blocked, _swarming, _without_memory, _thrashing)
