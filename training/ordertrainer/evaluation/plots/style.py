"""One look for all pictures, and how they become files. Touches one folder; imports matplotlib without a display."""

import io
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from ordertrainer.files import write_durably

INK: Final = "#222222"
MAIN: Final = "#1f5fa8"
OTHER: Final = "#b4531f"
CALM: Final = "#9aa5b1"
COLOURS: Final = (MAIN, OTHER, "#4c8c4a", "#7a5195", "#8c8c8c", "#c2a33a")
"""Told apart also in grey; used in this order."""

_STYLE: Final[dict[str, Any]] = {
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "grid.color": "#e3e6ea",
    "legend.frameon": False,
    "svg.fonttype": "none",
    # Names inside the file are drawn from this, not from chance: equal figures give equal files.
    "svg.hashsalt": "orderd",
}


@contextmanager
def picture(width: float, height: float) -> Generator[Figure]:
    """Yield a figure of so many inches, in the common style."""
    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(width, height))


def saved(figure: Figure, file: Path) -> Path:
    """Write a figure as SVG, in one step, and return the file."""
    content = io.BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    file.parent.mkdir(parents=True, exist_ok=True)
    write_durably(file, content.getvalue())
    return file
