"""Two clocks: monotonic for every difference and deadline, UTC for records. Reads the system clocks."""

import time
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """One moment on both clocks.

    Attributes:
        mono_ns: CLOCK_MONOTONIC, nanoseconds; the only one to subtract.
        utc_ns: nanoseconds since 1970-01-01 UTC; only for people and records, it may jump.
    """

    mono_ns: int
    utc_ns: int

    def seconds_since(self, earlier: "Instant") -> float:
        """Return the monotonic difference in seconds."""
        return (self.mono_ns - earlier.mono_ns) / 1e9


class Clock(Protocol):
    """Where time comes from; tests pass their own."""

    def now(self) -> Instant:
        """Return the current moment."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> Instant:
        """Read both clocks back to back."""
        return Instant(mono_ns=time.monotonic_ns(), utc_ns=time.time_ns())
