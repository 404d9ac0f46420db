"""A training's watcher that tells its run too. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

B_contra = TypeVar("B_contra", contravariant=True)


class Watcher(Protocol[B_contra]):
    """Who wants to know how far a training is; ``B_contra`` is what bounds it."""

    def begin(self, bounds: B_contra, seconds: float) -> None:
        """Hear how long a training has already run."""
        ...

    def part(self, what: str, iteration: int, share: float) -> None:
        """Hear which share of a part of an iteration is done."""
        ...

    def line(self, said: dict[str, Any]) -> None:
        """Hear how an iteration ended."""
        ...


class Tracked(Generic[B_contra]):
    """Passes all on to a watcher, and lines to a run too."""

    def __init__(self, watcher: Watcher[B_contra], told: Callable[[Mapping[str, Any]], None]) -> None:
        """Stand between a training and its watcher.

        Args:
            watcher: of the training.
            told: of `tracked`.
        """
        self._watcher, self._told = watcher, told

    def begin(self, bounds: B_contra, seconds: float) -> None:
        """Hear how long a training has already run."""
        self._watcher.begin(bounds, seconds)

    def part(self, what: str, iteration: int, share: float) -> None:
        """Hear which share of a part of an iteration is done."""
        self._watcher.part(what, iteration, share)

    def line(self, said: dict[str, Any]) -> None:
        """Hear how an iteration ended."""
        self._watcher.line(said)
        self._told(said)
