"""Which faults a drill injects, on what and how hard: all of it follows from one seed. Pure but for reading the catalogue.

Touches: playbooks/faults.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ordertrainer.chaos import Experiment, FaultContract, draw, load_faults
from ordertrainer.drill.errors import DrillError

FAULTS_DIR: Final = Path(__file__).parents[3] / "playbooks" / "faults"
FIRST: Final = (
    "service_kill",
    "service_stop",
    "service_mask",
    "service_hang",
    "service_crash_loop",
    "disk_fill",
    "cpu_runaway",
    "memory_leak",
    "dns_wrong_server",
    "clock_step",
    "planned_restart",
    "backup_job",
)
DRAWS_MAX: Final = 64


def battery(names: Sequence[str] = (), faults_dir: Path = FAULTS_DIR) -> dict[str, FaultContract]:
    """Return the faults to inject, in order, with their contracts.

    Args:
        names: those that are wanted, in this order; the whole first battery when empty.
        faults_dir: the catalogue.

    Raises:
        DrillError: a fault is unknown or its contract is broken; names what there is.
    """
    catalogue = load_faults(faults_dir)
    chosen = {}
    for name in names or FIRST:
        if name in catalogue.refused:
            raise DrillError(f"fault {name!r} cannot be used: {catalogue.refused[name]}")
        if name not in catalogue.faults:
            raise DrillError(f"FAULTS names {name!r}; there are: {', '.join(sorted(catalogue.faults))}")
        chosen[name] = catalogue.faults[name]
    return chosen


def experiments(seed: int, faults: Mapping[str, FaultContract]) -> list[Experiment]:
    """Draw one experiment a fault, in the order of `faults`.

    Each fault has a random stream of its own. Targets are spread: of many draws the first with the least used target is taken,
    because orderd repairs one target only so often in an hour, and rightly.
    """
    used: Counter[str] = Counter()
    return [_least_used(random.Random(f"{seed}/{name}"), contract, used) for name, contract in faults.items()]  # noqa: S311


def _least_used(rng: random.Random, contract: FaultContract, used: Counter[str]) -> Experiment:
    draws = [draw(rng, contract) for _ in range(DRAWS_MAX)]
    chosen = min(draws, key=lambda experiment: used[experiment.target])
    used[chosen.target] += 1
    return chosen
