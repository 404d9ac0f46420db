"""What trouble and repairs cost, all in seconds that a host is out of order. Reads and writes one small TOML file.

A second in which something is wrong costs one. Everything else is said in such seconds, so that people can compare it: a person
woken for nothing is worth so and so many seconds of a service being down. Training minimises the sum; the weights are what
operators change with their preferences (`ordertrainer prefer` writes the file, verbs that train or judge take it as ``--costs``).

    [costs]
    repair = 2.0
    false_call = 300.0      # what is left out keeps its default
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from ordertrainer.files import write_durably

TABLE: Final = "costs"
COST_MAX_S: Final = 1e6
"""Eleven days of trouble: whoever writes more has mistaken the unit."""


class CostsError(Exception):
    """A file of costs holds something that is not allowed, or cannot be read; names file, key, value and remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The weights of a sum; seconds.

    Attributes:
        repair: a repair that touches its target.
        risk: each step of a repair's risk, from none upwards (`orderd.domain.repairs.Risk`).
        host_wide: a repair that reaches beyond its target.
        healthy: touching an entity with which nothing is wrong.
        harm: a repair that does lasting harm in vain.
        call: calling a person for what no repair can end.
        false_call: calling one for nothing, or for what could have been repaired.
    """

    repair: float = 2.0
    risk: float = 3.0
    host_wide: float = 10.0
    healthy: float = 60.0
    harm: float = 60.0
    call: float = 20.0
    false_call: float = 120.0


NAMES: Final = tuple(field.name for field in fields(Costs))


def read_costs(file: Path) -> Costs:
    """Read weights; those that the file leaves out keep their defaults.

    Raises:
        CostsError: it cannot be read, or says something that is not allowed.
    """
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CostsError(f"{file}: {error.strerror}; `ordertrainer prefer --out {file}` writes one") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CostsError(f"{file}: no TOML: {error}") from error
    for key in said:
        if key != TABLE:
            raise CostsError(f"{file}: {key} = {said[key]!r}: not known here; weights stand in the table [{TABLE}]")
    return Costs(**_weights(file, said.get(TABLE)))


def _weights(file: Path, table: Any) -> dict[str, float]:
    if not isinstance(table, Mapping):
        raise CostsError(f"{file}: {TABLE} = {table!r}: want a table [{TABLE}] with some of {', '.join(NAMES)}")
    for key, value in table.items():
        if key not in NAMES:
            raise CostsError(f"{file}: {TABLE}.{key} = {value!r}: no such weight; there are {', '.join(NAMES)}")
        # True is a number in Python, and nobody means one second by it.
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= COST_MAX_S:
            raise CostsError(f"{file}: {TABLE}.{key} = {value!r}: want seconds of trouble, a number from 0 to {COST_MAX_S:g}")
    return {key: float(value) for key, value in table.items()}


def write_costs(file: Path, costs: Costs, about: Sequence[str] = ()) -> None:
    """Write weights so that `read_costs` reads them again; the file is replaced in one step.

    Args:
        file: where; its folder is made.
        costs: four digits of each are kept.
        about: lines for people at the beginning: where they come from.

    Raises:
        CostsError: it cannot be written.
    """
    lines = [*(f"# {line}" for line in about), f"[{TABLE}]", *(f"{name} = {_number(getattr(costs, name))}" for name in NAMES)]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_durably(file, ("\n".join(lines) + "\n").encode())
    except OSError as error:
        raise CostsError(f"{file}: cannot be written: {error.strerror}") from error


def _number(value: float) -> str:
    """Return a number with four digits, as TOML wants a float."""
    if not math.isfinite(value):
        raise CostsError(f"{value!r} is no number of seconds")
    return repr(float(f"{value:.4g}"))
