"""What is typed, and where it may come from."""

import io
import os
import pty
from pathlib import Path

import pytest

from ordertrainer.prefer.errors import PreferError
from ordertrainer.prefer.keys import Key, Keys, key_of


@pytest.mark.parametrize(
    ("typed", "key"),
    [("a\n", Key.A), ("B", Key.B), ("e", Key.EQUAL), ("equal \n", Key.EQUAL), ("sk", Key.SKIP), ("q", Key.QUIT)],
)
def test_as_few_letters_as_tell_them_apart_are_enough(typed, key):
    """In any case, with blanks around."""
    assert key_of(typed) is key


@pytest.mark.parametrize("typed", ["", "\n", "x", "ab", "equally", "1"])
def test_what_means_nothing_is_no_answer(typed):
    """Least of all an empty line."""
    assert key_of(typed) is None


def test_from_a_pipe_what_means_nothing_is_refused_by_line():
    """And the end of input is the end of the sitting."""
    keys = Keys(io.StringIO("a\nx\n"))
    assert keys.read() is Key.A
    with pytest.raises(PreferError, match="line 2 = 'x': want a, b, equal, skip or quit"):
        keys.read()
    assert keys.read() is Key.QUIT


def test_on_a_terminal_it_is_asked_again():
    """A slip of the finger ends nothing."""
    ours, theirs = pty.openpty()
    os.write(ours, b"x\nb\n")
    with os.fdopen(theirs) as stream:
        keys = Keys(stream)
        assert keys.terminal
        assert keys.read() is None
        assert keys.read() is Key.B
    os.close(ours)


def test_where_nobody_can_answer_nobody_is_asked():
    """Neither a service without a terminal, nor one without an input at all."""
    with Path(os.devnull).open(encoding="ascii") as nothing, pytest.raises(PreferError, match="nobody to ask"):
        Keys(nothing)
    with pytest.raises(PreferError, match="nobody to ask"):
        Keys(None)
