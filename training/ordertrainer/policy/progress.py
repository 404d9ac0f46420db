"""How far a training is, for whoever waits for it: a bar on a terminal, lines elsewhere. Pure; rich."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ordertrainer.policy.imitate import PARTS
from ordertrainer.policy.iterations import Bounds


class Screen:
    """Shows one bar, and a line for what is finished."""

    def __init__(self, progress: Progress, task: TaskID, parts: Sequence[str], told: Callable[[dict[str, Any]], str]) -> None:
        """Show on a bar that runs to 1.

        Args:
            progress: on the screen.
            task: the bar.
            parts: of an iteration, in order.
            told: makes one line of how an iteration ended.
        """
        self._progress, self._task, self._parts, self._told = progress, task, parts, told
        self._bounds, self._began_s = Bounds(), time.monotonic()

    def begin(self, bounds: Bounds, seconds: float) -> None:
        """Begin to count, what was done before an interruption included."""
        self._bounds, self._began_s = bounds, time.monotonic() - seconds

    def part(self, what: str, iteration: int, share: float) -> None:
        """Show which part of an iteration is being done; the bar follows whichever bound is nearer."""
        by_count = (iteration + (self._parts.index(what) + share) / len(self._parts)) / self._bounds.iterations
        by_time = (time.monotonic() - self._began_s) / (60.0 * self._bounds.minutes)
        self._progress.update(self._task, completed=min(1.0, max(by_count, by_time)), what=f"iteration {iteration}, {what}")

    def ask(self, what: str, share: float) -> None:
        """Show which part of an exam is being done."""
        self._progress.update(self._task, completed=share, what=what)

    def line(self, said: dict[str, Any]) -> None:
        """Print how an iteration ended."""
        self.note(self._told(said))

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(text, highlight=False, soft_wrap=True)


def summary(said: dict[str, Any]) -> str:
    """Return one line about an iteration."""
    suites = ", ".join(f"{name} settled {scored['settled']:.3f}" for name, scored in said["suites"].items())
    return (
        f"iteration {said['iteration']:3d}  moments {said['moments']:6d}  loss {said['loss_action']:.4f}  {suites}  "
        f"worth {said['worth']:.3f}  {said['seconds']:.1f} s"
    )


@contextmanager
def screen(
    title: str, console: Console, parts: Sequence[str] = PARTS, told: Callable[[dict[str, Any]], str] = summary
) -> Generator[Screen]:
    """Show progress on standard error while something is done; the last two arguments as of `Screen`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[what]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Screen(progress, progress.add_task(title, total=1.0, what=""), parts, told)
