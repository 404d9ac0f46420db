"""A store that outlives a notifier, and quick configurations."""

import sys
from pathlib import Path

import msgspec
import pytest

from orderd.config.schema import NotifyConfig

sys.path.insert(0, str(Path(__file__).parent))  # notify_servers is shared by the tests here

from notify_servers import Store


@pytest.fixture
def store():
    """Return what outlives a notifier."""
    return Store()


@pytest.fixture
def settings():
    """Return a maker of configurations: quick, and with the sinks one wants."""

    def make(*sinks, **fields):
        return msgspec.convert({"sinks": sinks, "timeout_s": 0.3, **fields}, NotifyConfig)

    return make
