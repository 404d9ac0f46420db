"""A line of a training's history as metrics, and its settings as parameters, in the form MLflow takes. Pure.

Nested names are joined by dots. Keys may hold letters, digits, and ``_-. :/`` (a colon is refused by some stores).
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

KEY_MAX: Final = 250
VALUE_MAX: Final = 500
"""Of a parameter; newer servers take more, all take this."""
TAG_MAX: Final = 5000
STEPS: Final = ("epoch", "iteration")
_BAD: Final = re.compile(r"[^\w\-. /]", re.ASCII)


def step_of(line: Mapping[str, Any]) -> int:
    """Return which epoch or iteration a line is about.

    Raises:
        KeyError: it does not say.
    """
    for name in STEPS:
        if name in line:
            return int(line[name])
    raise KeyError(f"a line of history has none of: {', '.join(STEPS)}")


def metrics(line: Mapping[str, Any], at_ms: int) -> list[dict[str, Any]]:
    """Return every number of a line; what is no number, or none that JSON knows, is left out.

    Args:
        line: of a history.
        at_ms: when it was told, ms since 1970.
    """
    step = step_of(line)
    return [
        {"key": key, "value": float(value), "timestamp": at_ms, "step": step}
        for key, value in _flat(line)
        if isinstance(value, int | float) and math.isfinite(value) and key not in STEPS
    ]


def params(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as parameters."""
    return {key: str(value)[:VALUE_MAX] for key, value in _flat(settings)}


def tags(about: Mapping[str, Any]) -> dict[str, str]:
    """Return what is known of a training as tags."""
    return {_key(key): str(value)[:TAG_MAX] for key, value in about.items()}


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{before}{_key(str(key))}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name[:KEY_MAX], value


def _key(name: str) -> str:
    return _BAD.sub("_", name)
