"""Ctrl-C in the middle of a drill: the first one unwinds, the rest are not heard until everything is down.

Touches: the dispositions of SIGINT, SIGTERM and SIGHUP.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(SystemExit):
    """Somebody asked the drill to end; its code is the shell's, 128 and the signal's number."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Let the first signal raise `Interrupted` inside the block and ignore those that follow it.

    The handler itself stops listening before it raises, so that there is no moment at which a second Ctrl-C could cut a
    clean-up in half. Without effect outside the main thread, where Python handles no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _leave) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def deaf() -> Iterator[None]:
    """Ignore the signals for the length of a clean-up; outside the main thread they are not ours anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted(128 + number)
