"""Scenes of the real catalogue, and people whose weights are known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ordertrainer import heldout
from ordertrainer.chaos.catalogue import load_faults
from ordertrainer.costs import NAMES, Costs
from ordertrainer.prefer.bills import total_s
from ordertrainer.prefer.comparisons import Comparisons
from ordertrainer.prefer.plans import draw_scenes
from ordertrainer.prefer.words import Words
from ordertrainer.sim.catalogue import PLAYBOOKS


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture(scope="session")
def scenes(playbooks):
    """Return hosts and plans for them."""
    return draw_scenes(playbooks.world, heldout.load(), 24, 7)


@pytest.fixture(scope="session")
def words(playbooks):
    """Return words for the catalogue of this tree."""
    faults = load_faults(PLAYBOOKS / "faults").faults
    return Words(faults=faults, repairs=playbooks.repairs, layout=playbooks.world.layout)


class Person:
    """Somebody whose weights are known, and who answers by them, more or less."""

    def __init__(self, seed, sharpness=5.0, spread=0.8):
        self.random = np.random.default_rng(seed)
        factors = np.exp(self.random.normal(0.0, spread, len(NAMES)))
        self.costs = replace(Costs(), **{name: getattr(Costs(), name) * f for name, f in zip(NAMES, factors, strict=True)})
        self.sharpness = sharpness

    @property
    def weights(self):
        """Return what she would pay for each column."""
        return np.array([1.0, *(getattr(self.costs, name) for name in NAMES)])

    def prefers_first(self, gain):
        """Return 1 where she prefers the first plan, else 0, for [C] or [Q, C] savings."""
        balance = gain @ self.weights / (1.0 + np.abs(gain) @ self.weights)
        chance = 1.0 / (1.0 + np.exp(-self.sharpness * balance))
        return (self.random.random(np.shape(chance)) < chance).astype(np.float64)

    def says(self, gains):
        """Return her answers to questions."""
        return Comparisons(saved=gains, first=self.prefers_first(gains), weight=np.ones(len(gains)))

    def pick(self, one, other):
        """Return the letter of the plan that comes to less."""
        return "a" if total_s(self.costs, one.bill) < total_s(self.costs, other.bill) else "b"

    def off(self, costs):
        """Return the factor by which weights are off, their geometric mean."""
        return math.exp(np.mean([abs(math.log(getattr(costs, n) / getattr(self.costs, n))) for n in NAMES]))


@pytest.fixture(scope="session")
def person():
    """Return a maker of people."""
    return Person


@pytest.fixture(scope="session")
def made_up():
    """Return savings of questions that no simulator made: every column in about a third of them."""
    random = np.random.default_rng(11)
    gains = random.integers(-2, 3, (2000, len(NAMES) + 1)) * (random.random((2000, len(NAMES) + 1)) < 0.25)
    gains[:, 0] = random.normal(0.0, 1.0, 2000) * random.choice([3.0, 30.0, 100.0], 2000)
    return gains.astype(np.float64)
