"""What a rule may look at: the newest signals of one entity, and shares of its host. Pure; numpy.

A rule has to be read by a person and to be held against one sample by somebody who keeps no history. So the seven older slots of
a window are left out, and of the host there is only how busy it is: by what else it measures, a tree would know hosts by name.

Axes: N example, E entity (padded), n entity of one kind, Q fact of that kind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from orderd.domain.faults import KINDS, EntityKind
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, HOST_INDEX, HOST_SIGNALS
from ordertrainer.dataset import Examples

HOST_FACTS: Final = tuple(s.name for s in HOST_SIGNALS if s.name.startswith(("cpu_", "pressure_")))
"""Host signals that a rule may look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Entities of one kind.

    Attributes:
        kind: of all of them.
        names: Q signals, those of the entity first.
        values: [n, Q] float32, NaN where missing.
        example, entity: [n] int64 where each stands in the examples.
        incident: [n] int64, a number for each run; rows of one run are not independent of each other.
    """

    kind: EntityKind
    names: tuple[str, ...]
    values: NDArray[np.float32]
    example: NDArray[np.int64]
    entity: NDArray[np.int64]
    incident: NDArray[np.int64]

    def __len__(self) -> int:
        """Return n."""
        return len(self.values)

    def of(self, signal: str) -> NDArray[np.float32]:
        """Return [n] values of a signal."""
        return self.values[:, self.names.index(signal)]

    def row(self, number: int) -> tuple[float, ...]:
        """Return one entity's values as orderd has them: one for each of ENTITY_SIGNALS."""
        values = [float("nan")] * len(ENTITY_SIGNALS)
        for name, value in zip(self.names, self.values[number].tolist(), strict=True):
            if name in ENTITY_INDEX:
                values[ENTITY_INDEX[name]] = value
        return tuple(values)

    def take(self, where: NDArray[np.bool_]) -> Self:
        """Return some of them: [n] bool."""
        return type(self)(
            kind=self.kind,
            names=self.names,
            values=self.values[where],
            example=self.example[where],
            entity=self.entity[where],
            incident=self.incident[where],
        )


def names_of(kind: EntityKind) -> tuple[str, ...]:
    """Return what can be known of a kind."""
    return (*(signal.name for signal in ENTITY_SIGNALS if kind in signal.kinds), *HOST_FACTS)


def facts_of(examples: Examples) -> Mapping[EntityKind, Facts]:
    """Return the facts of every kind there is among some examples."""
    _runs, incident = np.unique(examples.run_id, return_inverse=True)
    found: dict[EntityKind, Facts] = {}
    for index, kind in enumerate(KINDS):
        example, entity = np.nonzero(examples.present & (examples.kind == index))
        if not len(example):
            continue
        names = names_of(kind)
        own = [ENTITY_INDEX[name] for name in names if name in ENTITY_INDEX]
        whole = [HOST_INDEX[name] for name in names if name in HOST_INDEX]
        newest, host = examples.rows[example, entity, 0], examples.host[example, 0]
        found[kind] = Facts(
            kind=kind,
            names=names,
            values=np.concatenate((newest[:, own], host[:, whole]), axis=1),
            example=example,
            entity=entity,
            incident=incident[example],
        )
    return found
