"""A foreign series from an .npz file: checked array by array, refused by name, place and remedy. Reads one file.

    values       [T, C] numbers, a sample a row, in orderd's units; float32 is what is computed with
    channels     [C] text: names of orderd's signals (host or entity), "?" for what has none
    labels       [T] whole numbers, 0 where nothing is wrong; or [T, K] of 0 and 1, one column a label
    label_names  [K] text; for labels [T] the first may be the name of 0
    offsets      [R + 1] optional: where runs begin, 0 first and T last; nothing is carried over a border
    period_s     one number, optional: seconds between samples, 1 without it

Nothing is loaded that could run code (no pickles), and nothing that unpacks to more than BYTES_MAX. A sample counts as one second
for the window's slots whatever its period: the shape of the past is what the model knows, and onset delays are told in seconds.
"""

import difflib
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orderd.domain.signals import ENTITY_INDEX, HOST_INDEX
from ordertrainer.evaluation.external.labels import read_labels
from ordertrainer.evaluation.external.refusal import ExternalError, place, texts

UNMAPPED: Final = "?"
BYTES_MAX: Final = 2 << 30
NEEDED: Final = ("values", "channels", "labels", "label_names")
OPTIONAL: Final = ("offsets", "period_s")
_SHOWN_MAX: Final = 5
_RATIO_MAX: Final = 1.5
"""Above it a share is hardly one: percents, most likely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series that can be scored.

    Attributes:
        name: of the file.
        values: [T,C] float32, NaN where missing.
        channels: C names.
        truth: [T,K] bool.
        label_names: K names.
        offsets: [R+1] int64.
        period_s: seconds between samples.
        remarks: what a reader of its scores should know.
    """

    name: str
    values: NDArray[np.float32]
    channels: tuple[str, ...]
    truth: NDArray[np.bool_]
    label_names: tuple[str, ...]
    offsets: NDArray[np.int64]
    period_s: float
    remarks: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.values)

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Return [T]: true where any label is."""
        return self.truth.any(axis=1)

    @property
    def run(self) -> NDArray[np.int64]:
        """Return [T]: the number of the run each sample belongs to."""
        return np.searchsorted(self.offsets, np.arange(len(self)), side="right") - 1


def read_series(path: Path, *, allow_missing: bool = False) -> Series:
    """Read and check a file.

    Args:
        path: of the .npz.
        allow_missing: take NaN among the values for what was not measured, as it is on orderd's own hosts.

    Raises:
        ExternalError: something is wrong with it; the message says what, where and what to do.
    """
    arrays = _arrays(path)
    if absent := [name for name in NEEDED if name not in arrays]:
        there = ", ".join(sorted(arrays)) or "nothing"
        hint = "; 'columns' has to be called 'channels'" if "columns" in arrays and "channels" in absent else ""
        raise ExternalError(
            f"{path}: no array {', '.join(map(repr, absent))} (there is: {there}){hint}; needed: {', '.join(NEEDED)}"
        )
    values = _values(path, arrays["values"])
    channels = _channels(path, arrays["channels"], values.shape[1])
    _check_finite(path, values, channels, allow_missing=allow_missing)
    labels = read_labels(path, arrays["labels"], arrays["label_names"], len(values))
    unused = sorted(set(arrays) - {*NEEDED, *OPTIONAL})
    remarks = [*labels.remarks, *_about_units(values, channels), *([f"not used: {', '.join(unused)}"] if unused else [])]
    return Series(
        name=path.name,
        values=values,
        channels=channels,
        truth=labels.truth,
        label_names=labels.names,
        offsets=_offsets(path, arrays.get("offsets"), len(values)),
        period_s=_period(path, arrays.get("period_s")),
        remarks=tuple(remarks),
    )


def _arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return every array that can be read without running anything."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
            if unpacked > BYTES_MAX:
                raise ExternalError(f"{path}: unpacks to {unpacked} bytes; allowed are {BYTES_MAX}: split it into several files")
        with np.load(path, allow_pickle=False) as file:
            return {name: _array(path, file, name) for name in file.files}
    except OSError as error:
        raise ExternalError(f"{path}: {error.strerror or error}; name an .npz file with {', '.join(NEEDED)}") from error
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        remedy = f"np.savez writes one; it has to hold {', '.join(NEEDED)}"
        raise ExternalError(f"{path}: not an .npz archive of arrays ({error}); {remedy}") from error


def _array(path: Path, file: Any, name: str) -> NDArray[Any]:
    try:
        return file[name]
    except ValueError as error:
        remedy = "save names as text, np.array(names, dtype=str), and tables as one array of numbers"
        raise ExternalError(f"{path}: {name} holds Python objects, which are never loaded; {remedy}") from error


def _values(path: Path, values: NDArray[Any]) -> NDArray[np.float32]:
    if values.ndim != 2:  # noqa: PLR2004  samples and channels
        raise ExternalError(f"{path}: values has shape {_shape(values)}; want [T, C]: a sample a row, a channel a column")
    if values.dtype.kind not in "fiub":
        raise ExternalError(f"{path}: values is of type {values.dtype}; want real numbers, float32")
    if not values.size:
        raise ExternalError(f"{path}: values has shape {_shape(values)}: it is empty; want at least one sample of one channel")
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _channels(path: Path, given: NDArray[Any], count: int) -> tuple[str, ...]:
    names = texts(path, "channels", given)
    if len(names) != count:
        raise ExternalError(
            f"{path}: channels has {len(names)} names, values has {count} columns; want one for each, '?' where none fits"
        )
    known = [*HOST_INDEX, *ENTITY_INDEX]
    if unknown := [(i, name) for i, name in enumerate(names) if name != UNMAPPED and name not in set(known)]:
        shown = "; ".join(f"channels[{i}] = {name!r}{_like(name, known)}" for i, name in unknown[:_SHOWN_MAX])
        more = f"; and {len(unknown) - _SHOWN_MAX} more" if len(unknown) > _SHOWN_MAX else ""
        raise ExternalError(
            f"{path}: {shown}{more}: no signal of orderd's (orderd.domain.signals); call it '?' where none means the same"
        )
    for i, name in enumerate(names):
        if name != UNMAPPED and names.index(name) != i:
            raise ExternalError(
                f"{path}: channels[{names.index(name)}] and channels[{i}] are both {name!r}; one of them has to be '?'"
            )
    return names


def _like(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _check_finite(path: Path, values: NDArray[np.float32], channels: tuple[str, ...], *, allow_missing: bool) -> None:
    for what, bad in (("infinite", np.isinf(values)), ("NaN", np.isnan(values))):
        if bad.any() and not (what == "NaN" and allow_missing):
            t, c = (int(each[0]) for each in np.nonzero(bad))
            remedy = "--allow-missing takes NaN for not measured" if what == "NaN" else "want finite numbers that a float32 holds"
            raise ExternalError(
                f"{path}: values[{t}, {c}] (channel {channels[c]!r}) is {what}, the first of {int(bad.sum())} such values in "
                f"{int(bad.any(axis=0).sum())} of {len(channels)} channels; {remedy}"
            )


def _offsets(path: Path, given: NDArray[Any] | None, count: int) -> NDArray[np.int64]:
    if given is None:
        return np.array([0, count], np.int64)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise ExternalError(f"{path}: offsets has shape {_shape(given)} and type {given.dtype}; want [R + 1] whole numbers")
    offsets = given.astype(np.int64)
    if len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != count or (np.diff(offsets) <= 0).any():  # noqa: PLR2004  one run
        said = ", ".join(map(str, offsets[:_SHOWN_MAX])) + ("..." if len(offsets) > _SHOWN_MAX else "")
        raise ExternalError(f"{path}: offsets = {said}; want rising numbers from 0 to {count}, the number of samples")
    return offsets


def _period(path: Path, given: NDArray[Any] | None) -> float:
    if given is None:
        return 1.0
    if given.size != 1 or given.dtype.kind not in "fiu" or not 0.0 < float(given.reshape(())) < math.inf:
        raise ExternalError(f"{path}: period_s = {place(given)}; want one number of seconds above 0")
    return float(given.reshape(()))


def _about_units(values: NDArray[np.float32], channels: tuple[str, ...]) -> list[str]:
    """Return what looks as if it were in other units than the name says; it is scored as it is."""
    remarks: list[str] = []
    for c, name in enumerate(channels):
        measured = values[:, c][np.isfinite(values[:, c])]
        if name.endswith("_ratio") and measured.size and float(measured.max()) > _RATIO_MAX:
            remarks.append(f"{name} (column {c}) reaches {float(measured.max()):g}; a ratio is 0 to 1: is it a percentage?")
    return remarks


def _shape(array: NDArray[Any]) -> str:
    return "[" + ", ".join(map(str, array.shape)) + "]"
