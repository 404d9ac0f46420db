"""An exam for people: one table a suite, every policy in a row. Pure; rich."""

from collections.abc import Mapping
from typing import Any, Final

from rich.table import Table

Report = Mapping[str, Any]

COLUMNS: Final = {
    "settled": "settled",
    "repaired": "repaired",
    "repaired_within_3": "within 3",
    "called_wrongly": "called wrongly",
    "harmful_per_host": "harmful / host",
    "hosts_touched_healthy": "touched healthy",
    "calm_hosts_touched": "calm: touched",
    "calm_hosts_called": "calm: called",
}
WITH_INTERVAL: Final = frozenset({"settled", "calm_hosts_touched"})


def suite_table(name: str, policies: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the table of one suite; columns that nobody has a number for are left out.

    Args:
        name: of the suite.
        policies: figures of each, as ``exam.plain`` gives them.
    """
    shown = {key: title for key, title in COLUMNS.items() if any(row[key]["value"] is not None for row in policies.values())}
    hosts = max((row[key]["hosts"] for row in policies.values() for key in shown), default=0)
    table = Table(title=f"{name} ({hosts} hosts)", title_justify="left", title_style="bold", show_edge=False)
    table.add_column("policy")
    for title in shown.values():
        table.add_column(title, justify="right")
    for policy, row in policies.items():
        table.add_row(policy, *(_cell(key, row[key]) for key in shown))
    return table


def family_table(report: Report, policies: list[str]) -> Table:
    """Return settled hosts of single faults by group of families, all suites of the report together."""
    rows: dict[str, dict[str, list[float]]] = {}
    for suite in report["suites"].values():
        for policy, families in suite["families"].items():
            for family, found in families.items():
                if family.startswith("group ") and suite["single"]:
                    counted = rows.setdefault(family.removeprefix("group "), {}).setdefault(policy, [0.0, 0.0])
                    counted[0] += found["settled"]
                    counted[1] += found["hosts"]
    table = Table(title="single faults settled, by group", title_justify="left", title_style="bold", show_edge=False)
    table.add_column("group")
    for policy in policies:
        table.add_column(policy, justify="right")
    for group, counted in sorted(rows.items()):
        table.add_row(group, *(_share(*counted.get(policy, (0.0, 0.0))) for policy in policies))
    return table


def _cell(key: str, score: Mapping[str, Any]) -> str:
    if score["value"] is None:
        return "-"
    text = f"{score['value']:.3f}"
    return f"{text} ({score['low']:.3f} to {score['high']:.3f})" if key in WITH_INTERVAL else text


def _share(settled: float, hosts: float) -> str:
    return f"{settled / hosts:.2f} of {hosts:.0f}" if hosts else "-"
