"""Moments from recorded runs: what real hosts showed, second after second. Reads a data directory; imports torch.

No label is learned from. Labels only say which stretches of time belong to which split, and what happened in them: time outside
every run may hold anything, also what is held out. Runs of a family that is not for training are never trained on, whatever
their split says.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch

from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S
from orderd.domain.window import History, Window
from ordertrainer.dataset import Label, read_labels
from ordertrainer.dataset.samples import check_compacted, iter_samples
from ordertrainer.heldout import HeldOut, Part
from ordertrainer.pretrain.moments import Course, Moments, concatenate
from ordertrainer.serve.layout import Layout

NEXT_S: Final = (0.6, 1.6)
"""How much later the next sample is: orderd samples once a second; what an event adds between is part of later windows only."""
_SLOTS, _HOST, _ENTITY = len(SLOT_AGES_S), len(HOST_SIGNALS), len(ENTITY_SIGNALS)
_NS: Final = 1e9


def may_train(label: Label, held: HeldOut) -> bool:
    """Tell whether a run may be trained on."""
    return not label.fault or held.part(label.fault) is Part.TRAIN


def recorded(root: Path, split: str, held: HeldOut, *, most: int, seed: int) -> Moments | None:
    """Return moments of the runs of a split that may be trained on, drawn evenly; None where there are none.

    Args:
        root: the data directory.
        split: train or tune.
        held: what may not be trained on.
        most: about so many at most.
        seed: of the draw.

    Raises:
        DatasetError: the directory cannot be used.
    """
    labels = [label for label in read_labels(root, split) if may_train(label, held)]
    share = min(1.0, most / max(1.0, sum(label.clean_mono_ns - label.began_mono_ns for label in labels) / _NS))
    draws = torch.Generator().manual_seed(seed)
    kept: list[Moments] = []
    for course in courses(root, labels):
        some = (torch.rand(len(course.moments), generator=draws) < share).nonzero()[:, 0]
        if len(some):
            kept.append(course.moments.take(some))
    return concatenate(kept) if kept else None


def courses(root: Path, labels: Sequence[Label]) -> Iterator[Course]:
    """Yield the stretches without a gap of some runs, host by host.

    Raises:
        DatasetError: the directory cannot be used.
    """
    layout = Layout(root=root)
    check_compacted(layout)
    by_host: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_host[label.host_id].append(label)
    for host_id in sorted(by_host):
        runs = sorted(by_host[host_id], key=lambda label: label.began_mono_ns)
        for label, windows in _stretches(layout, host_id, runs):
            if len(windows) > 1:
                yield _course(label, windows)


def _stretches(layout: Layout, host_id: str, runs: Sequence[Label]) -> Iterator[tuple[Label, list[Window]]]:
    """Yield windows about a second apart from each other, with the run that they belong to."""
    begins = [label.began_mono_ns for label in runs]
    boot_id, history = "", History()
    label, kept = None, list[Window]()
    for taken in iter_samples(layout, host_id):
        if taken.boot_id != boot_id:
            boot_id, history = taken.boot_id, History()
        window = history.add(taken.sample)
        now = _run_at(runs, begins, window.at.mono_ns)
        gap_s = (window.at.mono_ns - kept[-1].at.mono_ns) / _NS if kept else NEXT_S[0]
        if now is label and 0.0 <= gap_s < NEXT_S[0]:
            continue
        if now is not label or not NEXT_S[0] <= gap_s <= NEXT_S[1]:
            if label is not None:
                yield label, kept
            label, kept = now, []
        if now is not None:
            kept.append(window)
    if label is not None:
        yield label, kept


def _run_at(runs: Sequence[Label], begins: Sequence[int], mono_ns: int) -> Label | None:
    place = bisect_right(begins, mono_ns) - 1
    return runs[place] if place >= 0 and mono_ns < runs[place].clean_mono_ns else None


def _course(label: Label, windows: list[Window]) -> Course:
    names = {entity: None for window in windows for entity in window.entities}
    place = {entity: number for number, entity in enumerate(names)}
    count = len(windows)
    host = np.stack([np.frombuffer(window.host, np.float32).reshape(_SLOTS, _HOST) for window in windows])
    rows = np.full((count, len(place), _SLOTS, _ENTITY), np.nan, np.float32)
    kind = np.zeros((count, len(place)), np.int64)
    present = np.zeros((count, len(place)), np.bool_)
    for number, window in enumerate(windows):
        where = [place[entity] for entity in window.entities]
        rows[number, where] = np.frombuffer(window.rows, np.float32).reshape(len(where), _SLOTS, _ENTITY)
        kind[number, where], present[number, where] = window.kinds, True
    moments = Moments(
        host=torch.from_numpy(host[:-1].copy()),
        rows=torch.from_numpy(rows[:-1]),
        kind=torch.from_numpy(kind[:-1]),
        present=torch.from_numpy(present[:-1]),
        next_host=torch.from_numpy(host[1:, 0].copy()),
        next_rows=torch.from_numpy(rows[1:, :, 0].copy()),
    )
    at_ns = np.array([window.at.mono_ns - label.landed_mono_ns for window in windows[1:]], np.float64)
    landed = at_ns / _NS if label.fault else np.full(count - 1, np.nan)
    return Course(moments=moments, fault=label.fault, landed=torch.from_numpy(landed).to(torch.float32))
