import sys
from pathlib import Path

import msgspec
import pytest

from founding import founding_repairs
from orderd.config import Config

sys.path.insert(0, str(Path(__file__).parent))
from fakes import Scene


@pytest.fixture
def repairs():
    return founding_repairs()


@pytest.fixture
def make_scene(repairs):
    """Return a maker of scenes: keyword arguments are tables of the configuration, ``parts`` are further rooms."""

    def make(parts=None, **tables):
        return Scene(repairs, msgspec.convert(tables, Config), **(parts or {}))

    return make


@pytest.fixture
def scene(make_scene):
    return make_scene(decision={"mode": "auto"})


@pytest.fixture
def asking(make_scene):
    return make_scene(decision={"mode": "approve"})


@pytest.fixture
def observing(make_scene):
    return make_scene()
