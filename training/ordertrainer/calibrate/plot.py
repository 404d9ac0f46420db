"""The gap as a picture: each signal's area under the curve, before and after fitting. Writes a file; imports matplotlib."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from ordertrainer.calibrate.gap import ALL, HEALTHY
from ordertrainer.calibrate.tables import AFTER, BEFORE, Cells


def draw(gap: Mapping[str, Cells], file: Path) -> None:
    """Draw signals of hosts in order, and whole rows, to a file whose ending says which format."""
    told = {stage: {_name(row): row for row in cells if _wanted(row)} for stage, cells in gap.items()}
    names = [name for name in told.get(AFTER, {}) if name in told.get(BEFORE, {})] or list(next(iter(told.values())))
    figure = Figure(figsize=(8, 1 + 0.2 * len(names)), layout="constrained")
    axes = figure.subplots()
    for stage, colour in ((BEFORE, "tab:orange"), (AFTER, "tab:blue")):
        rows = [(place, told[stage][name]) for place, name in enumerate(names) if name in told.get(stage, {})]
        places, areas = [place for place, _ in rows], [row["auc"] for _, row in rows]
        spread = [[max(0.0, row["auc"] - row["low"]) for _, row in rows], [max(0.0, row["high"] - row["auc"]) for _, row in rows]]
        axes.errorbar(areas, places, xerr=spread, fmt="o", markersize=4, linewidth=1, color=colour, label=stage)
    axes.axvline(0.5, color="grey", linewidth=1)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("recorded and simulated told apart (area under the curve; 0.5: not at all)")
    axes.legend(loc="lower right")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)


def _wanted(row: Mapping[str, object]) -> bool:
    return row["state"] == HEALTHY or row["signal"] == ALL


def _name(row: Mapping[str, object]) -> str:
    return f"{row['state']}: {row['kind']}" if row["signal"] == ALL else f"{row['kind']}: {row['signal']}"
