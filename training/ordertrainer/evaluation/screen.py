"""How far an evaluation is, on standard error. Pure; rich."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

Tick = Callable[[str, float], None]


@contextmanager
def screen(console: Console) -> Generator[Callable[[str], Tick]]:
    """Show a bar while something is done; what is yielded makes a ``tick`` for each part of the work.

    Args:
        console: of standard error.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[what]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:

        def begin(part: str) -> Tick:
            task = progress.add_task(part, total=1.0, what="")
            if not console.is_terminal:
                console.print(part, highlight=False)
            return lambda what, share: progress.update(task, completed=share, what=what)

        yield begin
