"""One evolution with its exams as plain values, and the same one from several seeds, as tasks. Imports torch; writes folders.

    OUT/seed-N/    a training of `ordertrainer.evolve.evolve`

The verb does the very same in its own process: what a seed comes to does not depend on who else trains.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

from ordertrainer import heldout
from ordertrainer.evolve.crossplay import cross_play
from ordertrainer.evolve.evolve import PARTS, Settings, evolve
from ordertrainer.evolve.exam import against_fresh_chaos
from ordertrainer.evolve.fresh import Search
from ordertrainer.evolve.show import summary
from ordertrainer.fanout import Task, refuse_elsewhere
from ordertrainer.fanout.task import Share, Tick
from ordertrainer.policy.actor import Network
from ordertrainer.policy.checkpoint import policy_of, read_policy
from ordertrainer.policy.iterations import BEST, Bounds
from ordertrainer.policy.playbooks import Playbooks
from ordertrainer.policy.several import Open, Stages, folder, from_each
from ordertrainer.policy.sitting import Machine, catalogue
from ordertrainer.sim.policies import Rules

EVOLUTION, FRESH, CROSS_PLAY = "evolution", "fresh chaos", "cross-play"
_EXAM: Final = 0.15
"""Share of the whole that an exam is taken for, while it is shown how far a training is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evolution:
    """One training, and how it is examined.

    Attributes:
        out: its folder.
        start: checkpoint of the imitated policy, or its folder; None: there is a training to go on with.
        settings: how to train, its seed among it.
        bounds: when to stop.
        machine: how it is computed.
        fresh: hosts on which a fresh chaos examines; 0: it does not.
        matrix: hosts on which generations meet each other; 0: they do not.
    """

    out: Path
    start: Path | None
    settings: Settings
    bounds: Bounds
    machine: Machine
    fresh: int = 0
    matrix: int = 0


def evolved(asked: Evolution, opened: Open) -> dict[str, Any]:
    """Train, or go on, and examine; return what came of it as plain values.

    Args:
        asked: what.
        opened: begins to show a stage.

    Returns:
        ``checkpoint``, where all drills led to; ``tune``, the line of ``best.pt``, None where no iteration was examined;
        ``history``; and ``fresh_chaos`` and ``cross_play`` where they were asked for.

    Raises:
        CheckpointError: there is nothing to begin with, the folder holds another training, or there is no generation to examine.
        CatalogueError: playbooks cannot be read.
        HeldOutError: the split cannot be read, or a draw broke it.
    """
    torch.set_num_threads(asked.machine.threads)
    playbooks, _ = catalogue(asked.machine.device)
    held, start, settings = heldout.load(), asked.start, asked.settings
    if start is not None and start.is_dir():
        start /= BEST
    with opened(EVOLUTION, PARTS, summary) as shown:
        path = evolve(playbooks, held, start, asked.out, settings, bounds=asked.bounds, watcher=shown)
    content = read_policy(path)
    report: dict[str, Any] = {
        "seed": settings.seed,
        "checkpoint": str(path),
        "commit": content["commit"],
        "tune": max((line for line in content["history"] if "worth" in line), key=lambda line: line["worth"], default=None),
        "history": content["history"],
    }
    if asked.fresh:
        with opened(FRESH, PARTS, summary) as shown:
            report["fresh_chaos"] = _examined(playbooks, content, asked, shown.ask)
    if asked.matrix:
        with opened(CROSS_PLAY, PARTS, summary) as shown:
            tick: Callable[[float], None] = partial(shown.ask, "generations")
            table = cross_play(playbooks, held, asked.out, settings.costs, hosts=asked.matrix, seed=settings.seed, tick=tick)
        report["cross_play"] = table
    return report


def _examined(playbooks: Playbooks, content: dict[str, Any], asked: Evolution, tick: Tick) -> dict[str, Any]:
    """Let a fresh chaos examine the imitated policy, the evolved one and the rules."""
    evolved, imitated = policy_of(content).to(playbooks.contracts.device), policy_of(content).to(playbooks.contracts.device)
    imitated.load_state_dict(content["learning"]["imitated"])
    policies: dict[str, Callable[[], Any]] = {
        "imitated": lambda: Network(imitated, playbooks.contracts),
        "evolved": lambda: Network(evolved, playbooks.contracts),
        "rules": lambda: Rules(playbooks.repairs),
    }
    costs, seed = asked.settings.costs, asked.settings.seed
    return against_fresh_chaos(playbooks, heldout.load(), policies, costs, Search(), hosts=asked.fresh, seed=seed, tick=tick)


def evolutions(model: Evolution, seeds: Sequence[int], seal: Path) -> list[Task[dict[str, Any]]]:
    """Return the same training from each seed, as tasks.

    Args:
        model: of all; its folder holds theirs.
        seeds: of drills, lots and draws.
        seal: of `ordertrainer.fanout.sealed`.
    """
    out, start = model.out.resolve(), None if model.start is None else model.start.resolve()

    def work(seed: int) -> Callable[[Share], dict[str, Any]]:
        settings = replace(model.settings, seed=seed)
        return partial(_evolve, replace(model, out=folder(out, seed), start=start, settings=settings), seal)

    return from_each("evolution", seeds, model.machine, work)


def _evolve(asked: Evolution, seal: Path, tick: Share) -> dict[str, Any]:
    refuse_elsewhere(seal)
    exams = {title: _EXAM for title, hosts in ((FRESH, asked.fresh), (CROSS_PLAY, asked.matrix)) if hosts}
    return evolved(asked, Stages({EVOLUTION: 1.0 - sum(exams.values())} | exams, tick).stage)
