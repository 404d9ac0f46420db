"""A host for a whole module of tests, as testinfra sees it, and an injector for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import testinfra

from ordertrainer.chaos import Injector
from ordertrainer.ground import DisposableHost, unwinding

FAULTS_DIR = Path(__file__).parents[2] / "playbooks" / "faults"


@pytest.fixture(scope="module")
def clone():
    """A host that is up for the whole module."""
    with unwinding(), DisposableHost.up() as host:
        yield host


@pytest.fixture(scope="module")
def inside(clone):
    """The same host as testinfra sees it over SSH."""
    return testinfra.get_host(f"ssh://{clone.name}", ssh_config=str(clone.ssh_config))


@pytest.fixture(scope="module")
def injector(clone, tmp_path_factory):
    """An injector for the host, over its own inventory."""
    with Injector(clone.inventory, FAULTS_DIR, tmp_path_factory.mktemp("chaos")) as warm:
        yield warm
