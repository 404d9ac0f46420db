"""What the executor remembers between requests: how fast it may go, and what it has already run. Touches one small file.

The executor leaves when it is idle and may be killed; neither may refill the bucket or let a repair run a second time. The file
lies under /run: a reboot forgets it, and so does a reboot forget every repair that could still be running.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

IDS_MAX: Final = 512


class _State(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The file's content.

    Attributes:
        tokens: repairs allowed at once, at ``at_s``.
        at_s: CLOCK_MONOTONIC, seconds.
        seen: ids of the repairs started last, oldest first.
    """

    tokens: float
    at_s: float
    seen: list[str]


class Ledger:
    """A token bucket and the ids of the last repairs, on disk before a repair starts."""

    def __init__(self, file: Path, *, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Read what an earlier executor left behind.

        Args:
            file: where it is kept; a missing or broken file counts as an empty bucket with room for one.
            per_minute: repairs allowed per minute, and at once after a quiet minute.
            monotonic: the clock, seconds.
        """
        self._file = file
        self._per_minute = per_minute
        self._monotonic = monotonic
        self._state = self._read()

    def has_run(self, key: str) -> bool:
        """Tell whether a repair of that id and mode was already started."""
        return key in self._state.seen

    def allows(self) -> bool:
        """Tell whether one more repair may start now."""
        return self._tokens_now() >= 1.0

    def record(self, key: str) -> None:
        """Take one token and remember the id, durably, before the repair starts.

        Raises:
            OSError: it cannot be written; the repair must not start.
        """
        state = _State(tokens=self._tokens_now() - 1.0, at_s=self._monotonic(), seen=[*self._state.seen, key][-IDS_MAX:])
        staged = self._file.with_suffix(".new")
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        staged.write_bytes(msgspec.json.encode(state))
        staged.replace(self._file)
        self._state = state

    def _tokens_now(self) -> float:
        elapsed_s = max(0.0, self._monotonic() - self._state.at_s)
        return min(float(self._per_minute), self._state.tokens + elapsed_s * self._per_minute / 60.0)

    def _read(self) -> _State:
        now = self._monotonic()
        try:
            state = msgspec.json.decode(self._file.read_bytes(), type=_State)
        except FileNotFoundError:
            return _State(tokens=float(self._per_minute), at_s=now, seen=[])
        except (OSError, msgspec.DecodeError):
            return _State(tokens=1.0, at_s=now, seen=[])
        state.at_s = min(state.at_s, now)
        return state
