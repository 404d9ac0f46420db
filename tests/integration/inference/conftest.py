"""Small order models made by hand, good and broken, and a running orderd-infer."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from inferrig import Infer, infer_starter, window_of_three
from orderd.domain.window import Window
from toymodels import SignedHost, canary_of, package_of, tiny_graph, write_package


@pytest.fixture
def models() -> SimpleNamespace:
    """Return makers of small models."""
    return SimpleNamespace(graph=tiny_graph, canary=canary_of, package=package_of, write=write_package)


@pytest.fixture
def window() -> Window:
    """Return a window of three entities with most signals missing."""
    return window_of_three()


@pytest.fixture
def start_infer(tmp_path: Path) -> Iterator[Callable[..., Infer]]:
    """Return a starter of orderd-infer; it is stopped when the test ends."""
    with infer_starter(tmp_path) as start:
        yield start


@pytest.fixture
def host(tmp_path: Path) -> SignedHost:
    """Return a host that asks for signatures, with a packaged model of serial 10."""
    return SignedHost(tmp_path)
