"""What a person types, line by line: on a terminal, or piped in. Reads standard input."""

import os
import stat
from enum import StrEnum
from typing import Final, TextIO

from ordertrainer.prefer.answers import Said
from ordertrainer.prefer.errors import PreferError


class Key(StrEnum):
    """What can be typed; as few letters as tell them apart are enough."""

    A = "a"
    B = "b"
    EQUAL = "equal"
    SKIP = "skip"
    QUIT = "quit"


WORDS: Final = "a, b, equal, skip or quit"
SAID: Final = {Key.A: Said.A, Key.B: Said.B, Key.EQUAL: Said.EQUAL, Key.SKIP: Said.SKIP}


def key_of(line: str) -> Key | None:
    """Return what a line means; None when it means nothing."""
    typed = line.strip().lower()
    return next((key for key in Key if typed and key.startswith(typed)), None)


class Keys:
    """Reads keys; on a terminal what means nothing is asked for again, from a pipe it is refused."""

    def __init__(self, stream: TextIO | None) -> None:
        """Read from standard input.

        Raises:
            PreferError: nobody is there to answer: it is neither a terminal nor a pipe nor a file.
        """
        if stream is None or not (stream.isatty() or _is_piped(stream)):
            raise PreferError(f"there is nobody to ask: run it in a terminal, or pipe answers in, one of {WORDS} a line")
        self._stream, self._lines = stream, 0
        self.terminal = stream.isatty()

    def read(self) -> Key | None:
        """Return the next key; None for a line that means nothing, on a terminal. The end of input is QUIT.

        Raises:
            PreferError: a piped line means nothing.
        """
        line = self._stream.readline()
        self._lines += 1
        if not line:
            return Key.QUIT
        key = key_of(line)
        if key is None and not self.terminal:
            raise PreferError(f"standard input: line {self._lines} = {line.strip()!r}: want {WORDS}; answers before it are kept")
        return key


def _is_piped(stream: TextIO) -> bool:
    """Tell whether somebody has put answers there: a pipe, a file, a socket or a program's own text; /dev/null is none."""
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError):
        return True
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)
