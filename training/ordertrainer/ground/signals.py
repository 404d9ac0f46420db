"""Makes an interrupted drill clean up after itself.

Touches: signal dispositions and the signal mask of the calling thread.

SIGTERM ends a Python process on the spot by default; here it unwinds the stack as Ctrl-C does. While things are being
undone both are held back, so that a second Ctrl-C cannot leave half of them.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

HELD = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@contextmanager
def unwinding() -> Generator[None, None, None]:
    """Let SIGTERM and SIGHUP raise SystemExit inside the block; without effect outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held_back() -> Generator[None, None, None]:
    """Hold back the signals that ask us to stop until the block is done."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
