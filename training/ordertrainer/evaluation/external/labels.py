"""Labels of a foreign series: one number a sample, or one column a label. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ordertrainer.evaluation.external.refusal import ExternalError, place, texts

LABELS_MAX: Final = 1000
_ALL_IS_WELL: Final = frozenset(
    {"", "0", "ok", "none", "normal", "quiet", "healthy", "nominal", "benign", "no_fault", "no fault"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What is true of each sample.

    Attributes:
        truth: [T,K] bool.
        names: K.
        remarks: how the numbers were read.
    """

    truth: NDArray[np.bool_]
    names: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def read_labels(path: Path, labels: NDArray[Any], label_names: NDArray[Any], count: int) -> Labels:
    """Read labels and their names.

    Args:
        path: of the file, for messages.
        labels: as in the file.
        label_names: likewise.
        count: T.

    Raises:
        ExternalError: shape, type or a value is not what it has to be.
    """
    names = texts(path, "label_names", label_names)
    if labels.ndim not in {1, 2} or len(labels) != count:
        shape = "[" + ", ".join(map(str, labels.shape)) + "]"
        raise ExternalError(
            f"{path}: labels has shape {shape}, values has {count} samples; want [{count}], or [{count}, {len(names)}]"
        )
    whole = _whole(path, labels)
    return _numbered(path, whole, names) if whole.ndim == 1 else _columns(path, whole, names)


def _whole(path: Path, labels: NDArray[Any]) -> NDArray[np.int64]:
    if labels.dtype.kind not in "fiub":
        raise ExternalError(f"{path}: labels is of type {labels.dtype}; want whole numbers, 0 where nothing is wrong")
    bad = ~np.isfinite(labels) if labels.dtype.kind == "f" else np.zeros(labels.shape, np.bool_)
    bad |= (labels < 0) | (np.where(bad, 0, labels) != np.floor(np.where(bad, 0, labels))) if labels.dtype.kind != "b" else bad
    if bad.any():
        where = tuple(int(each[0]) for each in np.nonzero(bad))
        raise ExternalError(
            f"{path}: labels[{', '.join(map(str, where))}] = {place(labels[where])}; want whole numbers, 0 where nothing is wrong"
        )
    return labels.astype(np.int64)


def _columns(path: Path, labels: NDArray[np.int64], names: tuple[str, ...]) -> Labels:
    """Read [T, K] of 0 and 1."""
    if labels.shape[1] != len(names):
        raise ExternalError(
            f"{path}: labels has {labels.shape[1]} columns, label_names {len(names)} names; want one name for each"
        )
    if (labels > 1).any():
        t, k = (int(each[0]) for each in np.nonzero(labels > 1))
        raise ExternalError(f"{path}: labels[{t}, {k}] = {labels[t, k]}; a column of labels holds 0 and 1")
    return Labels(truth=labels > 0, names=_told_apart(path, names))


def _numbered(path: Path, labels: NDArray[np.int64], names: tuple[str, ...]) -> Labels:
    """Read [T]: the names begin with that of 0, or with that of 1; which of the two is remarked, since a file does not say."""
    most = int(labels.max(initial=0))
    of_zero = bool(names) and (names[0].strip().lower() in _ALL_IS_WELL or len(names) == most + 1 > 1)
    own = names[1:] if of_zero else names
    if most > len(own):
        t = int(labels.argmax())
        raise ExternalError(
            f"{path}: labels[{t}] = {most}, and label_names has {len(own)} names of what is wrong; want one for each"
        )
    if len(own) > LABELS_MAX:
        raise ExternalError(f"{path}: label_names has {len(own)} names; allowed are {LABELS_MAX}")
    truth = labels[:, None] == np.arange(1, len(own) + 1)
    remark = f"label 0 is {names[0]!r}, nothing wrong" if of_zero else "label 0 is nothing wrong"
    first = f", label 1 is {own[0]!r}" if own else ""
    return Labels(truth=truth, names=_told_apart(path, own), remarks=(remark + first,))


def _told_apart(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    for i, name in enumerate(names):
        if names.index(name) != i:
            raise ExternalError(f"{path}: label_names[{names.index(name)}] and label_names[{i}] are both {name!r}")
    return tuple(names)
