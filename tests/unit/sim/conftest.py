"""The real catalogue, compiled once, and hosts to break."""

import pytest
import torch

from ordertrainer.sim import Shares, Uniform, begin, load_compiled
from ordertrainer.sim.levels import afflict
from ordertrainer.sim.world import step


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture(scope="session")
def world():
    """Return the catalogue of this tree."""
    return load_compiled()


class Hosts:
    """Hosts that live on, action by action."""

    def __init__(self, world, levels):
        self.world = world
        self.state = begin(world, levels)
        self.outcomes = []

    def do(self, *actions, seconds=1):
        """Do the same on all hosts, and wait until so many seconds have passed."""
        for action in (*actions, *[self.world.wait] * (seconds - len(actions))):
            self.state, outcome = step(self.world, self.state, torch.full((len(self.state),), action))
            self.outcomes.append(outcome)
        return self.outcomes[-1]

    def ever(self, name):
        """Return what was true of the first host in any step."""
        return any(bool(getattr(outcome, name)[0]) for outcome in self.outcomes)


@pytest.fixture(scope="session")
def breaking():
    """Return what makes hosts of a catalogue and levels."""
    return Hosts


@pytest.fixture(scope="session")
def quiet(world):
    """Return a maker of levels in which nothing happens: calm hosts of two cores, all of whose entities are there."""

    def make(count=1, seed=0, **fields):
        from dataclasses import replace

        shares = Shares(quiet=1.0, decoy=0.0, single=0.0, pair=0.0, buried=0.0)
        levels = Uniform(world, shares=shares).draw(count, torch.Generator().manual_seed(seed))
        there = torch.ones_like(levels.there)
        there[:, world.layout.span("process")] = False
        calm = {"cores": 2.0, "noise": 0.5, "flaky": 0.0, "pace": 1.0, "slow": 1.0, "seen_from_s": -1e9}
        calm = {name: torch.full((count,), value) for name, value in calm.items()}
        calm |= {"there": there, "rests_on": torch.full_like(levels.rests_on, world.layout.slots)}
        return replace(levels, **{**calm, **fields})

    return make


@pytest.fixture(scope="session")
def broken(world, quiet):
    """Return a maker of hosts with given faults, one a lane."""

    def make(*faults, count=1, seed=0, **fields):
        levels = quiet(count, seed, **fields)
        for lane, fault in enumerate(faults):
            name, more = (fault, {}) if isinstance(fault, str) else fault
            levels = afflict(world, levels, name, lane=lane, **more)
        return Hosts(world, levels)

    return make
