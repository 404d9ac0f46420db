"""Hosts to ask about: simulated incidents on which nobody lays a hand, or recorded ones. Imports torch; reads data directories.

    ordinary hosts   what a list of rules is made from
    other hosts      more cores than those have, or noisier signals: a list is only examined on them

Of each simulated host some moments are looked at, the same for all. Nothing that the locked split keeps for the final test is
asked about: whoever reads a list of rules does not need it, and every look would have to be logged.

Axes: N example, E entity, S slot.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from orderd.domain.faults import FAILURES
from ordertrainer.dataset import IGNORE, DatasetError, Examples, load_examples
from ordertrainer.heldout import HeldOut
from ordertrainer.policy.seeds import seed_of
from ordertrainer.policy.suites import TUNING, suites, training_mix
from ordertrainer.sim import Compiled, Levels, Simulator, Uniform
from ordertrainer.sim.catalogue import FAILURE_CLASSES
from ordertrainer.sim.truth import truth

ORDINARY_CORES_MAX: Final = 4.0
ORDINARY_NOISE_MAX: Final = 1.5
LOOKS: Final = 12
"""Moments of each simulated host."""
UNSEEN, OTHERS = "unseen incidents", "other hosts"
RECORDED: Final = ("tune", "test")
"""Splits on which a list made from recorded drills is examined."""

Tick = Callable[[float], None]
Sets = Mapping[str, Examples]


def simulated_sets(world: Compiled, held: HeldOut, *, hosts: int, seed: int, tick: Tick) -> tuple[Examples, Sets]:
    """Return what to make a list from, and what to examine it on.

    Args:
        world: the catalogue.
        held: the locked split.
        hosts: to make it from; half as many are examined, and half as many with faults that no training saw.
        seed: of the hosts.
        tick: told the share that is done.
    """
    mix = training_mix(world, held).chaos
    tuning = [suite.chaos for suite in suites(world, held) if suite.name == TUNING]
    asked = [("fit", mix, hosts), (UNSEEN, mix, hosts // 2), *((TUNING, chaos, hosts // 2) for chaos in tuning)]
    drawn: dict[str, tuple[Examples, NDArray[np.bool_]]] = {}
    for place, (name, chaos, count) in enumerate(asked):

        def tell(share: float, before: int = place) -> None:
            tick((before + share) / len(asked))

        drawn[name] = simulate(world, chaos, hosts=count, seed=seed_of(seed, "rules", name), tick=tell)
    fit, ordinary = drawn["fit"]
    unseen, usual = drawn[UNSEEN]
    sets = {UNSEEN: take(unseen, usual), OTHERS: take(unseen, ~usual)}
    sets |= {name: examples for name, (examples, _) in drawn.items() if name == TUNING}
    return take(fit, ordinary), {name: examples for name, examples in sets.items() if len(examples)}


def recorded_sets(data: Path) -> tuple[Examples, Sets]:
    """Return the train split of a data directory, and the splits to examine on; runs and hosts are not shared by them.

    Raises:
        DatasetError: the directory cannot be used, or has no train split.
    """
    sets = {f"recorded, split {split}": load_examples(data, split) for split in RECORDED}
    fit = load_examples(data, "train")
    if not len(fit):
        raise DatasetError(f"{data}: no judged windows in the split 'train'; collect more drills")
    return fit, {name: examples for name, examples in sets.items() if len(examples)}


def simulate(world: Compiled, chaos: Uniform, *, hosts: int, seed: int, tick: Tick) -> tuple[Examples, NDArray[np.bool_]]:
    """Let hosts live until their horizon, and look at some moments.

    Args:
        world: the catalogue.
        chaos: draws them.
        hosts: how many.
        seed: of all that is drawn.
        tick: told the share that is done.

    Returns:
        The moments, and [N] bool whether each is of an ordinary host.
    """
    sim = Simulator(world, hosts=hosts, seed=seed, chaos=chaos)
    levels = sim.state.levels
    horizon = int(levels.horizon_s.max())
    moments = np.random.default_rng(seed).choice(np.arange(1, horizon), LOOKS, replace=False)
    wait = torch.full((hosts,), world.wait)
    parts: list[Examples] = []
    for second in range(horizon):
        if second in moments:
            parts.append(_look(sim, seed))
        sim.step(wait)
        tick((second + 1) / horizon)
    return _joined(parts), np.tile(ordinary(levels), len(parts))


def ordinary(levels: Levels) -> NDArray[np.bool_]:
    """Return [N]: hosts of the usual size and noise."""
    return ((levels.cores <= ORDINARY_CORES_MAX) & (levels.noise <= ORDINARY_NOISE_MAX)).numpy()


def take(examples: Examples, where: NDArray[np.bool_]) -> Examples:
    """Return some examples: [N] bool."""
    return Examples(**{f.name: getattr(examples, f.name)[where] for f in fields(Examples)})


def _look(sim: Simulator, seed: int) -> Examples:
    """Return what is seen now, one example a host."""
    world, state, levels = sim.compiled, sim.state, sim.state.levels
    seen = sim.observe()
    told = truth(world, state, seen)
    there = (state.lanes.front & state.known.sick)[0].numpy()
    name = np.array([*world.fault_names, ""], np.str_)[levels.fault[:, 0].numpy()]
    hosts = np.array([f"simulated-{seed}-{number}" for number in range(len(state))], np.str_)
    return Examples(
        host=seen.host.numpy(),
        rows=seen.rows.numpy(),
        kind=seen.kind.contiguous().numpy(),
        present=seen.present.numpy(),
        failure=_CLASS[told.failure.numpy()],
        wrong=told.wrong.numpy().astype(np.float32),
        host_id=hosts,
        run_id=hosts,
        fault=np.where(there, name, ""),
        intensity=np.where(there, levels.intensity[:, 0].numpy(), np.nan).astype(np.float32),
        at_s=state.at_s.numpy().astype(np.float64),
    )


def _joined(parts: list[Examples]) -> Examples:
    return Examples(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Examples)})


def _classes() -> Iterator[int]:
    """Yield the class of each failure, and at the end, where IGNORE points to, that of what is not judged."""
    for failure in FAILURE_CLASSES:
        yield FAILURES.index(failure) if failure in FAILURES else IGNORE
    yield IGNORE


_CLASS: Final = np.array(list(_classes()), np.int64)
