"""Trainings that take seconds."""

import time

import pytest
import torch

from ordertrainer.nets.policy import PolicyNet, PolicyShape
from ordertrainer.policy.imitate import Settings, imitate
from ordertrainer.policy.iterations import Bounds
from ordertrainer.policy.rollout import Rollout
from ordertrainer.policy.sitting import catalogue
from trainings import Silent


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture(scope="session")
def playbooks():
    """Return the catalogue of this tree, as verbs and tasks read it in this process."""
    return catalogue("cpu")[0]


@pytest.fixture(scope="session")
def world(playbooks):
    """Return what is simulated."""
    return playbooks.world


@pytest.fixture(scope="session")
def brief():
    """Return settings of a training that learns next to nothing, in a second an iteration."""
    return Settings(
        seed=5,
        rollout=Rollout(hosts=24, seconds=40, keep_act=1.0, keep_tense=0.5, keep_calm=0.3),
        steps=6,
        batch=24,
        tune_hosts=6,
        moments_max=300,
        shape=PolicyShape(width=16, hidden=16, layers=1, heads=2, dropout=0.1),
    )


@pytest.fixture(scope="session")
def untrained(world):
    """Return a network that knows nothing."""
    torch.manual_seed(0)
    return PolicyNet(PolicyShape(width=16, hidden=16, layers=1, heads=2)).eval()


@pytest.fixture(scope="session")
def train(playbooks, held, brief):
    """Return what trains into a folder, and returns who was told how it went."""

    def run(out, *, settings=brief, split=held, until=None, iterations=3, minutes=float("inf"), clock=time.monotonic):
        watcher, bounds = Silent(until), Bounds(iterations=iterations, minutes=minutes)
        imitate(playbooks, split, out, settings, bounds=bounds, watcher=watcher, clock=clock)
        return watcher

    return run
