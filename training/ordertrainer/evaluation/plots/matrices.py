"""Matrices: what was said against what is true, and generations of order against generations of chaos. Imports matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ordertrainer.evaluation.plots.style import picture, saved

_DARK: Final = 0.55
_CELL_IN: Final = 0.42
_SHOWN_MIN: Final = 0.005


def confusion(told: Mapping[str, Any], who: str, file: Path) -> Path:
    """Draw the share of each true class that was called what.

    Args:
        told: classes, and counts [truth][guess].
        who: said so.
        file: to write.
    """
    counts, classes = np.array(told["counts"], np.float64), told["classes"]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    side = 2.6 + _CELL_IN * len(classes)
    with picture(side + 0.6, side) as figure:
        axes = figure.subplots()
        _shaded(axes, shares, [f"{name} ({n:.0f})" for name, n in zip(classes, counts.sum(axis=1), strict=True)], classes)
        axes.set_xlabel("called")
        axes.set_ylabel("true (verdicts)")
        axes.set_title(f"{who}: what is called what, share of each true class")
        return saved(figure, file)


def crossplay(told: Mapping[str, Any], file: Path) -> Path:
    """Draw the regret of each generation of order under each generation of chaos.

    Args:
        told: ``regret_s``, mean seconds by order and chaos.
        file: to write.
    """
    rows = list(told["regret_s"])
    columns = list(next(iter(told["regret_s"].values())))
    regret = np.array([[told["regret_s"][row][column] for column in columns] for row in rows], np.float64)
    with picture(3.0 + _CELL_IN * 1.3 * len(columns), 2.0 + _CELL_IN * len(rows)) as figure:
        axes = figure.subplots()
        _shaded(axes, regret, rows, columns)
        axes.set_xlabel("chaos")
        axes.set_ylabel("order")
        axes.set_title("regret in seconds, generation against generation")
        return saved(figure, file)


def _shaded(axes: Axes, values: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]) -> None:
    most = max(1.0, float(np.nanmax(values, initial=0.0)))
    axes.imshow(values, cmap="Blues", vmin=0.0, vmax=most, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(visible=False)
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        if np.isfinite(value) and value >= _SHOWN_MIN * most:
            words = f"{value:.2f}".lstrip("0") if most <= 1.0 else f"{value:.1f}"
            colour = "white" if value > _DARK * most else "black"
            axes.text(column, row, words, ha="center", va="center", color=colour, fontsize=7)
