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
    """Draw how many hosts each generation of order settles under each generation of chaos.

    Args:
        told: rows (order), columns (chaos), settled [row][column] from 0 to 1.
        file: to write.
    """
    settled = np.array([[np.nan if cell is None else cell for cell in row] for row in told["settled"]], np.float64)
    rows, columns = ([str(name) for name in told[key]] for key in ("rows", "columns"))
    with picture(3.0 + _CELL_IN * 1.3 * len(columns), 2.0 + _CELL_IN * len(rows)) as figure:
        axes = figure.subplots()
        _shaded(axes, settled, rows, columns)
        axes.set_xlabel("chaos")
        axes.set_ylabel("order")
        axes.set_title("share of hosts settled, generation against generation")
        return saved(figure, file)


def _shaded(axes: Axes, shares: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]) -> None:
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(visible=False)
    for row, column in np.ndindex(shares.shape):
        share = shares[row, column]
        if np.isfinite(share) and share > 0:
            colour = "white" if share > _DARK else "black"
            axes.text(column, row, f"{share:.2f}".lstrip("0"), ha="center", va="center", color=colour, fontsize=7)
