"""Drills of the simulator as examples, judged by the rules that judge recorded ones. Imports torch.

Real drills are few, and of few hosts. Simulated ones are as many as somebody wants, of hosts of every shape, with faults on top
of each other and hosts that have just been repaired; what they show is what contracts say, and no more. So they stand beside the
real ones and never instead. Families, intensities and pairs are those that may be trained (`ordertrainer.policy.levels`).
"""

from collections.abc import Callable, Iterator
from typing import Final

import torch
from torch import Tensor

from ordertrainer.dataset import Examples, LabelledWindow
from ordertrainer.dataset.examples import pack
from ordertrainer.heldout import HeldOut
from ordertrainer.imitation.told import labelled
from ordertrainer.policy.levels import Trained
from ordertrainer.sim import Compiled, Simulator
from ordertrainer.sim.policies import expert
from ordertrainer.sim.truth import truth

HOSTS: Final = 128
REPAIRED_SHARE: Final = 0.5
"""Of episodes, in which somebody repairs; on the others everything goes its way."""
KEPT_FAILING: Final = 0.05
KEPT_CALM: Final = 0.01

Tick = Callable[[float], None]


def simulated_examples(world: Compiled, held: HeldOut, *, windows: int, seed: int, tick: Tick = lambda _share: None) -> Examples:
    """Draw windows of simulated hosts.

    Args:
        world: the catalogue.
        held: the locked split.
        windows: how many.
        seed: of everything drawn.
        tick: told the share that is done.

    Returns:
        Neighbours are seconds of many hosts; ``run_id`` tells episodes apart.
    """
    kept: list[LabelledWindow] = []
    for window in _Episodes(world, held, seed).windows():
        kept.append(window)
        tick(len(kept) / windows)
        if len(kept) >= windows:
            break
    return pack(kept)


class _Episodes:
    """Simulated hosts, living on and on."""

    def __init__(self, world: Compiled, held: HeldOut, seed: int) -> None:
        self._sim = Simulator(world, hosts=HOSTS, seed=seed, chaos=Trained(world, held))
        self._seed = seed
        self._episode = [0] * HOSTS
        self._repairs = self._drawn(REPAIRED_SHARE)

    def windows(self) -> Iterator[LabelledWindow]:
        sim, world = self._sim, self._sim.compiled
        while True:
            seen = sim.observe()
            told = truth(world, sim.state, seen)
            kept = torch.where(told.wrong, self._drawn(KEPT_FAILING), self._drawn(KEPT_CALM))
            for host in kept.nonzero()[:, 0].tolist():
                run = f"sim-{self._seed}-{host}-{self._episode[host]}"
                if (window := labelled(sim, seen, told, host, run=run, seed=self._seed)) is not None:
                    yield window
            may = expert(world, sim.state, sim.usable(seen))
            done = sim.step(torch.where(self._repairs, may, world.wait)).done
            sim.reset(done)
            self._repairs = torch.where(done, self._drawn(REPAIRED_SHARE), self._repairs)
            for host in done.nonzero()[:, 0].tolist():
                self._episode[host] += 1

    def _drawn(self, share: float) -> Tensor:
        return torch.rand(HOSTS, generator=self._sim.generator) < share
