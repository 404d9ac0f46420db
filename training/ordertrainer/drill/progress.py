"""What a drill says while it runs: a live table in a terminal, plain lines anywhere else.

Touches: the terminal.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
STYLES: Final = {"repaired": "green", "left_alone": "cyan", "escalated": "yellow", "failed": "bold red", "void": "dim"}


class Progress(Protocol):
    """Somebody who wants to know how a drill is getting on."""

    def step(self, text: str) -> None:
        """Hear that a step of the preparation or the clean-up begins."""

    def run_begins(self, number: int, total: int, fault: str) -> None:
        """Hear that a run begins."""

    def phase(self, text: str) -> None:
        """Hear that a phase of the run begins."""

    def run_ends(self, run: Run) -> None:
        """Hear what came of it."""


class Lines:
    """Plain lines: one a step, one a run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._at = ""

    def step(self, text: str) -> None:
        """Print the step."""
        self._console.print(text, highlight=False, markup=False)

    def run_begins(self, number: int, total: int, fault: str) -> None:
        """Remember where the drill is."""
        self._at = f"[{number}/{total}] {fault_words(fault)}"

    def phase(self, text: str) -> None:
        """Say nothing: a log wants results."""

    def run_ends(self, run: Run) -> None:
        """Print the result of the run."""
        healthy = f", healthy after {run.seconds.healthy:.2f} s" if run.outcome == "repaired" and run.seconds.healthy else ""
        why = f": {run.reason}" if run.reason else ""
        line = f"{self._at}: {target_words(run.target)}: {run.outcome.replace('_', ' ')}{healthy}{why}"
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


class Screen:
    """A live table of what is done, and below it what is happening now, for how long."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._runs: list[Run] = []
        self._where = ""
        self._now = Spinner("dots", "")
        self._since = time.monotonic()

    def step(self, text: str) -> None:
        """Show the step."""
        self._where = ""
        self._show(text)

    def run_begins(self, number: int, total: int, fault: str) -> None:
        """Show the run."""
        self._where = f"{number}/{total}  {fault_words(fault)}  "

    def phase(self, text: str) -> None:
        """Show the phase."""
        self._show(text)

    def run_ends(self, run: Run) -> None:
        """Add the run to the table."""
        self._runs.append(run)
        self._show("")

    def __rich__(self) -> Group:
        elapsed = f"  {time.monotonic() - self._since:.0f} s"
        self._now.update(text=Text.assemble((self._where, "bold"), self._text, (elapsed, "dim")))
        return Group(table(self._runs, self._live.console.width), self._now) if self._runs else Group(self._now)

    _text = ""

    def _show(self, text: str) -> None:
        self._text, self._since = text, time.monotonic()


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
        "fault": Text(fault_words(run.fault) + (" (decoy)" if run.decoy else "")),
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
