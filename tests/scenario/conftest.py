import sys
from pathlib import Path

import msgspec
import pytest

from orderd.catalogue import load_repairs
from orderd.config import Config

sys.path.insert(0, str(Path(__file__).parent))
from fakes import Scene

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repairs():
    return load_repairs(ROOT / "playbooks" / "repairs").repairs


@pytest.fixture
def scene(repairs):
    return Scene(repairs, msgspec.convert({"decision": {"mode": "auto"}}, Config))


@pytest.fixture
def observing(repairs):
    return Scene(repairs, Config())
