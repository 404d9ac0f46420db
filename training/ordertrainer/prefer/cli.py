"""`ordertrainer compare` and `ordertrainer prefer`: ask people, and learn the weights of costs from what they say."""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
import typer
from rich.console import Console

from orderd.errors import CatalogueError
from ordertrainer import heldout
from ordertrainer.chaos.catalogue import load_faults
from ordertrainer.costs import Costs, CostsError, read_costs, write_costs
from ordertrainer.files import write_json
from ordertrainer.policy.playbooks import Playbooks, load_playbooks
from ordertrainer.policy.progress import screen
from ordertrainer.policy.seeds import seed_of
from ordertrainer.prefer.answers import AnswersFile, read_answers
from ordertrainer.prefer.belief import beforehand, learn
from ordertrainer.prefer.comparisons import comparisons
from ordertrainer.prefer.errors import PreferError
from ordertrainer.prefer.habits import BLIND
from ordertrainer.prefer.keys import SAID, WORDS, Key, Keys
from ordertrainer.prefer.plans import draw_scenes
from ordertrainer.prefer.ratings import RATING_WEIGHT, Carried, carried
from ordertrainer.prefer.received import ratings_in
from ordertrainer.prefer.report import agreement, figures, turned, ways
from ordertrainer.prefer.scenes import Scene
from ordertrainer.prefer.session import Session
from ordertrainer.prefer.show import counted, progress, show_question, show_report, show_turned, show_ways
from ordertrainer.prefer.words import Words
from ordertrainer.sim.catalogue import PLAYBOOKS

INTERRUPTED: Final = 130
ENOUGH: Final = 100
ERRORS: Final = Console(stderr=True, soft_wrap=True, highlight=False)
OUTPUT: Final = Console(width=140, soft_wrap=True, highlight=False)

CostsFile = Annotated[Path | None, typer.Option("--costs", help="Weights in force (TOML, [costs]); the defaults without.")]
Scenes = Annotated[int, typer.Option(min=1, help="Simulated hosts to ask about.")]
Json = Annotated[Path | None, typer.Option("--json", help="Also write every figure here.")]


def compare(
    *,
    answers: Annotated[Path, typer.Option(help="File of answers, one a line; what is there is gone on with.")],
    count: Annotated[int, typer.Option(min=1, help="Stop when the file holds so many answers.")] = ENOUGH,
    costs: CostsFile = None,
    scenes: Scenes = 32,
    seed: Annotated[int, typer.Option(help="Of the hosts.")] = 0,
    json_file: Json = None,
) -> None:
    """Ask a person which of two plans is better, about that of which least is known; keys: a, b, equal, skip, quit."""
    with _refusals(f"every answer is kept in {answers}; the same command goes on"):
        keys, prior = Keys(sys.stdin), beforehand(_costs(costs))
        with AnswersFile.opened(answers) as kept:
            playbooks = _playbooks()
            found = _scenes(playbooks, scenes, seed_of(seed, "compare", len(kept.answers)))
            session = Session(kept, found, prior, np.random.default_rng(seed_of(seed, "ask", len(kept.answers))))
            _ask(session, keys, _words(playbooks), count)
            report = figures(prior, session.belief, comparisons(kept.answers))
    _write(json_file, report)
    ERRORS.print(
        f"{counted(session.answers)} in {answers}; `ordertrainer prefer --answers {answers} --out costs.toml` learns from them"
    )


def prefer(
    *,
    answers: Annotated[
        list[Path], typer.Option(help="File of answers of `ordertrainer compare`; may be given more than once.")
    ] = [],  # noqa: B006  typer copies it
    ratings: Annotated[
        list[Path], typer.Option(help="A journal, or a data directory of `ordertrainer serve`: what `orderctl rate` said.")
    ] = [],  # noqa: B006  as above
    costs: CostsFile = None,
    out: Annotated[Path | None, typer.Option(help="Write the learned weights here (TOML), for --costs.")] = None,
    scenes: Annotated[int, typer.Option(min=0, help="Show on so many simulated hosts what is decided otherwise.")] = 0,
    seed: Annotated[int, typer.Option(help="Of these hosts.")] = 0,
    json_file: Json = None,
) -> None:
    """Learn the weights of costs from what people preferred, and show what that changes."""
    with _refusals("nothing was written"):
        prior = beforehand(_costs(costs))
        found = [answer for file in answers for answer in read_answers(file)]
        rated = _rated(ratings)
        said = comparisons(found, rated.answers, RATING_WEIGHT)
        if not len(said):
            raise PreferError("there is no answer to learn from; `ordertrainer compare --answers FILE` asks for some")
        belief = learn(prior, said)
        report = figures(prior, belief, said) | {
            "asked": len(comparisons(found)),
            "ratings": len(rated.answers),
            "ratings_that_say_nothing": rated.nothing,
            "agreement": agreement(prior, comparisons(found), comparisons([], rated.answers, RATING_WEIGHT)),
        }
        show_report(OUTPUT, report)
        if scenes:
            report["decisions"] = _show_decisions(prior.costs, belief.costs, scenes, seed)
        if out is not None:
            write_costs(out, belief.costs, _about(report, costs))
            ERRORS.print(f"{out} holds the weights")
        _write(json_file, report)


def _ask(session: Session, keys: Keys, words: Words, count: int) -> None:
    """Ask until there are enough answers, nothing is left to ask, or it is enough for the person."""
    while session.answers < count and (asked := session.next()) is not None:
        show_question(OUTPUT, asked, words, session.answers + 1, count)
        key = _key(keys)
        if key is Key.QUIT:
            return
        session.say(asked, SAID[key], words)
        ERRORS.print(progress(session.answers, session.belief), style="dim")


def _key(keys: Keys) -> Key:
    while True:
        typer.echo(f"{WORDS}? ", nl=not keys.terminal)
        if (key := keys.read()) is not None:
            return key


def _show_decisions(before: Costs, after: Costs, count: int, seed: int) -> dict[str, Any]:
    """Show what is decided otherwise, and return it."""
    playbooks = _playbooks()
    scenes = _scenes(playbooks, count, seed_of(seed, "prefer"))
    told, cases = ways(scenes, BLIND, before, after), turned(scenes, before, after)
    show_ways(OUTPUT, told, len(scenes))
    show_turned(OUTPUT, cases, _words(playbooks), (before, after))
    return {"hosts": len(scenes), "hosts_with_plans_that_turned": len(cases), "ways": told}


def _about(report: dict[str, Any], costs: Path | None) -> Sequence[str]:
    moved = [name for name, row in report["weights"].items() if row["moved"]]
    return (
        f"Weights of costs, in seconds of trouble; `ordertrainer prefer`, {datetime.now(UTC):%Y-%m-%d}.",
        f"From {counted(report['asked'])} and {counted(report['ratings'], 'rating')}; before: {costs or 'the defaults'}.",
        f"Moved, by 95 %: {', '.join(moved) or 'none'}.",
    )


def _rated(sources: Sequence[Path]) -> Carried:
    if not sources:
        return Carried(answers=[], nothing={})
    return carried([rated for source in sources for rated in ratings_in(source)], load_playbooks().repairs)


def _playbooks() -> Playbooks:
    torch.set_num_threads(1)
    return load_playbooks()


def _words(playbooks: Playbooks) -> Words:
    return Words(faults=load_faults(PLAYBOOKS / "faults").faults, repairs=playbooks.repairs, layout=playbooks.world.layout)


def _scenes(playbooks: Playbooks, count: int, seed: int) -> list[Scene]:
    with screen("plans", ERRORS) as shown:
        return draw_scenes(playbooks.world, heldout.load(), count, seed, lambda share: shown.ask(f"{count} hosts", share))


def _costs(file: Path | None) -> Costs:
    return Costs() if file is None else read_costs(file)


@contextmanager
def _refusals(kept: str) -> Generator[None]:
    """Turn refusals and Ctrl-C into a line and an exit status."""
    try:
        yield
    except (CatalogueError, CostsError, PreferError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interruption:
        typer.echo(f"\ninterrupted; {kept}", err=True)
        raise typer.Exit(INTERRUPTED) from interruption


def _write(file: Path | None, report: dict[str, Any]) -> None:
    if file is not None:
        write_json(file, report)
