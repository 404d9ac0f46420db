"""How trainings say no: refusals and Ctrl-C become a line and an exit status. Writes to standard error."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import typer

from orderd.errors import CatalogueError
from ordertrainer.heldout import HeldOutError
from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.policy.iterations import LAST

REFUSED: Final = 2
INTERRUPTED: Final = 130


@contextmanager
def refusals(out: Path, *errors: type[Exception]) -> Generator[None]:
    """Tell of what was refused, and after Ctrl-C what is kept.

    Args:
        out: folder of the training, or of one folder a seed.
        errors: that are refusals too, beside those every training has.
    """
    try:
        yield
    except (CatalogueError, CheckpointError, HeldOutError, ValueError, *errors) as error:
        for note in getattr(error, "__notes__", ()):
            typer.echo(note, err=True)
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(REFUSED) from error
    except KeyboardInterrupt as interruption:
        kept = [*out.glob(LAST), *sorted(out.glob(f"seed-*/{LAST}"))]
        what = f"{', '.join(map(str, kept))} holds the last iteration; --resume goes on with it" if kept else "nothing is kept"
        typer.echo(f"interrupted; {what}", err=True)
        raise typer.Exit(INTERRUPTED) from interruption
