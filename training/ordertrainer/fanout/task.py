"""A piece of work that any process can do: everything it needs travels with it, its seed too. Values only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")

Share = Callable[[float], None]
"""Told the share of a task that is done."""
Tick = Callable[[str, float], None]
"""Told what is being done, and the share of the whole that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Generic[R]):
    """One task.

    Equal tasks return equal results, whatever process does them and whatever else is done there: `work` draws from `seed` alone,
    and sets the number of its threads itself.

    Attributes:
        name: for people, for example "rules on quiet hosts".
        seed: what its randomness follows from; told when it fails.
        work: a function of a module, or a partial of one, so that it can be pickled.
        cpus: threads it uses.
        gpus: of those a worker must have.
        kind: a resource that nodes say they have, of which it takes one; empty: none.
        again: may be done again when its worker is lost.
        refusals: errors whose message says all; of others the trace is told too.
    """

    name: str
    seed: int
    work: Callable[[Share], R]
    cpus: int = 1
    gpus: int = 0
    kind: str = ""
    again: bool = True
    refusals: tuple[type[Exception], ...] = ()

    def __str__(self) -> str:
        """Return its name and its seed."""
        return f"{self.name} (seed {self.seed})"
