"""A data directory -> runs, second by second, and windows of them cut as the daemon cuts them. Reads the directory.

Of a run only what lies between its beginning and its revert is kept: nobody vouches for what was before, so older slots of a
window are missing here that the daemon itself would have filled.

Axes: T sample of a run, E entity, S slot of the window (newest first), n window, F entity signal, H host signal.
"""

import hashlib
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from orderd.domain.faults import Entity
from orderd.domain.signals import ENTITY_SIGNALS, SLOT_AGES_S
from ordertrainer.chaos import FaultContract
from ordertrainer.dataset import Label, read_labels
from ordertrainer.dataset.samples import Taken, check_compacted, iter_samples
from ordertrainer.serve.layout import Layout

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

TOLERANCE_S: Final = 0.5
"""As much newer than its age a slot may be; `orderd.domain.window`."""
TIMER: Final = "timer"
_S: Final = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was measured during one run.

    Attributes:
        label: what was done to the host.
        x: intensity as a share of the contract's range, 0.5 where it has none.
        at_s: [T] since the run began.
        landed_s: since the run began; infinite for quiet runs.
        calm: [T] bool, proven in order.
        broken: [T] bool, the fault or decoy is there.
        timed: [T] bool, taken because it was time to, not because something happened.
        host: [T, H].
        entities: that were there at any time.
        rows: [T, E, F], NaN where an entity is not there.
        present: [T, E] bool.
    """

    label: Label
    x: float
    at_s: NDArray[np.float64]
    landed_s: float
    calm: Flags
    broken: Flags
    timed: Flags
    host: Floats
    entities: tuple[Entity, ...]
    rows: Floats
    present: Flags

    @property
    def failing(self) -> int | None:
        """Return which entity fails, None where none does or it was never measured."""
        return next((n for n, entity in enumerate(self.entities) if str(entity) == self.label.entity), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Windows of one run.

    Attributes:
        at: [n] which sample each ends with.
        seen: [n, S] bool, the run had begun.
        host: [n, S, H].
        rows: [n, E, S, F].
    """

    at: NDArray[np.int64]
    seen: Flags
    host: Floats
    rows: Floats


def read_runs(
    root: Path, split: str, contracts: Mapping[str, FaultContract], may: Callable[[Label], bool] = lambda _label: True
) -> list[Run]:
    """Return the runs of a split, host by host, oldest first; those without a sample are left out.

    Args:
        root: the data directory.
        split: train, tune or test.
        contracts: of faults, by name.
        may: tells whether a run may be looked at.

    Raises:
        DatasetError: the directory cannot be used; see its message.
    """
    layout = Layout(root=root)
    check_compacted(layout)
    by_host: dict[str, list[Label]] = defaultdict(list)
    for label in read_labels(root, split):
        if may(label):
            by_host[label.host_id].append(label)
    runs: list[Run] = []
    for host_id in sorted(by_host):
        labels = sorted(by_host[host_id], key=lambda label: label.began_mono_ns)
        starts = [label.began_mono_ns for label in labels]
        taken: list[list[Taken]] = [[] for _ in labels]
        for each in iter_samples(layout, host_id):
            place = bisect_right(starts, each.sample.at.mono_ns) - 1
            if place >= 0 and each.sample.at.mono_ns < labels[place].ended_mono_ns:
                taken[place].append(each)
        runs += [_run(label, samples, contracts) for label, samples in zip(labels, taken, strict=True) if samples]
    return runs


def _run(label: Label, taken: Sequence[Taken], contracts: Mapping[str, FaultContract]) -> Run:
    samples = [each.sample for each in taken]
    entities = sorted({row.entity for sample in samples for row in sample.entities}, key=str)
    place = {entity: n for n, entity in enumerate(entities)}
    rows = np.full((len(samples), len(entities), len(ENTITY_SIGNALS)), np.nan, np.float32)
    present = np.zeros((len(samples), len(entities)), np.bool_)
    for at, sample in enumerate(samples):
        for row in sample.entities:
            rows[at, place[row.entity]] = row.values
            present[at, place[row.entity]] = True
    at_ns = np.array([sample.at.mono_ns for sample in samples], np.int64)
    return Run(
        label=label,
        x=_share(label, contracts.get(label.fault)),
        at_s=(at_ns - label.began_mono_ns) / _S,
        landed_s=(label.landed_mono_ns - label.began_mono_ns) / _S if label.fault else math.inf,
        calm=at_ns < label.armed_mono_ns,
        broken=(at_ns >= label.landed_mono_ns) & bool(label.fault),
        timed=np.array([sample.cause == TIMER for sample in samples]),
        host=np.array([sample.host for sample in samples], np.float32),
        entities=tuple(entities),
        rows=rows,
        present=present,
    )


def _share(label: Label, contract: FaultContract | None) -> float:
    if contract is None or label.intensity is None or contract.intensity.max <= contract.intensity.min:
        return 0.5
    return (label.intensity - contract.intensity.min) / (contract.intensity.max - contract.intensity.min)


def fingerprint(runs: Sequence[Run]) -> str:
    """Return a sha256 over what was measured in some runs: it stays what it is when a data directory grows."""
    state = hashlib.sha256()
    for run in sorted(runs, key=lambda run: run.label.run_id):
        state.update(msgspec.json.encode(run.label))
        for values in (run.at_s, run.host, run.rows):
            state.update(np.ascontiguousarray(values).tobytes())
    return state.hexdigest()


def cut(run: Run, at: Sequence[int]) -> Cut:
    """Return the windows that end with some samples of a run, as `orderd.domain.window.History` would cut them."""
    slots = [np.array([_newest(run.at_s, run.at_s[place], age) for age in SLOT_AGES_S]) for place in at]
    host = np.stack([_pick(run.host, where) for where in slots])
    rows = np.full((len(at), len(run.entities), len(SLOT_AGES_S), run.rows.shape[2]), np.nan, np.float32)
    for entity in range(len(run.entities)):
        there = np.flatnonzero(run.present[:, entity])
        times, values = run.at_s[there], run.rows[there, entity]
        for n, place in enumerate(at):
            if run.present[place, entity]:
                where = np.array([_newest(times, run.at_s[place], age) for age in SLOT_AGES_S])
                rows[n, entity] = _pick(values, where)
    return Cut(at=np.array(at, np.int64), seen=np.stack([where >= 0 for where in slots]), host=host, rows=rows)


def _newest(times_s: NDArray[np.float64], now_s: float, age_s: float) -> int:
    """Return the place of the newest sample that is old enough for a slot, -1 when there is none."""
    return int(np.searchsorted(times_s, now_s - (age_s - min(TOLERANCE_S, age_s / 2)), side="right")) - 1


def _pick(values: Floats, where: NDArray[np.int64]) -> Floats:
    return np.where((where >= 0)[:, None], values[where], np.float32(np.nan))
