"""What was scored of pretrained weights, for people: tables. Pure; rich."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def summary(said: dict[str, Any]) -> str:
    """Return one line about an iteration."""
    sets = ", ".join(f"{name} {bits:.4f}" for name, bits in said["sets"].items())
    return (
        f"iteration {said['iteration']:3d}  learned at {said['learned_bits']:.4f} bits a value  {sets}  {said['seconds']:.1f} s"
    )


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print everything that was scored."""
    for name, told in found["hosts"].items():
        console.print(host_table(f"{name} hosts ({told['courses']}, {told['values']} values)", told["bits_per_value"]), "")
    for told in found["foreign"]:
        console.print(foreign_table(told), "")
    console.print(novelty_table(found["novelty"]), "")


def host_table(title: str, rows: Mapping[str, Mapping[str, float]]) -> Table:
    """Return bits a value on hosts, everybody in a row."""
    table = _table(title, "who tells", "bits a value", "95 %, by host")
    for name, row in rows.items():
        table.add_row(name, f"{row['bits']:.4f}", f"{row['low']:.4f} to {row['high']:.4f}" if "low" in row else "-")
    return table


def foreign_table(told: Mapping[str, Any]) -> Table:
    """Return bits a value on foreign telemetry, everybody in a row."""
    title = f"{told['name']} ({told['streams']} streams, {told['values']} values)"
    table = _table(title, "who tells", "fitted to", "bits a value", "if all 256 codes were in use")
    for name, row in told["rows"].items():
        every = f"{row['bits_of_256']:.3f}" if "bits_of_256" in row else "-"
        table.add_row(name, row["fitted_to"], f"{row['bits']:.3f}", every)
    return table


def novelty_table(told: Mapping[str, Any]) -> Table:
    """Return how well surprise tells faulty from quiet hosts."""
    title = f"surprise against quiet hosts ({told['way']}, chosen on {told['chosen_on']})"
    table = _table(title, "hosts", "how many", "AUC", "95 %, by host")
    for name, row in told["against_quiet"].items():
        table.add_row(name, str(row["faulty"]), f"{row['auc']:.3f}", f"{row['low']:.3f} to {row['high']:.3f}")
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", show_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table
