"""The file of answers: one line of JSON each, appended and made durable before the next question is asked. Touches that file.

A line holds what was asked as it was shown, and both bills, so that answers outlive the catalogue and the simulator that they
came from. A torn last line is what a crash leaves of an answer that nobody was told is kept: it is cut off. Anything else that
cannot be read is refused, since a file of answers is somebody's hours.
"""

import fcntl
import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Self

import msgspec

from ordertrainer.prefer.bills import Bill
from ordertrainer.prefer.errors import PreferError


class Said(StrEnum):
    """What can be said of two plans."""

    A = "a"
    B = "b"
    EQUAL = "equal"
    SKIP = "skip"


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer.

    Attributes:
        a, b: what the two plans come to.
        said: which is better; SKIP: no answer, so that it is not asked again.
        at: when, UTC.
        by: who.
        scene, plan_a, plan_b: what was shown.
    """

    a: Bill
    b: Bill
    said: Said
    at: str = ""
    by: str = ""
    scene: str = ""
    plan_a: str = ""
    plan_b: str = ""

    @property
    def question(self) -> str:
        """Return what tells questions apart: what differs between the plans, whichever stands first."""
        return question(self.a, self.b)


def question(one: Bill, other: Bill) -> str:
    """Return what tells questions apart; two plans that differ in the same things are the same question on every host."""
    differs = [round(mine - yours, 3) for mine, yours in zip(one.row, other.row, strict=True)]
    first = max(differs, [-each for each in differs])  # adding 0 below makes 0 of what is -0
    return hashlib.sha256(",".join(f"{each + 0.0:g}" for each in first).encode()).hexdigest()[:16]


def read_answers(file: Path) -> list[Answer]:
    """Read every answer, oldest first; a torn last line is none.

    Raises:
        PreferError: the file cannot be read, or a line of it is no answer.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise PreferError(f"{file}: {error.strerror}; `ordertrainer compare --answers {file}` makes one") from error
    return _parse(file, raw)


def _parse(file: Path, raw: bytes) -> list[Answer]:
    return [_answer(file, number, line) for number, line in enumerate(raw.split(b"\n")[:-1], 1) if line.strip()]


def _answer(file: Path, number: int, line: bytes) -> Answer:
    try:
        return msgspec.json.decode(line, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PreferError(f"{file}: line {number} is no answer: {error}; take the line out, or keep answers elsewhere") from error


class AnswersFile:
    """A file of answers that one program adds to.

    Attributes:
        answers: those it holds, oldest first.
    """

    def __init__(self, file: Path, descriptor: int) -> None:
        """Take over an open file that is locked; use ``opened`` instead."""
        self._file, self._descriptor = file, descriptor
        raw = file.read_bytes()
        self.answers = _parse(file, raw)
        whole = raw.rfind(b"\n") + 1
        if whole < len(raw):
            os.ftruncate(descriptor, whole)

    @classmethod
    @contextmanager
    def opened(cls, file: Path) -> Generator[Self]:
        """Open a file of answers, making it if need be, and keep others from adding to it meanwhile.

        Raises:
            PreferError: it cannot be opened, is no file of answers, or somebody else is adding to it.
        """
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise PreferError(f"{file}: answers cannot be kept there: {error.strerror}") from error
        try:
            _lock(file, descriptor)
            _sync_directory(file.parent)
            yield cls(file, descriptor)
        finally:
            os.close(descriptor)

    def append(self, answer: Answer) -> None:
        """Add an answer; it is durable when this returns.

        Raises:
            PreferError: the disk is full or broken; nothing of it is left in the file.
        """
        line, before = msgspec.json.encode(answer) + b"\n", os.fstat(self._descriptor).st_size
        try:
            _write_all(self._descriptor, line)
            os.fsync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, before)
            raise PreferError(f"{self._file}: this answer could not be kept: {error.strerror}; those before it are") from error
        self.answers.append(answer)


def _lock(file: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise PreferError(f"{file}: another `ordertrainer compare` adds to it; end that one, or use another file") from error


def _write_all(descriptor: int, block: bytes) -> None:
    while block:
        block = block[os.write(descriptor, block) :]


def _sync_directory(directory: Path) -> None:
    """Make the name of a new file durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
