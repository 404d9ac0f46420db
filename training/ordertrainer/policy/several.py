"""The same training from several seeds, as tasks; each has a folder, and goes on where it was interrupted. Imports torch.

    OUT/seed-N/    a training, here of `ordertrainer.policy.imitate`; other verbs make tasks of theirs in the same way

Workers write their folders themselves: what a training keeps for its resume is too much, and too precious, to be carried home at
its end. So OUT has to lie where all workers see it, which each makes sure of before it begins.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from orderd.errors import CatalogueError
from ordertrainer import heldout
from ordertrainer.fanout import NotSharedError, Task, refuse_elsewhere
from ordertrainer.fanout.task import Share
from ordertrainer.heldout import HeldOutError
from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.policy.checkpoint import read_policy
from ordertrainer.policy.imitate import PARTS, Settings, imitate
from ordertrainer.policy.iterations import LAST, Bounds, Watcher
from ordertrainer.policy.sitting import Machine, catalogue
from ordertrainer.policy.telling import told_to
from ordertrainer.tracking import Server, Tracked

R = TypeVar("R")


class Shown(Watcher, Protocol):
    """Who wants to know how far a stage is, and how far an exam."""

    def ask(self, what: str, share: float) -> None:
        """Hear which share of an exam is done."""
        ...


Open = Callable[[str, Sequence[str], Callable[[dict[str, Any]], str]], AbstractContextManager[Shown]]
"""Begins to show a stage: its title, the parts of an iteration, and what makes a line of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One training.

    Attributes:
        out: its folder.
        settings: how to train, its seed among it.
        bounds: when to stop.
        machine: how it is computed.
        mlflow: told of it.
        pretrained: weights of `ordertrainer pretrain` to begin with; None: random ones.
    """

    out: Path
    settings: Settings
    bounds: Bounds
    machine: Machine
    mlflow: Server | None = None
    pretrained: Path | None = None


def folder(out: Path, seed: int) -> Path:
    """Return where a seed's training lies."""
    return out / f"seed-{seed}"


def begun(out: Path, seeds: Sequence[int]) -> list[Path]:
    """Return the folders that hold a training already."""
    return [each for each in (folder(out, seed) for seed in seeds) if (each / LAST).exists()]


def trainings(model: Training, seeds: Sequence[int], seal: Path) -> list[Task[dict[str, Any]]]:
    """Return the same training from each seed, as tasks.

    Args:
        model: of all; its folder holds theirs.
        seeds: of weights, hosts and draws.
        seal: of `ordertrainer.fanout.sealed`.
    """
    out = model.out.resolve()

    def work(seed: int) -> Callable[[Share], dict[str, Any]]:
        return partial(train, replace(model, out=folder(out, seed), settings=replace(model.settings, seed=seed)), seal)

    return from_each("training", seeds, model.machine, work)


def from_each(
    what: str,
    seeds: Sequence[int],
    machine: Machine,
    work: Callable[[int], Callable[[Share], R]],
    *refusals: type[Exception],
) -> list[Task[R]]:
    """Return a task for each seed.

    Args:
        what: is done, for people.
        seeds: of it.
        machine: how it is computed.
        work: makes from a seed what its task does; that has to be such that it can be pickled.
        refusals: errors whose message says all, beside those every training has.
    """
    return [
        Task(
            name=f"{what} of seed {seed}",
            seed=seed,
            work=work(seed),
            cpus=machine.threads,
            gpus=int(machine.device.startswith("cuda")),
            refusals=(CatalogueError, CheckpointError, HeldOutError, NotSharedError, *refusals),
        )
        for seed in seeds
    ]


def train(asked: Training, seal: Path, tick: Share) -> dict[str, Any]:
    """Train, or go on; return what came of it as plain values.

    Raises:
        NotSharedError: the folder is not the driver's.
        CheckpointError: it holds another training.
        CatalogueError: playbooks cannot be read.
        HeldOutError: the split cannot be read, or a draw broke it.
    """
    refuse_elsewhere(seal)
    torch.set_num_threads(asked.machine.threads)
    playbooks, _ = catalogue(asked.machine.device)
    with told_to(asked.mlflow, asked.out, asked.settings, playbooks) as told:
        watcher = Tracked(Ticking(PARTS, tick), told)
        path = imitate(
            playbooks,
            heldout.load(),
            asked.out,
            asked.settings,
            bounds=asked.bounds,
            watcher=watcher,
            pretrained=asked.pretrained,
        )
    content = read_policy(path)
    return {"seed": asked.settings.seed, "checkpoint": str(path), "commit": content["commit"], "tune": content["tune"]}


class Ticking:
    """A watcher that only wants to know how much of a training is done: by count or by time, whichever bound is nearer."""

    def __init__(self, parts: Sequence[str], tick: Share) -> None:
        """Tell shares.

        Args:
            parts: of an iteration, in order.
            tick: told the share that is done.
        """
        self._parts, self._tick, self._bounds, self._seconds = parts, tick, Bounds(), 0.0

    def begin(self, bounds: Bounds, seconds: float) -> None:
        """Begin to count, what was done before an interruption included."""
        self._bounds, self._seconds = bounds, seconds

    def part(self, what: str, iteration: int, share: float) -> None:
        """Tell how far it is."""
        by_count = (iteration + (self._parts.index(what) + share) / len(self._parts)) / self._bounds.iterations
        self._tick(min(1.0, max(by_count, self._seconds / (60.0 * self._bounds.minutes))))

    def line(self, said: Mapping[str, Any]) -> None:
        """Count the time that an iteration took."""
        self._seconds += said["seconds"]

    def ask(self, what: str, share: float) -> None:  # noqa: ARG002  all that counts is how much
        """Tell how far an exam is."""
        self._tick(share)


class Stages:
    """Only wants to know which share of some stages is done, one after another."""

    def __init__(self, lengths: Mapping[str, float], tick: Share) -> None:
        """Tell shares.

        Args:
            lengths: what each stage is of the whole, by its title; together 1.
            tick: told the share that is done.
        """
        self._lengths, self._tick, self._before = lengths, tick, 0.0

    def stage(self, title: str, parts: Sequence[str], _told: Any) -> AbstractContextManager[Shown]:
        """Begin a stage."""
        before, length = self._before, self._lengths[title]
        self._before += length
        return nullcontext(Ticking(parts, lambda share: self._tick(before + length * share)))
