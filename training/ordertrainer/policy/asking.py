"""What the verbs that train policies ask for and show alike: options, trainings of several seeds, tables. Imports torch; rich."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer
from rich.console import Console

from ordertrainer import tracking
from ordertrainer.fanout import Task, fan_out, sealed
from ordertrainer.fanout.addresses import HELP as RAY_HELP
from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.policy.following import Following
from ordertrainer.policy.overseeds import Figures, figures
from ordertrainer.policy.overseeds import table as seeds_table
from ordertrainer.policy.progress import screen, summary
from ordertrainer.policy.several import begun, folder
from ordertrainer.policy.sitting import Machine
from ordertrainer.policy.tables import family_table, suite_table

ERRORS: Final = Console(stderr=True)
OUTPUT: Final = Console(width=160, soft_wrap=True)

Threads = Annotated[int, typer.Option(min=1, help="CPU threads; more than one is slower on busy machines.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Seeds = Annotated[str, typer.Option(metavar="A,B", help="Train from each of these seeds, in a folder of its own below --out.")]
Ray = Annotated[str | None, typer.Option(metavar="ADDRESS", help=RAY_HELP)]
Mlflow = Annotated[str | None, typer.Option(metavar="URI", help=tracking.HELP)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How trainings of several seeds are shown; as imitations, unless it is said otherwise.

    Attributes:
        title: what is being done.
        line: makes one line of how an iteration ended.
        compared: returns the figures of one seed.
    """

    title: str = "imitation"
    line: Callable[[dict[str, Any]], str] = summary
    compared: Figures = figures


IMITATION: Final = Manner()


def machine_of(threads: int, device: str) -> Machine:
    """Return how it is computed.

    Args:
        threads: of a CPU.
        device: auto, cpu or cuda.
    """
    return Machine(device=("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device, threads=threads)


def several(seeds: str, ray: str | None) -> bool:
    """Tell whether several seeds are asked for.

    Raises:
        ValueError: a cluster is, but nothing that it could do.
    """
    if ray is not None and not seeds:
        raise ValueError("--ray: there is nothing to fan out but the trainings of several seeds; name them with --seeds A,B")
    return bool(seeds)


def from_seeds(
    tasks: Callable[[Sequence[int], Path], list[Task[dict[str, Any]]]],
    out: Path,
    seeds: str,
    ray: str | None,
    *,
    resume: bool,
    manner: Manner = IMITATION,
) -> list[dict[str, Any]]:
    """Train from each seed, and show what each came to.

    Args:
        tasks: makes a task of each seed; its other argument is the seal of their folder.
        out: the folder of theirs.
        seeds: as asked for.
        ray: address of a cluster, None for this process.
        resume: whether trainings that are there go on.
        manner: how they are shown.

    Raises:
        CheckpointError: there are some, and they shall not.
    """
    numbers = numbers_of(seeds)
    if not resume and (there := begun(out, numbers)):
        raise CheckpointError(f"{there[0]}: holds a training; --resume goes on with it, another --out begins anew")
    folders = {f"seed {number}": folder(out, number) for number in numbers}
    with screen(manner.title, ERRORS) as shown, sealed(out) as seal:
        following = Following(folders, lambda name, line: shown.note(f"{name}: {manner.line(line)}"))

        def tick(what: str, share: float) -> None:
            shown.ask(what, share)
            following.look()

        found = fan_out(tasks(numbers, seal), address=ray, tick=tick)
        following.look(now=True)
    OUTPUT.print(seeds_table(found, manner.compared))
    return found


def numbers_of(seeds: str) -> list[int]:
    """Return the seeds of a list with commas, once each.

    Raises:
        ValueError: one is no whole number from 0 on.
    """
    named = [name.strip() for name in seeds.split(",") if name.strip()]
    if not named or not all(name.isascii() and name.isdigit() for name in named):
        raise ValueError(f"--seeds {seeds}: whole numbers from 0 on, separated by commas")
    return list(dict.fromkeys(map(int, named)))


def show(report: dict[str, Any]) -> None:
    """Print the tables of an exam."""
    for name, found in report["suites"].items():
        OUTPUT.print(suite_table(name, found["scores"]), "")
    if any(found["single"] for found in report["suites"].values()):
        policies = list(next(iter(report["suites"].values()))["scores"])
        OUTPUT.print(family_table(report, policies))
