"""An order model that learned toy hosts."""

import pytest

from ordertrainer.imitation.toy import toy_examples
from ordertrainer.imitation.train import Data, Settings, train
from ordertrainer.nets.order import Shape


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread):
    """Whatever is computed here."""


@pytest.fixture(scope="session")
def data():
    """Return toy drills, split by run."""
    return Data(
        train=toy_examples(seed=1, runs=12, name="train"), tune=toy_examples(seed=2, runs=6, name="tune"), digest="d" * 64
    )


@pytest.fixture(scope="session")
def brief():
    """Return how to train for a second."""
    return Settings(epochs=2, steps=10, batch=64, shape=Shape(width=16, hidden=16, layers=1))


@pytest.fixture(scope="session")
def start(data, brief, tmp_path_factory):
    """Return the checkpoint of a short training."""
    return train(data, tmp_path_factory.mktemp("start"), brief, lambda _line: None, command="ordertrainer train --toys")
