"""Questions about a set of examples, and how one example becomes a window again. Pure.

Axes: N example, E entity (padded to the largest), S slot, H host signal, F entity signal, C failure class.
"""

from array import array
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orderd.domain.clock import Instant
from orderd.domain.faults import KINDS, Entity, EntityKind
from orderd.domain.values import EntityRow, Sample
from orderd.domain.window import Window
from ordertrainer.dataset import Examples

_KEYS: Final = {
    EntityKind.UNIT: "example-{}.service",
    EntityKind.MOUNT: "/example/{}",
    EntityKind.PROCESS: "{}:1",
    EntityKind.RESOLVER: "system",
    EntityKind.CLOCK: "system",
    EntityKind.NIC: "example{}",
    EntityKind.HOST: "system",
}


def check_separate(**splits: Examples) -> None:
    """Refuse splits that share a run: neighbouring seconds of one drill are almost copies of each other.

    Raises:
        ValueError: a run is in two splits; names both and the run.
    """
    owner: dict[str, str] = {}
    for name, examples in splits.items():
        for run in {str(run) for run in examples.run_id}:
            if owner.setdefault(run, name) != name:
                msg = f"run {run} is in {owner[run]!r} and in {name!r}; split by run, never by row"
                raise ValueError(msg)


def window_of(examples: Examples, index: int) -> Window:
    """Return one example as the window orderd would have seen, with made-up names.

    Args:
        examples: the set.
        index: which one.
    """
    there = np.flatnonzero(examples.present[index])
    kinds = examples.kind[index][there]
    rows = np.ascontiguousarray(examples.rows[index][there], np.float32)
    entities = tuple(_entity(int(kind), number) for number, kind in enumerate(kinds, start=1))
    host = np.ascontiguousarray(examples.host[index], np.float32)
    at = Instant(mono_ns=int(examples.at_s[index] * 1e9), utc_ns=0)
    newest = tuple(
        EntityRow(entity=entity, values=tuple(float(v) for v in row[0])) for entity, row in zip(entities, rows, strict=True)
    )
    return Window(
        at=at,
        entities=entities,
        kinds=array("q", [int(kind) for kind in kinds]),
        host=array("f", host.tobytes()),
        rows=array("f", rows.tobytes()),
        newest=Sample(at=at, cause="timer", host=tuple(float(v) for v in host[0]), entities=newest),
    )


def _entity(kind: int, number: int) -> Entity:
    return Entity(kind=KINDS[kind], key=_KEYS[KINDS[kind]].format(number))


def is_quiet(examples: Examples) -> NDArray[np.bool_]:
    """Return [N]: true where nothing is wrong, decoys included."""
    return examples.wrong < 0.5  # noqa: PLR2004  the middle of a label that is 0 or 1


def strata(examples: Examples) -> NDArray[np.str_]:
    """Return [N]: what kind of example each is, for balanced drawing: the fault while it shows, else quiet or decoy."""
    quiet = is_quiet(examples)
    calm = np.where(examples.fault == "", "quiet", np.char.add("calm ", examples.fault.astype(np.str_)))
    return np.where(quiet, calm, examples.fault)
