"""Labelled windows -> arrays, for training and evaluation. Reads a data directory.

Axes: N example, E entity (padded to the largest), S slot (newest first), H host signal, F entity signal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orderd.domain.faults import FAILURES
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S
from ordertrainer.dataset.windows import LabelledWindow, iter_windows

IGNORE: Final = -1
"""Class index of an entity that is not judged, and of padding."""

_CLASS: Final = {None: IGNORE} | {failure: index for index, failure in enumerate(FAILURES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Windows with what was wrong in them; examples of one run are neighbours, oldest first.

    Attributes:
        host: [N,S,H] float32, NaN where missing.
        rows: [N,E,S,F] float32, NaN where missing and in padding.
        kind: [N,E] int64 kind index, 0 in padding.
        present: [N,E] bool, false for padding.
        failure: [N,E] int64 class index, IGNORE where not judged.
        wrong: [N] float32, 1 when anything is wrong on the host.
        host_id: [N] str.
        run_id: [N] str.
        fault: [N] str, empty while nothing is injected; a decoy's name while it is there.
        intensity: [N] float32, NaN while nothing is injected.
        at_s: [N] float64 monotonic seconds of the window on its host; only differences within a run mean anything.
    """

    host: NDArray[np.float32]
    rows: NDArray[np.float32]
    kind: NDArray[np.int64]
    present: NDArray[np.bool_]
    failure: NDArray[np.int64]
    wrong: NDArray[np.float32]
    host_id: NDArray[np.str_]
    run_id: NDArray[np.str_]
    fault: NDArray[np.str_]
    intensity: NDArray[np.float32]
    at_s: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.wrong)


def load_examples(root: Path, split: str | None = None) -> Examples:
    """Return the examples of a data directory.

    Args:
        root: the data directory.
        split: train, tune or test; all when None.

    Raises:
        DatasetError: the directory cannot be used; see its message.
    """
    return pack(list(iter_windows(root, split)))


def pack(labelled: Sequence[LabelledWindow]) -> Examples:
    """Return labelled windows as arrays, in their order."""
    count = len(labelled)
    entities = max((len(each.window.entities) for each in labelled), default=0)
    slots, host_width, row_width = len(SLOT_AGES_S), len(HOST_SIGNALS), len(ENTITY_SIGNALS)
    host = np.empty((count, slots, host_width), np.float32)
    rows = np.full((count, entities, slots, row_width), np.nan, np.float32)
    kind = np.zeros((count, entities), np.int64)
    present = np.zeros((count, entities), np.bool_)
    failure = np.full((count, entities), IGNORE, np.int64)
    for n, each in enumerate(labelled):
        width = len(each.window.entities)
        host[n] = np.frombuffer(each.window.host, np.float32).reshape(slots, host_width)
        rows[n, :width] = np.frombuffer(each.window.rows, np.float32).reshape(width, slots, row_width)
        kind[n, :width] = each.window.kinds
        present[n, :width] = True
        failure[n, :width] = [_CLASS[truth] for truth in each.truth]
    return Examples(
        host=host,
        rows=rows,
        kind=kind,
        present=present,
        failure=failure,
        wrong=np.array([each.wrong for each in labelled], np.float32),
        host_id=np.array([each.label.host_id for each in labelled], np.str_),
        run_id=np.array([each.label.run_id for each in labelled], np.str_),
        fault=np.array([each.label.fault if each.injected else "" for each in labelled], np.str_),
        intensity=np.array([_intensity(each) for each in labelled], np.float32),
        at_s=np.array([each.window.at.mono_ns / 1e9 for each in labelled], np.float64),
    )


def joined(first: Examples, second: Examples) -> Examples:
    """Return two sets as one, the first one's examples before the second one's."""
    entities = max(first.kind.shape[1], second.kind.shape[1])
    padding = {"rows": np.nan, "kind": 0, "present": False, "failure": IGNORE}

    def every(name: str) -> NDArray[Any]:
        parts = [getattr(each, name) for each in (first, second)]
        if name in padding:
            parts = [_widened(part, entities, padding[name]) for part in parts]
        return np.concatenate(parts)

    return Examples(**{field.name: every(field.name) for field in fields(Examples)})


def _widened(values: NDArray[Any], entities: int, fill: float) -> NDArray[Any]:
    missing = [(0, 0)] * values.ndim
    missing[1] = (0, entities - values.shape[1])
    return np.pad(values, missing, constant_values=fill)


def _intensity(labelled: LabelledWindow) -> float:
    return labelled.label.intensity if labelled.injected and labelled.label.intensity is not None else np.nan
