"""Ids of decisions and incidents: sortable, unique on the host, in order even when the wall clock jumps. Draws random bits.

An id is one letter (``d`` decision, ``i`` incident), 12 hexadecimal digits of milliseconds, 4 random ones. The milliseconds are
the wall clock as it was when orderd started plus monotonic time since, never less than any id of the journal plus one: a clock
that jumps while orderd runs changes nothing, and one that jumped between two runs cannot put new decisions before old ones.
"""

import secrets
from collections.abc import Callable
from typing import Final

from orderd.domain.clock import Clock

_TICK_DIGITS: Final = 12
_RANDOM_DIGITS: Final = 4
_TICK_MAX: Final = 16**_TICK_DIGITS - 1


def tick_of(any_id: str) -> int:
    """Return the milliseconds inside an id.

    Raises:
        ValueError: it is not an id of ours.
    """
    if len(any_id) != 1 + _TICK_DIGITS + _RANDOM_DIGITS:
        msg = f"{any_id!r} is not a decision or incident id"
        raise ValueError(msg)
    return int(any_id[1 : 1 + _TICK_DIGITS], 16)


class DecisionIds:
    """Gives out ids of decisions and incidents, each larger than all before it."""

    def __init__(self, clock: Clock, after: str = "", random: Callable[[int], int] = secrets.randbelow) -> None:
        """Anchor the ids.

        Args:
            clock: both clocks.
            after: the newest id of the journal (``Journal.newest_id()``); empty for an empty journal.
            random: returns an integer below its argument; it keeps ids of cloned hosts apart.
        """
        now = clock.now()
        self._clock = clock
        self._anchor_ns = now.utc_ns - now.mono_ns
        self._last = tick_of(after) if after else 0
        self._random = random

    def decision(self) -> str:
        """Return the next decision id."""
        return self._next("d")

    def incident(self) -> str:
        """Return the next incident id."""
        return self._next("i")

    def _next(self, letter: str) -> str:
        milliseconds = (self._clock.now().mono_ns + self._anchor_ns) // 1_000_000
        self._last = min(max(milliseconds, self._last + 1), _TICK_MAX)
        return f"{letter}{self._last:0{_TICK_DIGITS}x}{self._random(16**_RANDOM_DIGITS):0{_RANDOM_DIGITS}x}"
