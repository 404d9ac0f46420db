"""A measuring program in a process of its own, read line by line.

Touches: subprocess, one thread that reads its output.

The programs end when their standard input does, so a driver that is killed takes them with it. They get a session of their
own: Ctrl-C in the terminal is for the driver, which still needs them while it cleans up.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from ordertrainer.drill.errors import InstrumentLostError

HELD = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
END_TIMEOUT_S = 2.0


class Instrument:
    """Starts a program, sends it orders and hands every record it emits to `take`, on the reading thread."""

    def __init__(self, name: str, argv: Sequence[str], take: Callable[[dict[str, Any]], None]) -> None:
        self.name = name
        self._take = take
        self._ended = threading.Event()
        self._program = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        # A signal must find only the main thread willing: another one would let it into a clean-up that holds it back.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        self._reader = threading.Thread(target=self._read, name=name, daemon=True)
        self._reader.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def order(self, order: Mapping[str, object]) -> None:
        """Send one order.

        Raises:
            InstrumentLostError: the program has ended.
        """
        try:
            self._program.stdin.write(json.dumps(order).encode() + b"\n")  # type: ignore[union-attr]
            self._program.stdin.flush()  # type: ignore[union-attr]
        except OSError as gone:
            raise InstrumentLostError(self._last_words()) from gone

    def check(self) -> None:
        """Do nothing while the program runs.

        Raises:
            InstrumentLostError: the program has ended.
        """
        if self._ended.is_set():
            raise InstrumentLostError(self._last_words())

    def close(self) -> None:
        """End the program; at once when it does not by itself."""
        with suppress(OSError):
            self._program.stdin.close()  # type: ignore[union-attr]
        try:
            self._program.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._program.kill()
            self._program.wait()
        self._reader.join(END_TIMEOUT_S)
        for pipe in (self._program.stdout, self._program.stderr):
            if pipe:
                pipe.close()

    def _read(self) -> None:
        try:
            with suppress(ValueError):  # closed under us while we leave
                for line in self._program.stdout or ():
                    self._take(json.loads(line))
        finally:
            self._ended.set()  # also when `take` fails: an instrument that is not read is lost

    def _last_words(self) -> str:
        self._program.kill()
        words = self._program.stderr.read().decode(errors="replace").strip() if self._program.stderr else ""
        return f"the {self.name} ended in mid-drill: {words[-500:] or 'without a word'}"
