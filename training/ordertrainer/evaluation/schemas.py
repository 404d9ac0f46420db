"""One schema a data set: what was measured with different lists of signals is not scored together. Reads Parquet footers."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ordertrainer.dataset import DatasetError
from ordertrainer.serve.layout import Layout


def check_one_schema(data: Path) -> None:
    """Refuse a data directory whose files were written with more than one schema.

    An older schema alone is read well enough (what it lacks is missing); two of them beside each other are two kinds of hosts
    under one figure.

    Args:
        data: the data directory.

    Raises:
        DatasetError: names both digests and a file of each.
    """
    first: dict[str, Path] = {}
    for path in Layout(root=data).files():
        if path.parent.parent.name in {"samples", "entities"}:
            first.setdefault(_digest(path), path)
    if len(first) > 1:
        (one, here), (other, there) = list(first.items())[:2]
        raise DatasetError(
            f"{data}: mixes schema digests: {one or '(none)'} in {here.relative_to(data)} and {other or '(none)'} in "
            f"{there.relative_to(data)}; evaluate what each release collected apart"
        )


def _digest(path: Path) -> str:
    try:
        return (pq.read_schema(path).metadata or {}).get(b"schema_digest", b"").decode("ascii", "replace")
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path}: {error}; remove the file, its samples are lost") from error
