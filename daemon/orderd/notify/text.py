"""Words from anywhere, made fit for headers, JSON and screens. Pure."""

from collections.abc import Mapping
from typing import Final

TITLE_MAX: Final = 200
NAME_MAX: Final = 64
VALUE_MAX: Final = 4000
ENTRIES_MAX: Final = 32
BODY_MAX: Final = 10_000
"""Characters of a whole body; with four bytes each it stays below what is kept of one value (64 KiB)."""


def one_line(text: str, most: int = TITLE_MAX) -> str:
    """Return one printable line of at most ``most`` characters; what is not printable becomes ``?``."""
    return _cut("".join(each if each.isprintable() else "?" for each in " ".join(text.split())), most)


def many_lines(text: str, most: int = VALUE_MAX) -> str:
    """Return text whose only control characters are line feeds, of at most ``most`` characters."""
    lines = (
        "".join(each if each.isprintable() else "?" for each in line.expandtabs(4)) for line in text[: 2 * most].splitlines()
    )
    return _cut("\n".join(lines), most)


def entries(body: Mapping[str, str]) -> dict[str, str]:
    """Return the first entries of a body, names and values made fit, until ENTRIES_MAX or BODY_MAX is reached."""
    found: dict[str, str] = {}
    room = BODY_MAX
    for name, value in list(body.items())[:ENTRIES_MAX]:
        if room > NAME_MAX:
            fit = one_line(name, NAME_MAX)
            found[fit] = many_lines(value, min(VALUE_MAX, room - NAME_MAX))
            room -= NAME_MAX + len(found[fit])
    return found


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "\u2026"
