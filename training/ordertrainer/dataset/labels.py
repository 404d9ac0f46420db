"""Labels: one JSON line per run, saying what was done to a host and when. Touches DIR/labels.jsonl.

A run is written only when it is complete and its fault was seen to land. Time outside every run is never used: nobody vouches
for it. All times are the host's CLOCK_MONOTONIC in nanoseconds, the clock of its samples.

    began ... armed   steady, proven by probes: every entity is ok
    armed ... landed  the fault is on its way: ignored
    landed ... ended  the fault is there
    ended ... clean   being reverted, not yet proven steady again: ignored
"""

import os
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from orderd.domain.faults import KIND_OF, Entity, Failure
from ordertrainer.dataset.errors import DatasetError
from ordertrainer.serve.layout import HOST_ID_SHAPE, Layout

SPLITS: Final = ("train", "tune", "test")


class Label(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run.

    Attributes:
        run_id: unique in the data set.
        host_id: of the host, as in its telemetry.
        fault: name of the fault, empty for a quiet stretch.
        failure: the failure class it causes; ``ok`` for decoys and quiet stretches.
        entity: ``kind:key`` of what failed, as the host's samples name it; empty when nothing did.
        target: what the fault was aimed at, for people.
        intensity: in the fault's unit, None when nothing was injected.
        decoy: looked broken and was fine.
        began_mono_ns: steady from here on.
        armed_mono_ns: the injection began.
        landed_mono_ns: an independent check saw the fault.
        ended_mono_ns: the revert began.
        clean_mono_ns: known steady again.
        seed: the experiment was drawn from it.
        split: train, tune or test.
    """

    run_id: Annotated[str, Meta(min_length=1, max_length=200)]
    host_id: Annotated[str, Meta(pattern=f"^{HOST_ID_SHAPE.pattern}$")]
    fault: str
    failure: Failure
    entity: str
    target: str
    intensity: float | None
    decoy: bool
    began_mono_ns: int
    armed_mono_ns: int
    landed_mono_ns: int
    ended_mono_ns: int
    clean_mono_ns: int
    seed: int
    split: Annotated[str, Meta(pattern=f"^({'|'.join(SPLITS)})$")]

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            ValueError: the times are out of order, or failure and entity do not go together.
        """
        times = (self.began_mono_ns, self.armed_mono_ns, self.landed_mono_ns, self.ended_mono_ns, self.clean_mono_ns)
        if list(times) != sorted(times):
            raise ValueError(f"run {self.run_id}: began, armed, landed, ended, clean are out of order: {times}")
        if (self.failure is Failure.OK) != (not self.entity):
            raise ValueError(f"run {self.run_id}: failure {self.failure} with entity {self.entity!r}: want both or neither")
        kind = KIND_OF.get(self.failure)
        if self.entity and kind and Entity.parse(self.entity).kind is not kind:
            raise ValueError(f"run {self.run_id}: {self.failure} happens to a {kind}, not to {self.entity}")


def append_label(root: Path, label: Label) -> None:
    """Add a run, durably and in one write, so that a crash leaves whole lines."""
    fd = os.open(Layout(root=root).labels, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        os.write(fd, msgspec.json.encode(label) + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)


def read_labels(root: Path, split: str | None = None) -> tuple[Label, ...]:
    """Return the runs, oldest line first.

    Args:
        root: the data directory.
        split: only of this one; all when None.

    Raises:
        DatasetError: there is no such file, or a line is no label, or two runs share an id.
    """
    if split is not None and split not in SPLITS:
        raise DatasetError(f"split {split!r}: allowed are {', '.join(SPLITS)}")
    path = Layout(root=root).labels
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}; `ordertrainer collect --out {root}` makes one") from error
    labels: dict[str, Label] = {}
    for number, line in enumerate(lines, start=1):
        label = _parse(path, number, line)
        if label.run_id in labels:
            raise DatasetError(f"{path}:{number}: run {label.run_id} is there twice; remove one of the lines")
        labels[label.run_id] = label
    return tuple(label for label in labels.values() if split in {None, label.split})


def _parse(path: Path, number: int, line: bytes) -> Label:
    try:
        return msgspec.json.decode(line, type=Label)
    except msgspec.DecodeError as error:
        raise DatasetError(f"{path}:{number}: {error}; remove the line") from error
