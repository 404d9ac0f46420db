"""A network that knows nothing, and trainings that take a second."""

import time
from dataclasses import replace

import pytest
import torch

from ordertrainer.evolve.evolve import Settings, evolve
from ordertrainer.evolve.learning import Learning
from ordertrainer.nets.policy import PolicyNet, PolicyShape
from ordertrainer.policy.checkpoint import catalogue_digest, save_policy
from ordertrainer.policy.iterations import Bounds
from trainings import Silent


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture(scope="session")
def world(playbooks):
    """Return what is simulated."""
    return playbooks.world


@pytest.fixture(scope="session")
def generator():
    """Return what makes a generator from a seed."""
    return lambda seed: torch.Generator().manual_seed(seed)


@pytest.fixture(scope="session")
def imitated(playbooks, held, tmp_path_factory):
    """Return the checkpoint of a policy that was never trained."""
    torch.manual_seed(0)
    net = PolicyNet(PolicyShape(width=16, hidden=16, layers=1, heads=2)).eval()
    path = tmp_path_factory.mktemp("imitated") / "best.pt"
    about = {"seed": 0, "iteration": 0, "commit": "test", "catalogue": catalogue_digest(playbooks), "heldout": held.sha256}
    save_policy(path, net, **about)
    return path


@pytest.fixture(scope="session")
def brief():
    """Return settings of a training that learns next to nothing, in about a second an iteration."""
    return Settings(seed=3, hosts=10, learning=Learning(batch=64), tune_every=9, tune_hosts=2, generation_every=2)


@pytest.fixture(scope="session")
def train(playbooks, held, brief, imitated):
    """Return what trains into a folder, and returns who was told how it went."""

    def run(out, *, split=held, start=imitated, until=None, iterations=3, minutes=float("inf"), clock=time.monotonic, **changed):
        watcher, bounds = Silent(until), Bounds(iterations=iterations, minutes=minutes)
        evolve(playbooks, split, start, out, replace(brief, **changed), bounds=bounds, watcher=watcher, clock=clock)
        return watcher

    return run
