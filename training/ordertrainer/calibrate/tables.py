"""The gap for people: tables, one before and after beside each other. Pure; rich."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich.table import Table

from ordertrainer.calibrate.gap import ALL, HEALTHY

Cells = Sequence[Mapping[str, Any]]
Key = tuple[str, str, str]
"""State, kind and signal of a figure."""
BEFORE: Final = "before"
AFTER: Final = "after"
NOTHING: Final = "same"
UNTOLD: Final = 0.5
"""The area where nothing differs."""


def summary_table(gap: Mapping[str, Cells]) -> Table:
    """Return one line for each kind of host and state: how well whole rows can be told apart, 0.5 being not at all."""
    table = _table("told apart by all signals of a row (0.5: not at all)", "state", "kind")
    return _filled(table, gap, lambda key: key[2] == ALL, lambda key: key[:2])


def signal_table(gap: Mapping[str, Cells]) -> Table:
    """Return one line for each signal of hosts in order."""
    table = _table("told apart by one signal, hosts in order", "kind", "signal")
    return _filled(table, gap, lambda key: key[0] == HEALTHY and key[2] != ALL, lambda key: key[1:])


def failing_table(gap: Mapping[str, Cells]) -> Table:
    """Return one line for each failure class and signal of what fails."""
    table = _table("told apart by one signal, what fails", "class", "kind", "signal")
    return _filled(table, gap, lambda key: key[0] != HEALTHY and key[2] != ALL, lambda key: key)


def difficulty_table(stages: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    """Return how well drills and simulator agree on which faults are hard."""
    table = _table("rank correlation of difficulty, drilled and simulated", "what")
    for name in (*stages, "faults"):
        table.add_column(name, justify="right")
    told = {stage: {row["what"]: row for row in rows} for stage, rows in stages.items()}
    for what in dict.fromkeys(row["what"] for rows in stages.values() for row in rows):
        rows = [told[stage].get(what) for stage in stages]
        table.add_row(what, *(_number(row, "rho") for row in rows), str(max(row["faults"] for row in rows if row)))
    return table


def means(gap: Mapping[str, Cells]) -> dict[str, dict[str, float]]:
    """Return the mean area over single signals of hosts in order, over those of failing ones, and over whole rows, by stage.

    What was asked at one stage alone is the same everywhere at the other: it tells nothing there.
    """
    groups: dict[str, Callable[[Mapping[str, Any]], bool]] = {
        "signals in order": lambda row: row["state"] == HEALTHY and row["signal"] != ALL,
        "signals failing": lambda row: row["state"] != HEALTHY and row["signal"] != ALL,
        "rows": lambda row: row["signal"] == ALL,
    }
    told = {stage: {_key(row): row["auc"] for row in cells} for stage, cells in gap.items()}
    asked = {name: {_key(row) for cells in gap.values() for row in cells if belongs(row)} for name, belongs in groups.items()}
    return {
        name: {stage: sum(areas.get(key, UNTOLD) for key in keys) / len(keys) for stage, areas in told.items()}
        for name, keys in asked.items()
        if keys
    }


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", show_edge=False)
    for name in columns:
        table.add_column(name)
    return table


def _filled(
    table: Table, gap: Mapping[str, Cells], wanted: Callable[[Key], bool], shown: Callable[[Key], Sequence[str]]
) -> Table:
    for name in (*gap, "windows", "runs"):
        table.add_column(name, justify="right")
    told = {stage: {_key(row): row for row in cells} for stage, cells in gap.items()}
    for key in dict.fromkeys(key for rows in told.values() for key in rows if wanted(key)):
        rows = [told[stage].get(key) for stage in told]
        first = next(row for row in rows if row)
        table.add_row(*shown(key), *(_number(row, "auc") for row in rows), str(first["windows"]), str(first["runs"]))
    return table


def _key(row: Mapping[str, Any]) -> Key:
    return row["state"], row["kind"], row["signal"]


def _number(row: Mapping[str, Any] | None, name: str) -> str:
    if row is None:
        return NOTHING
    return f"{row[name]:.2f} ({row['low']:.2f} to {row['high']:.2f})"
