"""What a drill says while it runs: a live table in a terminal, plain lines anywhere else.

Touches: the terminal.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ordertrainer.drill.instrument import HELD
from ordertrainer.drill.result import Drill, Run, passed
from ordertrainer.drill.words import fault_words, summary_words, target_words

PLAIN_WIDTH: Final = 170
WIDTH_FOR_STEPS, WIDTH_FOR_REPAIRS, WIDTH_FOR_TARGETS = 158, 126, 92
TABLE_ROWS_MIN: Final = 5
STYLES: Final = {
    "repaired": "green",
    "left_alone": "cyan",
    "escalated": "yellow",
    "failed": "bold red",
    "void": "dim",
    "not_seen": "magenta",
}


class Progress(Protocol):
    """Somebody who wants to know how a drill is getting on; hosts tell from threads of their own."""

    def step(self, text: str) -> None:
        """Hear that a step of the preparation or the clean-up begins."""

    def begins(self, text: str, host: str) -> None:
        """Hear that a host is being made ready."""

    def run_begins(self, number: int, total: int | None, fault: str, host: str) -> None:
        """Hear that a host begins an item of the plan; `total` is None for a plan without an end."""

    def phase(self, text: str, host: str) -> None:
        """Hear that a phase of what the host is at begins."""

    def run_ends(self, run: Run, host: str) -> None:
        """Hear what came of a run."""


class Lines:
    """Plain lines: one a step, one a run; with the host's name where there are several."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._at: dict[str, str] = {}
        self._hosts: set[str] = set()

    def step(self, text: str) -> None:
        """Print the step."""
        self._console.print(text, highlight=False, markup=False)

    def begins(self, text: str, host: str) -> None:
        """Print that the host is being made ready."""
        self._hosts.add(host)
        self.step(f"{host}: {text}")

    def run_begins(self, number: int, total: int | None, fault: str, host: str) -> None:  # noqa: ARG002  its end says which
        """Remember where the host is."""
        self._at[host] = f"[{number}/{total or '?'}] "

    def phase(self, text: str, host: str) -> None:
        """Say nothing: a log wants results."""

    def run_ends(self, run: Run, host: str) -> None:
        """Print the result of the run."""
        healthy = f", healthy after {run.seconds.healthy:.2f} s" if run.outcome == "repaired" and run.seconds.healthy else ""
        why = f": {run.reason}" if run.reason else ""
        where = f"{host}: " if len(self._hosts) > 1 else ""
        line = f"{self._at[host]}{where}{fault_words(run.fault)}: {target_words(run.target)}: "
        line += f"{run.outcome.replace('_', ' ')}{healthy}{why}"
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


@dataclass(slots=True)
class _Row:
    """What one host is at, and since when."""

    where: str = ""
    text: str = ""
    since: float = field(default_factory=time.monotonic)
    spinner: Spinner = field(default_factory=lambda: Spinner("dots", ""))

    def show(self, text: str) -> None:
        """Begin something else."""
        self.text, self.since = text, time.monotonic()

    def drawn(self, name: str) -> Spinner:
        """Return the row as it is now."""
        elapsed = f"  {time.monotonic() - self.since:.0f} s"
        self.spinner.update(text=Text.assemble((name, "cyan"), (self.where, "bold"), self.text, (elapsed, "dim")))
        return self.spinner


class Screen:
    """A live table of what is done, and below it a row a host with what it is at, for how long."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._runs: list[Run] = []
        self._done = 0
        self._own = _Row()
        self._rows: dict[str, _Row] = {}
        self._turn = threading.Lock()

    def step(self, text: str) -> None:
        """Show the step."""
        with self._turn:
            self._own.show(text)

    def begins(self, text: str, host: str) -> None:
        """Give the host a row."""
        self.phase(text, host)

    def run_begins(self, number: int, total: int | None, fault: str, host: str) -> None:
        """Show what the host begins."""
        with self._turn:
            self._rows.setdefault(host, _Row()).where = f"{number}/{total or '?'}  {fault_words(fault)}  "

    def phase(self, text: str, host: str) -> None:
        """Show the phase."""
        with self._turn:
            self._rows.setdefault(host, _Row()).show(text)

    def run_ends(self, run: Run, host: str) -> None:
        """Add the run to the table."""
        with self._turn:
            self._runs.append(run)
            self._rows[host].where = ""
            self._rows[host].show("")

    def __rich__(self) -> Group:
        with self._turn:
            rows, shown = dict(self._rows), self._runs[-max(TABLE_ROWS_MIN, self._live.console.height - len(self._rows) - 4) :]
            lines = [row.drawn(f"{host}  " if len(rows) > 1 else "") for host, row in rows.items()]
        return Group(*([table(shown, self._live.console.width)] if shown else []), *(lines or [self._own.drawn("")]))


@contextmanager
def showing(console: Console) -> Iterator[Progress]:
    """Yield the progress that suits the terminal."""
    if not console.is_terminal:
        yield Lines(console)
        return
    live = Live(console=console, refresh_per_second=10, transient=True)
    screen = Screen(live)
    live.update(screen)
    # The refreshing thread must not be the one a signal finds, see `instrument`.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    live.start()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield screen
    finally:
        live.stop()


def console() -> Console:
    """Return the console a drill prints to; wide enough for its table where there is no terminal to ask."""
    found = Console()
    return found if found.is_terminal else Console(width=PLAIN_WIDTH)


def table(runs: Sequence[Run], width: int) -> Table:
    """Return the runs as a table; a narrow terminal gets fewer columns rather than broken ones."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    titles = ["fault", *(["target"] if width >= WIDTH_FOR_TARGETS else []), "outcome", "orderd said"]
    titles += ["repair"] if width >= WIDTH_FOR_REPAIRS else []
    numbers = ["seen", "decided", "repaired", "healthy"] if width >= WIDTH_FOR_STEPS else ["healthy"]
    for title in titles:
        shown.add_column(title, no_wrap=True)
    for title in numbers:
        shown.add_column(title, justify="right", no_wrap=True)
    for run in runs:
        cells = _cells(run)
        shown.add_row(*(cells[title] for title in (*titles, *numbers)))
    return shown


def _cells(run: Run) -> dict[str, Text]:
    said = f"{run.diagnosis.failure} {run.diagnosis.probability:.2f} {run.diagnosis.source}" if run.diagnosis else "-"
    outcome = Text(run.outcome.replace("_", " "), style=STYLES[run.outcome])
    if run.touched_healthy:
        outcome.append(" +touched healthy", style="bold red")
    seconds = {
        "seen": run.seconds.detected,
        "decided": run.seconds.decided,
        "repaired": run.seconds.repaired,
        "healthy": run.seconds.healthy,
    }
    return {
        "fault": Text(fault_words(run.fault) + (" (decoy)" if run.decoy and run.fault != "quiet" else "")),
        "target": Text(target_words(run.target)),
        "outcome": outcome,
        "orderd said": Text(said),
        "repair": Text(run.repair.name if run.repair else "-"),
    } | {title: Text("-" if value is None else f"{value:.2f} s") for title, value in seconds.items()}


def conclude(to: Console, drill: Drill, files: Sequence[Path]) -> None:
    """Print the table, what it adds up to, and where the files are."""
    to.print()
    to.print(table(drill.runs, to.width))
    for run in drill.runs:
        if run.reason:
            to.print(Text(f"{run.fault}: {run.reason}", style=STYLES[run.outcome]), soft_wrap=True)
        for leftover in run.residue:
            to.print(Text(f"{run.fault}: left on the host: {leftover}", style="yellow"), soft_wrap=True)
    to.print()
    to.print(Text(summary_words(drill), style="bold green" if passed(drill) else "bold red"))
    for file in files:
        to.print(f"  {file}", highlight=False, markup=False, soft_wrap=True)
