"""Generations of an order model against chaos that evolves; one seeded, resumable loop. Imports torch; writes one folder.

    OUT/generation-NNN/   what was learned from the drills of a generation, as `ordertrainer.imitation.train` keeps it
    OUT/best.pt           the last generation's, as `ordertrainer export` and `evaluate` read it
    OUT/history.jsonl     one line a generation: how its drills ended before anything was learned from them

Each generation the model as it is keeps simulated hosts in order, chaos learns what it could not repair, and the model goes on
learning: recorded drills, even simulated ones, and what it has met so far. Nothing of the drills themselves is stored: all they
draw follows from the seed and from what the model was, so that who goes on after an interruption lives them again, to the bit.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ordertrainer.dataset import Examples
from ordertrainer.dataset.examples import joined
from ordertrainer.evolve.population import ARMS, Evolving
from ordertrainer.files import publish
from ordertrainer.harden.drills import drilled
from ordertrainer.heldout import HeldOut
from ordertrainer.imitation.checkpoint import net_of, read
from ordertrainer.imitation.train import BEST, Beside, Data, train
from ordertrainer.imitation.train import Settings as Training
from ordertrainer.policy.iterations import write_history
from ordertrainer.policy.playbooks import Playbooks

RATE: Final = 5e-4
"""A quarter of the rate of a training: it goes on, and what it meets is new to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to harden.

    Attributes:
        seed: of everything drawn.
        chaos: "population" or "uniform".
        generations: of drills and learning.
        rounds: of drills a generation; chaos learns after each.
        hosts: drills a round.
        share: of the windows of a step that come from these drills.
        training: of each generation, but for the seed.
    """

    seed: int = 0
    chaos: str = "population"
    generations: int = 3
    rounds: int = 4
    hosts: int = 96
    share: float = 0.25
    training: Training = field(default_factory=lambda: Training(epochs=4, patience=4, learning_rate=RATE))

    @property
    def drills(self) -> int:
        """Return how many drills there are in all."""
        return self.generations * self.rounds * self.hosts

    def command(self, data: Data) -> str:
        """Return what a person would type to do this again."""
        simulated, training = 0.0 if data.simulated is None else data.simulated.share, self.training
        learning = f"--epochs {training.epochs} --steps {training.steps} --rate {training.learning_rate:g}"
        return (
            f"ordertrainer harden --from out/train --data DATA --out out/hardened --seed {self.seed} --chaos {self.chaos} "
            f"--generations {self.generations} --rounds {self.rounds} --hosts {self.hosts} --share {self.share:g} "
            f"--simulated {simulated:g} {learning}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Who is told what.

    Attributes:
        say: one line about what is finished.
        tick: generation, and the share of its drills that is done.
    """

    say: Callable[[str], None]
    tick: Callable[[int, float], None]


def harden(  # noqa: PLR0917  what it is made of, in the order of use
    playbooks: Playbooks, held: HeldOut, data: Data, start: Path, out: Path, settings: Settings, telling: Telling
) -> list[dict[str, Any]]:
    """Drill and teach an order model, generation after generation; an unfinished run in ``out`` goes on.

    Args:
        playbooks: the catalogue.
        held: the locked split; nothing of it is drawn.
        data: recorded drills, and even simulated ones.
        start: checkpoint of `ordertrainer train`.
        out: folder.
        settings: how.
        telling: who is told.

    Returns:
        The history, a line a generation; the model is in ``out``.

    Raises:
        CheckpointError: ``start`` cannot be used, or ``out`` holds a run with other settings or data.
        HeldOutError: a draw broke the split.
    """
    chaos: Evolving = ARMS[settings.chaos](playbooks.world, held)
    met, best, history = list[tuple[Examples, Examples]](), start, list[dict[str, Any]]()
    out.mkdir(parents=True, exist_ok=True)
    for generation in range(settings.generations):
        began = time.monotonic()
        found = drilled(
            playbooks,
            net_of(read(best)),
            chaos,
            rounds=settings.rounds,
            hosts=settings.hosts,
            seed=settings.seed,
            generation=generation,
            tick=lambda share, generation=generation: telling.tick(generation, share),
        )
        met.append((found.train, found.tune))
        drilled_s = time.monotonic() - began
        telling.say(f"generation {generation}: {told(found.figures)}, {drilled_s:.0f} s")
        best = train(
            _with(data, met, settings),
            out / f"generation-{generation:03d}",
            replace(settings.training, seed=settings.seed, shape=net_of(read(best)).shape),
            telling.say,
            start=best,
            command=settings.command(data),
        )
        figures = {name: value for name, value in found.figures.items() if value is not None}
        history.append({"generation": generation, **figures, "windows": len(found.train), "tune": read(best)["tune"]})
        write_history(out, history)
    part = out / f"{BEST}.part"
    part.write_bytes(best.read_bytes())
    publish(part, out / BEST)
    return history


def told(figures: dict[str, Any]) -> str:
    """Return one line about the drills of a generation."""
    shown = (
        f"{name} {figures[name]:.3f}" for name in ("settled", "regret_s", "harmful_per_host") if figures.get(name) is not None
    )
    return f"{figures['drills']} drills, {', '.join(shown)}"


def _with(data: Data, met: list[tuple[Examples, Examples]], settings: Settings) -> Data:
    train_met, tune_met = met[0]
    for more, others in met[1:]:
        train_met, tune_met = joined(train_met, more), joined(tune_met, others)
    drilled = Beside(examples=train_met, share=settings.share, drills=len(met) * settings.rounds * settings.hosts)
    return replace(data, drilled=drilled, tune_drilled=tune_met)
