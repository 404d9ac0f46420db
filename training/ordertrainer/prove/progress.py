"""What a proving says while it runs: one line an item, and in a terminal below them what every host does now.

Touches: the terminal.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from ordertrainer.ground.signals import HELD
from ordertrainer.prove.matrix import SIGNS, STYLES, cure_cell, fault_cell
from ordertrainer.prove.plan import Item
from ordertrainer.prove.result import CureProof, FaultProof


class Lines:
    """One line an item; in a terminal also what goes on."""

    def __init__(self, console: Console, total: int, live: Live | None = None) -> None:
        """Begin with nothing done."""
        self._console = console
        self._total = total
        self._live = live
        self._done = 0
        self._now: dict[int, tuple[str, float]] = {}
        self._spinner = Spinner("dots", "")
        self._lock = threading.Lock()

    def step(self, text: str) -> None:
        """Print a step."""
        with self._lock:
            self._console.print(Text(text, style="dim"), soft_wrap=True)

    def phase(self, worker: int, item: Item, text: str) -> None:
        """Show what a host does; a log wants results only."""
        with self._lock:
            self._now[worker] = (f"{item.name}  {text}", time.monotonic())

    def done(self, worker: int, item: Item, proof: FaultProof | CureProof) -> None:
        """Print what came of an item."""
        with self._lock:
            self._done += 1
            self._now.pop(worker, None)
            self._console.print(self._line(item, proof), soft_wrap=True)

    def _line(self, item: Item, proof: FaultProof | CureProof) -> Text:
        cell = fault_cell(proof) if isinstance(proof, FaultProof) else cure_cell(proof)
        line = Text(f"[{self._done}/{self._total}] ", style="dim")
        line.append(f"{SIGNS[cell.state]} {item.name}", style=STYLES[cell.state])
        line.append(
            f" on {proof.target or item.experiment.target}: {cell.state}: {cell.words} ({proof.seconds:.1f} s)", style="default"
        )
        return line

    def __rich__(self) -> Group:
        with self._lock:
            now = [f"{text}  {time.monotonic() - since:.0f} s" for _, (text, since) in sorted(self._now.items())]
            words = f"{self._done}/{self._total}   " + "   |   ".join(now)
        self._spinner.update(text=words)
        return Group(self._spinner)


@contextmanager
def showing(console: Console, total: int) -> Iterator[Lines]:
    """Yield the progress that suits the terminal."""
    if not console.is_terminal:
        yield Lines(console, total)
        return
    live = Live(console=console, refresh_per_second=4, transient=True)
    lines = Lines(live.console, total, live)
    live.update(lines)
    # The refreshing thread must not be the one a signal finds.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    live.start()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield lines
    finally:
        live.stop()
