"""Words that come from the host, made fit for records and screens. Pure."""

from typing import Final

LENGTH_MAX: Final = 200


def clean(text: str) -> str:
    """Return one printable line: what is not printable becomes ``?``, white space one blank, and the end is cut."""
    line = " ".join(text.split())
    return "".join(each if each.isprintable() else "?" for each in line)[:LENGTH_MAX]
