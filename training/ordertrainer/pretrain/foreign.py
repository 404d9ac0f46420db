"""Telemetry of others, in 8 bits: read, cut into a part to fit to and a part to be scored. Reads one .npz file; pure otherwise.

Two forms are read, and nothing else about a file is guessed:

    values [T, C], and offsets [runs + 1] where there are several runs; the first two thirds of each run may be fitted to
    SET|NAME|train and SET|NAME|test [T, C] for every NAME, cut as their authors cut them

Axes: T sample, C channel. A channel that lies between 0 and 1 everywhere is taken as a share as it is; every other one from its
least to its largest value in the parts to fit to, so that what is scored had no say in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ordertrainer.nets.codes import CODES

_TRAIN, _TEST = "|train", "|test"
_FITTED_SHARE: Final = 2.0 / 3.0

Rows = NDArray[np.float32]


class ForeignError(Exception):
    """A file of foreign telemetry cannot be used; the message names it, what is wrong and what is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One host's telemetry.

    Attributes:
        name: of the host or run.
        fitted: [T, C] uint8 codes, what a model may be fitted to.
        scored: [T, C] uint8 codes, what comes after.
    """

    name: str
    fitted: NDArray[np.uint8]
    scored: NDArray[np.uint8]


def read_foreign(path: Path) -> list[Stream]:
    """Return the streams of a file.

    Raises:
        ForeignError: it cannot be read, or is of neither form.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise ForeignError(f"{path}: no .npz file of plain arrays: {error}") from error
    parts = list(_parts(arrays))
    if not parts:
        raise ForeignError(f"{path}: neither `values` [T, C] nor pairs of SET|NAME|train and SET|NAME|test are in it")
    if len({part.shape[1] for _, *both in parts for part in both}) > 1:
        raise ForeignError(f"{path}: its streams have different numbers of channels; want the same in all")
    low, high = _ranges([part for _, *both in parts for part in both], [fitted for _, fitted, _ in parts])
    return [Stream(name=name, fitted=_codes(one, low, high), scored=_codes(other, low, high)) for name, one, other in parts]


def _parts(arrays: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, Rows, Rows]]:
    """Yield name, part to fit to and part to score."""
    if "values" in arrays and arrays["values"].ndim == 2:  # noqa: PLR2004  samples by channels
        values = arrays["values"].astype(np.float32)
        offsets = arrays.get("offsets", np.array([0, len(values)]))
        for number, (start, stop) in enumerate(pairwise(offsets.tolist())):
            middle = start + int((stop - start) * _FITTED_SHARE)
            yield f"run {number}", values[start:middle], values[middle:stop]
        return
    for name in sorted(arrays):
        test = name.removesuffix(_TRAIN) + _TEST
        if name.endswith(_TRAIN) and test in arrays:
            yield name.removesuffix(_TRAIN), arrays[name].astype(np.float32), arrays[test].astype(np.float32)


def _ranges(every: list[Rows], fitted: list[Rows]) -> tuple[Rows, Rows]:
    """Return [C] the least and the largest value of each channel."""
    whole, some = np.concatenate(every), np.concatenate(fitted)
    share = (np.nanmin(whole, axis=0) >= 0.0) & (np.nanmax(whole, axis=0) <= 1.0)
    low, high = np.where(share, 0.0, np.nanmin(some, axis=0)), np.where(share, 1.0, np.nanmax(some, axis=0))
    return low.astype(np.float32), np.where(high > low, high, low + 1.0).astype(np.float32)


def _codes(values: Rows, low: Rows, high: Rows) -> NDArray[np.uint8]:
    scaled = np.rint((values - low) / (high - low) * (CODES - 1))
    return np.clip(np.nan_to_num(scaled), 0, CODES - 1).astype(np.uint8)
