"""A row a thing: seconds to healthy by fault, and what a simulated host shows against a real one. Imports matplotlib."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ordertrainer.evaluation.plots.style import CALM, MAIN, OTHER, picture, saved

_ROW_IN: Final = 0.2
_PART: Final = {"train": MAIN, "tune": CALM, "held": OTHER}
_WORDS: Final = {"train": "trained family", "tune": "tuning family", "held": "held-out family"}


def mttr(told: Mapping[str, Mapping[str, Any]], who: str, file: Path) -> Path:
    """Draw the median seconds from landing to healthy by fault, with intervals; faults never repaired are named at the edge.

    Args:
        told: seconds, repaired and runs by fault.
        who: decided.
        file: to write.
    """
    faults = sorted(told, key=lambda fault: told[fault]["seconds"]["value"] or float("inf"), reverse=True)
    most = max((row["seconds"]["value"] or 0.0 for row in told.values()), default=1.0)
    with picture(8.0, 1.6 + _ROW_IN * len(faults)) as figure:
        axes = figure.subplots()
        for place, fault in enumerate(faults):
            row = told[fault]
            value, low, high = (row["seconds"][key] for key in ("value", "low", "high"))
            colour = _PART[row["part"]]
            if value is None:
                axes.text(most, place, f"never in {row['runs']}", va="center", ha="right", color=colour, fontsize=7)
                continue
            if low is not None and high is not None:
                axes.plot((low, high), (place, place), color=colour, linewidth=1.2)
            axes.plot(value, place, "o", color=colour, markersize=4)
        axes.set_yticks(range(len(faults)), [f"{fault} ({told[fault]['repaired']} of {told[fault]['runs']})" for fault in faults])
        axes.set_ylim(-0.7, len(faults) - 0.3)
        if most > 0:
            axes.set_xscale("log")
        axes.set_xlabel("seconds from landing to healthy, median of the repaired (95 %)")
        axes.set_title(f"time to repair by fault, {who}")
        handles = [axes.plot([], [], "o", color=_PART[part])[0] for part in _PART]
        axes.legend(handles, [_WORDS[part] for part in _PART], loc="lower right", fontsize=7)
        return saved(figure, file)
