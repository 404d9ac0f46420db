"""Trainings that take seconds."""

import time

import pytest
import torch

from ordertrainer.nets.next_sample import NextNet
from ordertrainer.nets.order import Shape
from ordertrainer.pretrain.learn import Settings
from ordertrainer.pretrain.simulated import Watch
from trainings import Silent

SMALL = Shape(width=16, hidden=24, layers=1, heads=2, dropout=0.0)


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture(scope="session")
def world(playbooks):
    """Return what is simulated."""
    return playbooks.world


@pytest.fixture(scope="session")
def brief():
    """Return settings of a training that learns next to nothing, in a second an iteration."""
    return Settings(seed=5, watch=Watch(hosts=16, seconds=20, share=0.2), steps=5, batch=12, drawn=32, shape=SMALL)


@pytest.fixture
def untrained():
    """Return a network that knows nothing."""
    torch.manual_seed(0)
    return NextNet(SMALL).eval()


@pytest.fixture
def silent():
    """Return who wants to know nothing."""
    return Silent()


@pytest.fixture
def clock():
    """Return a clock."""
    return time.monotonic
