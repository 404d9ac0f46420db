"""Why a foreign file is refused, in words, and how its texts are read. Pure."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ExternalError(Exception):
    """A foreign file cannot be scored; the message names the file, what is wrong, where, and what to do."""


def texts(path: Path, name: str, given: NDArray[Any]) -> tuple[str, ...]:
    """Return an array of text as strings.

    Args:
        path: of the file, for messages.
        name: of the array, for messages.
        given: [N], numpy's str or bytes.

    Raises:
        ExternalError: it is something else.
    """
    if given.ndim != 1 or given.dtype.kind not in "US":
        shape = "[" + ", ".join(map(str, given.shape)) + "]"
        raise ExternalError(
            f"{path}: {name} has shape {shape} and type {given.dtype}; want a row of names, np.array(names, dtype=str)"
        )
    try:
        return tuple(str(each) if given.dtype.kind == "U" else bytes(each).decode("utf-8") for each in given)
    except UnicodeDecodeError as error:
        raise ExternalError(f"{path}: {name}: {error}; want text in UTF-8") from error


def place(given: NDArray[Any]) -> str:
    """Return a small array as it is shown in a message."""
    return np.array2string(given, threshold=5, edgeitems=2)
