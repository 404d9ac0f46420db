"""Numbers as people write them: with a unit, and as round as they can be without meaning something else. Pure."""

import math
from collections.abc import Iterator
from typing import Final

from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS

FLAGS: Final = frozenset(s.name for s in (*HOST_SIGNALS, *ENTITY_SIGNALS) if s.meaning.startswith("1 when"))
"""Signals that are 1 or 0, by their declaration."""
FLAG_AT: Final = 0.5
"""Where contracts divide a flag."""
DIGITS: Final = 2
"""Significant digits of a threshold for which no rounder number means the same."""
_UNITS: Final = (
    ("_bytes_per_s", 1.0, "B/s"),
    ("_ratio_per_s", 100.0, "%/s"),
    ("_ratio", 100.0, "%"),
    ("_ratio_recent", 100.0, "%"),
    ("_per_s", 1.0, "/s"),
    ("_s", 1.0, "s"),
    ("_cores", 1.0, "cores"),
)
_SMALLEST, _LARGEST = -9, 12


def amount(signal: str, value: float) -> str:
    """Return a value of a signal with its unit, such as ``95 %`` or ``0.45 s``."""
    for suffix, factor, unit in _UNITS:
        if signal.endswith(suffix):
            return f"{value * factor:.6g} {unit}"
    return f"{value:.6g}"


def threshold(signal: str, below: float, above: float) -> float:
    """Return the roundest number that divides two values of a signal.

    Args:
        signal: its name; a flag is always divided at FLAG_AT.
        below: the largest value on the lower side.
        above: the smallest value on the upper side; ``value >= threshold`` holds for it.

    Returns:
        A number in (below, above], or, when such a number has more than DIGITS digits, the middle with so many: no data needs it,
        and who reads ``0.4821`` looks for a reason that is not there.
    """
    if signal in FLAGS and below < FLAG_AT <= above:
        return FLAG_AT
    middle = (below + above) / 2
    for step in _steps():
        highest = math.floor(above / step + 1e-9)
        if below < _plain(highest * step) <= above:
            lowest = math.floor(below / step + 1e-9) + 1
            found = _plain(min(highest, max(round(middle / step), lowest)) * step)
            return found if _digits(found) <= DIGITS else _rounded(middle)
    return _rounded(middle)


def _steps() -> Iterator[float]:
    """Yield 1, 5 and 2 times powers of ten, the largest first."""
    for exponent in range(_LARGEST, _SMALLEST, -1):
        yield from (10.0**exponent, 5.0 * 10.0 ** (exponent - 1), 2.0 * 10.0 ** (exponent - 1))


def _digits(value: float) -> int:
    return len(f"{abs(value):.10e}".partition("e")[0].replace(".", "").rstrip("0"))


def _plain(value: float) -> float:
    """Return a value without what multiplying left behind."""
    return float(f"{value:.10g}")


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
