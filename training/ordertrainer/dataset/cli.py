"""`ordertrainer dataset`: what a data directory holds. Reads the directory, writes the terminal."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ordertrainer.dataset.digest import digest
from ordertrainer.dataset.errors import DatasetError
from ordertrainer.dataset.labels import SPLITS, read_labels
from ordertrainer.dataset.windows import iter_windows

QUIET = "(quiet)"


@dataclass(slots=True, kw_only=True)
class _Line:
    """One fault's counts."""

    runs: Counter[str] = field(default_factory=Counter[str])
    windows: int = 0
    wrong: int = 0
    seen: set[str] = field(default_factory=set[str])


def dataset(directory: Annotated[Path, typer.Argument(help="Data directory of `ordertrainer serve` or `collect`.")]) -> None:
    """Show what a data set holds: runs per fault and split, windows, hosts."""
    try:
        lines = _count(directory)
    except DatasetError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    Console().print(_table(lines))
    hosts = {label.host_id for label in read_labels(directory)}
    typer.echo(f"{len(hosts)} hosts; sha256 {digest(directory)}")


def _count(directory: Path) -> dict[str, _Line]:
    lines: dict[str, _Line] = {}
    for label in read_labels(directory):
        lines.setdefault(label.fault or QUIET, _Line()).runs[label.split] += 1
    for labelled in iter_windows(directory):
        line = lines.setdefault(labelled.label.fault or QUIET, _Line())
        line.windows += 1
        line.wrong += labelled.wrong
        if labelled.injected or not labelled.label.fault:
            line.seen.add(labelled.label.run_id)
    return lines


def _table(lines: dict[str, _Line]) -> Table:
    table = Table(caption="windows: judged ones; unseen: runs without one window in which the fault shows")
    table.add_column("fault")
    for name in (*(f"{split} runs" for split in SPLITS), "windows", "wrong", "unseen"):
        table.add_column(name, justify="right")
    for fault, line in sorted(lines.items()):
        unseen = line.runs.total() - len(line.seen)
        counts = (*(line.runs[split] for split in SPLITS), line.windows, line.wrong, unseen)
        table.add_row(fault, *(str(count) for count in counts))
    return table
