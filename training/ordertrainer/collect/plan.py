"""What to do next: which fault, on what, how strong, after how long a calm and for how long. Pure.

Faults come from a bag that is refilled when empty, so that every fault is drawn equally often whatever the number of runs.
One more draw per bag is a quiet stretch.
"""

import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orderd.domain.faults import Failure
from ordertrainer.chaos import Experiment, FaultContract, draw
from ordertrainer.collect.errors import CollectError

TRAINED: Final = ((0.4, 0.8),)
EXAMINED: Final = ((0.0, 0.4), (0.8, 1.0))
INTENSITIES: Final = {"train": TRAINED, "tune": TRAINED, "test": EXAMINED}
"""Shares of a contract's range; a test never uses intensities that training saw."""

CALM_S: Final = (1.0, 3.5)
QUIET_S: Final = (10.0, 20.0)
ABRUPT_S: Final = (3.0, 7.0)
SLOW_S: Final = (7.0, 11.0)
LONG_S: Final = (15.0, 40.0)
LONG_RATIO: Final = 0.04
"""Few runs last long, so that the window's old slots see a failure too; many would halve the number of runs."""

SLOW: Final = frozenset(
    {
        Failure.DISK_FULL,
        Failure.CPU_RUNAWAY,
        Failure.MEMORY_LEAK,
        Failure.SERVICE_SLOW,
        Failure.SERVICE_SQUEEZED,
        Failure.NIC_SATURATED,
        Failure.UNKNOWN,
        Failure.OK,
    }
)
"""Their symptoms take seconds to show; decoys take seconds to finish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One run to carry out.

    Attributes:
        contract: of the fault, None for a quiet stretch.
        experiment: as drawn, None for a quiet stretch.
        calm_s: steady seconds before the injection.
        symptoms_s: seconds from the landing to the revert; the length of a quiet stretch.
    """

    contract: FaultContract | None
    experiment: Experiment | None
    calm_s: float
    symptoms_s: float

    @property
    def name(self) -> str:
        """Return the fault's name, ``quiet`` without one."""
        return self.experiment.fault if self.experiment else "quiet"


class Planner:
    """Deals out tasks; workers on several threads may ask."""

    def __init__(self, rng: random.Random, faults: Mapping[str, FaultContract], split: str) -> None:
        """Begin with a full bag.

        Args:
            rng: everything follows from it.
            faults: to draw from.
            split: chooses the intensities.
        """
        self._rng = rng
        self._faults = dict(faults)
        self._ranges = INTENSITIES[split]
        self._bag: list[str | None] = []
        self._turn = threading.Lock()

    def next(self) -> Task:
        """Return the next task.

        Raises:
            CollectError: no fault is left that these hosts can have.
        """
        with self._turn:
            name = self._take()
            return self._quiet() if name is None else self._task(self._faults[name])

    def drop(self, fault: str) -> None:
        """Never deal this fault again: these hosts cannot have it."""
        with self._turn:
            self._faults.pop(fault, None)
            self._bag = [name for name in self._bag if name != fault]

    def _take(self) -> str | None:
        if not self._faults:
            raise CollectError("no fault is left that these hosts can have; choose others with --faults")
        if not self._bag:
            self._bag = [*self._faults, None]
            self._rng.shuffle(self._bag)
        return self._bag.pop()

    def _quiet(self) -> Task:
        return Task(contract=None, experiment=None, calm_s=0.0, symptoms_s=self._rng.uniform(*QUIET_S))

    def _task(self, contract: FaultContract) -> Task:
        experiment = draw(self._rng, contract, intensity_range=self._rng.choice(self._ranges))
        slow, long = contract.failure in SLOW, self._rng.random() < LONG_RATIO
        symptoms: Sequence[float] = LONG_S if long else SLOW_S if slow else ABRUPT_S
        return Task(
            contract=contract,
            experiment=experiment,
            calm_s=self._rng.uniform(*CALM_S),
            symptoms_s=self._rng.uniform(*symptoms),
        )
