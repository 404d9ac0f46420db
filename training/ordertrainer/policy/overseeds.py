"""What several seeds of one training came to: each in a row, and their mean with its interval. Pure; rich."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich.table import Table

from ordertrainer.policy.report import CHANCE, NETWORK, RULES
from ordertrainer.policy.suites import MIX

Figures = Callable[[Mapping[str, Any]], dict[str, float]]
"""Returns the figures that are compared, of what one seed came to."""
COUNTS: Final = frozenset({"iterations", "drills"})
"""Figures that are whole numbers, whose mean is no result."""
_STUDENT: Final = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""97.5 % quantiles of Student's distribution for 1 to 30 degrees of freedom; beyond, the last one, which is a little wide."""


def figures(found: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of one seed that are compared.

    Args:
        found: of `ordertrainer.policy.several.train`, or of `ordertrainer.fit.chain.fitted`.
    """
    told = {"iterations": float(found["tune"]["iteration"] + 1)} | tuned(found["tune"])
    if "exam" in found:
        scored = found["exam"]["suites"][MIX]["scores"]
        told |= {f"exam: {who}": number_of(scored[who]["settled"]["value"]) for who in (NETWORK, RULES, CHANCE)}
    return told


def tuned(tune: Mapping[str, Any]) -> dict[str, float]:
    """Return what a policy came to on the hosts that choose between iterations."""
    settled = {f"settled, {suite}": float(scored["settled"]) for suite, scored in tune["suites"].items()}
    return {"worth": float(tune["worth"])} | settled


def number_of(value: float | None) -> float:
    """Return a figure, NaN where there is none."""
    return math.nan if value is None else value


def mean(values: Sequence[float]) -> dict[str, float | None]:
    """Return the mean of one figure over seeds with its 95 % interval, None where there is none.

    References:
        Student 1908, The probable error of a mean: seeds are few and alike, which is what his distribution is for.
    """
    value = statistics.fmean(values)
    if math.isnan(value):
        return {"value": None, "low": None, "high": None}
    if len(values) < 2:  # noqa: PLR2004  one value has no spread
        return {"value": value, "low": None, "high": None}
    half = _STUDENT[min(len(values), len(_STUDENT) + 1) - 2] * statistics.stdev(values) / math.sqrt(len(values))
    return {"value": value, "low": value - half, "high": value + half}


def report(every: Sequence[Mapping[str, Any]], compared: Figures = figures) -> dict[str, Any]:
    """Return all seeds and their means, as plain values.

    Args:
        every: what each seed came to.
        compared: returns the figures of one; what one seed has no figure for has no mean.
    """
    told = [compared(found) for found in every]
    names = dict.fromkeys(name for each in told for name in each)
    means = {name: mean([each.get(name, math.nan) for each in told]) for name in names}
    return {"seeds": [dict(found) for found in every], "mean": means}


def table(every: Sequence[Mapping[str, Any]], compared: Figures = figures) -> Table:
    """Return a table with a row a seed, and one with means; the arguments are those of `report`."""
    means = report(every, compared)["mean"]
    shown = Table(title=f"{len(every)} seeds", title_justify="left", title_style="bold", show_edge=False)
    shown.add_column("seed")
    for name in means:
        shown.add_column(name, justify="right")
    for found in every:
        told = compared(found)
        shown.add_row(str(found["seed"]), *(_number(name, told.get(name, math.nan)) for name in means))
    shown.add_section()
    shown.add_row("mean", *(_mean(name, each) for name, each in means.items()))
    return shown


def _number(name: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if name in COUNTS else f"{value:.3f}"


def _mean(name: str, found: Mapping[str, float | None]) -> str:
    value, low, high = found["value"], found["low"], found["high"]
    if value is None:
        return "-"
    if name in COUNTS or low is None or high is None:
        return f"{value:.1f}" if name in COUNTS else f"{value:.3f}"
    return f"{value:.3f} ({low:.3f} to {high:.3f})"
